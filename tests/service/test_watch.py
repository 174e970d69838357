"""When a change in the folder is whole."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from service.folder import Candidate, Candidates
from service.watch import Watch

LONG_AGO = 10**18


def candidate(name: str, version: str = "1", size: int = 1, changed_ns: int = LONG_AGO) -> Candidate:
    file = f"{version}/model.onnx"
    return Candidate(name, version, Path(name), file, ((file, (size, changed_ns, 1)), ("model.toml", (-1, 0, 0))))


def folder(*candidates: Candidate) -> Candidates:
    found: Candidates = {}
    for one in candidates:
        found.setdefault(one.name, {})[one.version] = one
    return found


def now_ns() -> int:
    return time.time_ns()


def test_what_is_served_as_it_lies_there_is_left_alone() -> None:
    watch = Watch(1)
    same = folder(candidate("a"), candidate("b"))
    assert watch.due(same, same) == watch.due(same, same) == {}


def test_file_that_was_renamed_into_place_is_due_at_once() -> None:
    found = folder(candidate("a"), candidate("b", size=2))
    assert Watch(1).due(found, folder(candidate("a"), candidate("b"))) == {"b": found["b"]}


def test_file_that_is_being_written_is_due_when_two_looks_are_equal() -> None:
    watch, served = Watch(3600), folder(candidate("a"))
    for size in (2, 3, 4):
        assert watch.due(folder(candidate("a", size=size, changed_ns=now_ns())), served) == {}
    last = folder(candidate("a", size=5, changed_ns=now_ns()))
    assert watch.due(last, served) == {}
    assert watch.due(last, served) == last


def test_what_was_refused_is_not_tried_again_until_it_changes() -> None:
    watch, served = Watch(1), folder(candidate("a"))
    broken = folder(candidate("a", size=2))
    assert watch.due(broken, served) == broken
    assert watch.due(broken, served) == {}
    repaired = folder(candidate("a", size=3))
    assert watch.due(repaired, served) == repaired


def test_file_that_returns_as_it_was_before_a_refused_one_clears_it() -> None:
    watch, served = Watch(1), folder(candidate("a"))
    broken = folder(candidate("a", size=2))
    assert watch.due(broken, served) == broken
    assert watch.due(served, served) == served  # so that the reason goes
    assert watch.due(served, served) == {}


@pytest.mark.parametrize("left", [folder(), folder(candidate("a"))])
def test_what_is_missing_is_dropped_after_two_looks(left: Candidates) -> None:
    watch, served = Watch(1), folder(candidate("a"), candidate("a", "2"), candidate("b"))
    assert watch.due({**left, "b": served["b"]}, served) == {}
    assert watch.due({**left, "b": served["b"]}, served) == {"a": left.get("a", {})}


def test_name_that_is_dropped_and_comes_back_is_due_again() -> None:
    watch, served = Watch(1), folder(candidate("a"))
    assert watch.due({}, served) == {}
    assert watch.due({}, served) == {"a": {}}
    assert watch.due({}, {}) == {}
    assert watch.due(served, {}) == served
