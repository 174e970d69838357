"""Hosts that are restarted, killed and cut off under load, and how evenly they are asked."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from typing import Any

import clients
import network
import numpy as np
import pytest
from clients import Load
from hosts import until
from tritonclient.grpc import InferenceServerClient
from tritonclient.utils import InferenceServerException

pytestmark = pytest.mark.scale

LOST_S = 8.0  # two probes that fail, half a second apart and at most a second long, and what a busy machine needs
EVEN = 0.2  # part of the mean by which a host's number of requests may differ


def test_short_requests_are_spread_evenly_over_the_hosts(
    lab: Any, answered: Callable[[int], tuple[np.ndarray, np.ndarray]]
) -> None:
    with clients.asking([clients.raw("kept", *answered(1), 0.01) for _ in range(8)]) as load:
        until(load.has_grown(900), "too few answers")
    assert load.failed() == []
    counts = Counter(asked.host for asked in load.asked)
    mean = len(load.asked) / len(lab.hosts)
    assert counts.keys() == lab.hosts.keys()
    assert all(abs(count - mean) <= EVEN * mean for count in counts.values()), counts


def test_calls_over_one_grpc_connection_are_spread_evenly_over_the_hosts(
    lab: Any, answered: Callable[[int], tuple[np.ndarray, np.ndarray]]
) -> None:
    before = {name: _rows(host) for name, host in lab.hosts.items()}
    with clients.asking([], (*answered(1), 0.001)) as load:
        until(load.has_grown(300), "too few answers")
    assert load.failed() == []
    counts = {name: _rows(host) - before[name] for name, host in lab.hosts.items()}
    assert sum(counts.values()) == len(load.asked)
    assert all(abs(count - len(load.asked) / 3) <= EVEN * len(load.asked) / 3 for count in counts.values()), counts


def test_rolling_restart_loses_no_request(lab: Any, steady_load: AbstractContextManager[Load]) -> None:
    with steady_load as load:
        until(load.has_grown(), "no answers came")
        for name, host in lab.hosts.items():
            assert host.restart() == 0
            until(load.has_reached(name), f"{name} is asked no more")
        until(load.has_grown(), "no answers came")
    assert load.failed() == []
    assert {asked.kind for asked in load.asked} == {"kept", "new", "large", "slow", "grpc"}


def test_killed_host_loses_no_more_than_it_had(lab: Any, steady_load: AbstractContextManager[Load]) -> None:
    host = lab.hosts["b"]
    with steady_load as load:
        until(load.has_grown(), "no answers came")
        before = time.monotonic()
        host.kill()
        gone = time.monotonic()
        until(load.has_grown(300), "the others do not answer")
        host.start()
        host.wait_until_ready()
        until(load.has_reached("b"), "the host is asked no more")
    failed = [one for one in load.failed() if not (one.sent < gone and before < one.came) or one.host not in ("b", "")]
    assert failed == []
    _tell("killed", load)


def test_host_cut_off_loses_no_more_than_it_had_in_bounded_time(
    lab: Any, steady_load: AbstractContextManager[Load]
) -> None:
    with steady_load as load:
        until(load.has_grown(), "no answers came")
        cut = time.monotonic()
        network.unplug("c")
        gone = time.monotonic()
        try:
            until(lambda: time.monotonic() > cut + LOST_S, "time stands still")
            until(load.has_grown(200), "the others do not answer")
        finally:
            network.plug_in("c")
        until(load.has_reached("c"), "the host is asked no more")
    failed = [one for one in load.failed() if not cut < one.came < cut + LOST_S or one.host not in ("c", "")]
    assert failed == []
    assert max(asked.took_s for asked in load.asked) < LOST_S
    assert not [one for one in load.asked if one.host == "c" and not one.wrong and gone < one.sent < cut + LOST_S]
    _tell("cut off", load)


def test_proxy_refuses_to_load_models_and_answers_in_the_shape_of_the_service(lab: Any) -> None:
    status, content = lab.proxy.ask("POST", "/v2/repository/models/scaled/load")
    assert status == 403
    assert set(json.loads(content)) == {"error", "details"}
    assert lab.proxy.ask("GET", "/v2/models/scaled")[0] == 200


def test_proxy_refuses_to_load_models_over_grpc(lab: Any) -> None:
    with closing(InferenceServerClient(f"{network.PROXY}:8001")) as client:
        with pytest.raises(InferenceServerException, match="PERMISSION_DENIED"):
            client.load_model("scaled")
        assert client.is_model_ready("scaled")


def _rows(host: Any) -> float:
    """Rows that the host has computed with the network that ships."""
    text = host.ask("GET", "/metrics")[1].decode()
    found = re.findall(r'^actserve_rows_total\{[^}]*model="fashion_mnist"[^}]*\} (\S+)', text, re.MULTILINE)
    return sum(map(float, found))


def _tell(what: str, load: Load) -> None:
    kinds = Counter(asked.kind for asked in load.failed())
    longest = max(asked.took_s for asked in load.asked)
    print(f"{what}: {len(load.asked)} asked, failed: {dict(kinds)}, the longest took {longest:.1f} s")
