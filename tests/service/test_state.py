"""What holds after a change, of which a part may have failed."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.errors import ModelError
from service.folder import Candidate
from service.state import Record, State


def candidate(version: str, size: int = 1) -> Candidate:
    file = f"{version}/model.onnx"
    return Candidate("a", version, Path("a"), file, ((file, (size, 0, 0)),))


OLD, NEW, SECOND = candidate("1"), candidate("1", 2), candidate("2")
WHY = ModelError("why")
SERVED = State({"a": {"1": Record(OLD)}, "b": {}})


@pytest.mark.parametrize("is_whole", [True, False])
def test_good_versions_are_served_and_no_others(is_whole: bool) -> None:
    found = SERVED.changed({"a": {"1": NEW}}, {("a", "1"): NEW}, {}, is_whole=is_whole)
    assert found.models == {"a": {"1": Record(NEW)}, "b": {}}
    found = found.changed({"a": {"2": SECOND}}, {("a", "2"): SECOND}, {}, is_whole=is_whole)
    assert found.models["a"] == {"2": Record(SECOND)}
    assert found.changed({"a": {}}, {}, {}, is_whole=is_whole).models == {"b": {}}


@pytest.mark.parametrize("is_whole", [True, False])
def test_version_that_failed_leaves_the_one_before(is_whole: bool) -> None:
    found = SERVED.changed({"a": {"1": NEW}}, {("a", "1"): NEW}, {("a", "1"): WHY}, is_whole=is_whole)
    assert found.models["a"] == {"1": Record(OLD, WHY)}
    again = found.changed({"a": {"1": OLD}}, {}, {}, is_whole=is_whole)
    assert again.models["a"] == {"1": Record(OLD)}


def test_good_versions_beside_one_that_failed_are_taken_unless_the_name_is_a_whole() -> None:
    wanted = {"a": {"1": NEW, "2": SECOND}}
    usable = {("a", "1"): NEW, ("a", "2"): SECOND}
    failed = {("a", "2"): WHY}
    assert SERVED.changed(wanted, usable, failed, is_whole=False).models["a"] == {
        "1": Record(NEW),
        "2": Record(None, WHY),
    }
    assert SERVED.changed(wanted, usable, failed, is_whole=True).models["a"] == {
        "1": Record(OLD),
        "2": Record(None, WHY),
    }
