"""What is written down for all workers, whose turn it is, and who leads."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from service.errors import ModelError
from service.folder import Candidate
from service.ledger import Ledger
from service.session import NotCarriedModel
from service.state import Record, State

CANDIDATE = Candidate("a", "1", Path("a"), "1/model.onnx", (("1/model.onnx", (3, 2, 1)),))


def state(**changes: Any) -> State:
    return State(**({"models": {"a": {"1": Record(CANDIDATE)}}} | changes))


@pytest.fixture(params=["alone", "shared"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path if request.param == "shared" else None


def test_nothing_is_known_before_somebody_writes(folder: Path | None) -> None:
    assert Ledger(folder).read() is None


def test_what_was_written_is_read_by_all(tmp_path: Path) -> None:
    first, second = Ledger(tmp_path), Ledger(tmp_path)
    errors = {"2": Record(None, ModelError("why"), False), "3": Record(CANDIDATE, NotCarriedModel("a map"))}
    first.write(State({"a": errors, "b": {}}, ["a", "b"], ["a name"]))
    assert second.is_news
    found = second.read()
    assert not second.is_news
    assert found is not None
    assert found.models["a"]["3"].candidate == CANDIDATE
    assert isinstance(found.models["a"]["3"].error, NotCarriedModel)
    assert str(found.models["a"]["2"].error) == "why"
    assert not found.models["a"]["2"].is_required
    assert (found.models["b"], found.demanded, found.refused) == ({}, ["a", "b"], ["a name"])
    first.write(state())
    assert second.is_news
    assert second.read() == state()


def test_only_one_is_in_its_turn(folder: Path | None) -> None:
    inside: list[int] = []

    async def take(ledger: Ledger) -> None:
        async with ledger.turn():
            inside.append(1)
            assert sum(inside) == 1
            await asyncio.sleep(0.01)
            inside.append(-1)

    async def all_of_them() -> None:
        ledgers = [Ledger(folder), Ledger(folder)] if folder else [Ledger(folder)]
        await asyncio.gather(*(take(ledger) for ledger in ledgers * 4))

    asyncio.run(all_of_them())
    assert len(inside) in (8, 16)


def test_one_leads_until_it_is_gone(tmp_path: Path) -> None:
    first, second = Ledger(tmp_path), Ledger(tmp_path)
    assert first.leads()
    assert first.leads()
    assert not second.leads()
    first.close()
    assert second.leads()
    second.close()
    assert Ledger(None).leads()
