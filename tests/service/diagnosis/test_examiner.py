"""Diagnoses in a server: one at a time, given up with their callers, and gone with their models."""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.diagnosis import examiner as module
from service.diagnosis.examiner import Case, Examiner
from service.errors import QueueFull, Unfit
from service.model import Model
from service.session import Runtime

RELU = "g (float[n, 4] x) => (float[n, 4] y) { y = Relu(x) }"
SLOW = """g (int64 times, float start) => (float y) {
    c = Constant <value = bool {1}> ()
    s = Loop (times, c, start) <body = body (int64 step, bool go, float value) => (bool goes_on, float next)
        { goes_on = Identity(go) next = Cos(value) }>
    y = Relu(s) }"""
FOREVER = {"times": np.array(1 << 62), "start": np.array(0, np.float32)}


def case(model: Model, rows: int = 1) -> Case:
    return Case(model, {"x": np.ones((rows, 4), np.float32)}, rows, 20)


@pytest.fixture
def relu(written: Any) -> Model:
    return Model("relu", "1", written(RELU), Runtime(intra_op_threads=4))


def test_copy_is_made_once_with_one_thread_and_keeps_no_memory(relu: Model) -> None:
    async def twice() -> list[bytes]:
        examiner = Examiner()
        found = [(await examiner.examine(case(relu)))[0] for _ in range(2)]
        (made,) = examiner._observers.known.values()
        again = (await examiner.examine(case(relu)))[0]
        assert next(iter(examiner._observers.known.values())) is made
        assert made.session is not relu.session
        examiner.close()
        return [*found, again]

    told = asyncio.run(twice())
    assert len(set(told)) == 1
    assert json.loads(told[0])["layers"][0]["mean"] == 1


def test_copy_goes_with_its_model(written: Any) -> None:
    async def forget() -> None:
        examiner = Examiner()
        model = Model("relu", "1", written(RELU), Runtime())
        await examiner.examine(case(model))
        copy, gone = weakref.ref(examiner._observers.known[model]), weakref.ref(model)
        del model
        gc.collect()
        assert (gone(), copy(), len(examiner._observers.known)) == (None, None, 0)
        examiner.close()

    asyncio.run(forget())


def test_runs_happen_one_at_a_time_off_the_event_loop(relu: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    running, most, threads = 0, 0, set()
    real = Examiner._examine

    def watched(self: Examiner, one: Case) -> Any:
        nonlocal running, most
        running += 1
        most = max(most, running)
        threads.add(threading.current_thread().name)
        time.sleep(0.01)
        found = real(self, one)
        running -= 1
        return found

    monkeypatch.setattr(Examiner, "_examine", watched)

    async def many() -> None:
        examiner = Examiner()
        await asyncio.gather(*(examiner.examine(case(relu)) for _ in range(8)))
        examiner.close()

    asyncio.run(many())
    assert most == 1
    assert all(name.startswith("actserve-diagnose") for name in threads)


def test_too_many_that_wait_are_refused_and_those_that_came_are_answered(
    relu: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 3)

    async def many() -> list[Any]:
        examiner = Examiner()
        found = await asyncio.gather(*(examiner.examine(case(relu)) for _ in range(5)), return_exceptions=True)
        examiner.close()
        return found

    found = asyncio.run(many())
    assert [isinstance(one, QueueFull) for one in found] == [False] * 3 + [True] * 2
    assert found[-1].headers == (("Retry-After", "1"),)


def test_run_that_nobody_waits_for_any_more_is_ended(written: Any, relu: Model) -> None:
    """A loop of 2⁶² steps; what comes after it would wait for longer than there is time."""
    model = Model("slow", "1", written(SLOW, name="slow"), Runtime())

    async def leave() -> bytes:
        examiner = Examiner()
        task = asyncio.create_task(examiner.examine(Case(model, FOREVER, 1, 20)))
        waiting = asyncio.create_task(examiner.examine(Case(model, FOREVER, 1, 20)))
        await asyncio.sleep(0.3)
        task.cancel()
        waiting.cancel()
        found = await asyncio.wait_for(examiner.examine(case(relu)), 20)
        examiner.close()
        return found[0]

    assert json.loads(asyncio.run(leave()))["rows"] == 1


def test_close_ends_the_run_under_way(written: Any) -> None:
    model = Model("slow", "1", written(SLOW, name="slow"), Runtime())

    async def close() -> None:
        examiner = Examiner()
        task = asyncio.create_task(examiner.examine(Case(model, FOREVER, 1, 20)))
        await asyncio.sleep(0.3)
        examiner.close()
        with pytest.raises(Unfit):
            await asyncio.wait_for(task, 20)

    asyncio.run(close())


def test_server_starts_without_onnx_and_a_diagnosis_imports_it() -> None:
    script = """
import sys
from starlette.testclient import TestClient
from service.app import create_app
from service.settings import Settings
with TestClient(create_app(Settings(providers="cpu"))) as client:
    assert client.post("/predict", json={"instances": [[0] * 784]}).status_code == 200
    assert "onnx" not in sys.modules
    assert client.post("/diagnose", json={"instances": [[0] * 784]}).status_code == 200
    assert "onnx" in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[3], check=True, timeout=120)
