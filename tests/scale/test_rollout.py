"""A new version of a model, put on one host after the other while clients ask for it."""

from __future__ import annotations

import time
from typing import Any

import clients
import graphs
import pytest
from hosts import until

pytestmark = pytest.mark.scale

ROWS = 150  # more than one run takes, so that an answer is put together from several


def test_rolled_out_version_is_never_mixed_with_the_old_one(lab: Any) -> None:
    newest = [clients.scaled("newest", "/v2/models/scaled/infer", ROWS, seed, 0.03) for seed in range(6)]
    first = [clients.scaled("first", "/v2/models/scaled/versions/1/infer", ROWS, seed, 0.03) for seed in range(3)]
    second = [clients.scaled("second", "/v2/models/scaled/versions/2/infer", ROWS, seed, 0.03) for seed in range(3)]
    with clients.asking([*newest, *first]) as load:
        until(load.has_grown(), "no answers came")
        began = time.monotonic()
        for host in lab.hosts.values():
            graphs.write_scaled(host.models, 2)
            assert host.ask("POST", "/v2/repository/models/scaled/load")[0] == 200
            until(load.has_grown(), "no answers came")
        ended = time.monotonic()
        with clients.asking(second) as later:
            until(later.has_grown(), "no answers came")
        until(load.has_grown(), "no answers came")
    assert load.failed() == []
    assert later.failed() == []
    told = {kind: [asked for asked in load.asked if asked.kind == kind] for kind in ("newest", "first")}
    assert {asked.version for asked in told["first"]} == {"1"}
    assert {asked.version for asked in later.asked} == {"2"}
    assert {asked.version for asked in told["newest"] if asked.came < began} == {"1"}
    assert {asked.version for asked in told["newest"] if began < asked.sent < ended} == {"1", "2"}
    assert {asked.version for asked in told["newest"] if asked.sent > ended} == {"2"}
