"""What is joined, what is dropped, what is refused: lanes before sessions that write down each run."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.cost import Cost
from service.errors import QueueFull, Unfit
from service.job import Result, Size
from service.lane import PIECE_ELEMENTS
from service.model import Model
from service.scheduler import MAX_THREADS, Scheduler
from service.session import Runtime, Session
from service.statistics import Run
from service.tensors import Array


class Recorder(Session):
    """A real session that writes down the rows of each run and can be held back."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, Runtime("cpu", 1))
        self.runs: list[int] = []
        self.threads: list[str] = []
        self.gate = threading.Event()
        self.gate.set()

    def run(self, feeds: Mapping[str, Array], fetches: Sequence[str]) -> list[Array]:
        first = next(iter(feeds.values()))
        self.runs.append(len(first) if first.ndim else 1)
        self.threads.append(threading.current_thread().name)
        assert self.gate.wait(10)
        return super().run(feeds, fetches)


@pytest.fixture
def same(graphs: Any, tmp_path: Path) -> Recorder:
    return Recorder(graphs.identity(tmp_path / "same.onnx", 1, ["n", 2]))


@pytest.fixture
def lookup(graphs: Any, tmp_path: Path) -> Recorder:
    return Recorder(graphs.lookup(tmp_path / "lookup.onnx"))


@pytest.fixture
def scheduler() -> Iterator[Scheduler]:
    made = Scheduler(max_batch_size=64, max_queue_rows=100)
    yield made
    made.close()


def rows(count: int, value: float = 0, width: int = 2) -> dict[str, Array]:
    return {"x": np.full((count, width), value, np.float32)}


def submit(
    scheduler: Scheduler, session: Session, feeds: dict[str, Array], fetch: str = "y", joinable: bool = True
) -> Coroutine[Any, Any, Result]:
    count = len(next(iter(feeds.values())))
    return scheduler.run(session, feeds, (fetch,), Size(count, count), joinable)


async def started(session: Recorder, count: int = 1) -> None:
    while len(session.runs) < count:
        await asyncio.sleep(0.001)


def test_requests_of_one_turn_are_one_run_and_each_gets_its_own(scheduler: Scheduler, same: Recorder) -> None:
    async def main() -> None:
        results = await asyncio.gather(*(submit(scheduler, same, rows(n, n)) for n in (1, 2, 3)))
        for n, result in zip((1, 2, 3), results, strict=True):
            assert np.array_equal(result.arrays[0], np.full((n, 2), n, np.float32))
            assert result.queue_s >= 0
            assert result.compute_s > 0

    asyncio.run(main())
    assert same.runs == [6]


def test_what_arrives_during_a_run_is_the_next_run(scheduler: Scheduler, same: Recorder) -> None:
    async def main() -> None:
        same.gate.clear()
        first = asyncio.ensure_future(submit(scheduler, same, rows(1, 1)))
        await started(same)
        others = [asyncio.ensure_future(submit(scheduler, same, rows(2, n))) for n in (2, 3, 4)]
        await asyncio.sleep(0.01)
        assert scheduler.queued_rows == 6
        same.gate.set()
        found = await asyncio.gather(first, *others)
        assert [result.arrays[0][0, 0] for result in found] == [1, 2, 3, 4]

    asyncio.run(main())
    assert same.runs == [1, 6]
    assert scheduler.queued_rows == 0


def test_runs_are_filled_by_rows_up_to_the_limit(same: Recorder) -> None:
    scheduler = Scheduler(max_batch_size=10, max_queue_rows=1000)

    async def main() -> None:
        await asyncio.gather(*(submit(scheduler, same, rows(4)) for _ in range(5)), submit(scheduler, same, rows(30)))

    asyncio.run(main())
    scheduler.close()
    assert same.runs == [8, 8, 4, 10, 10, 10]  # 30 rows are more than one run may have


def test_oversize_request_is_split_and_put_together_again(same: Recorder) -> None:
    scheduler = Scheduler(max_batch_size=10, max_queue_rows=1000)
    sent = {"x": np.arange(50, dtype=np.float32).reshape(25, 2)}

    async def main() -> None:
        result, other = await asyncio.gather(submit(scheduler, same, sent), submit(scheduler, same, rows(4, 9)))
        assert np.array_equal(result.arrays[0], sent["x"])
        assert (other.arrays[0] == 9).all()
        assert result.compute_s > 0

    asyncio.run(main())
    scheduler.close()
    assert same.runs == [10, 10, 9]


def test_oversize_request_that_fails_costs_no_more_runs(lookup: Recorder) -> None:
    scheduler = Scheduler(max_batch_size=2, max_queue_rows=1000)

    async def main() -> None:
        indices = {"index": np.array([99, 0, 1, 2, 0, 1], np.int64)}
        with pytest.raises(Unfit):
            await submit(scheduler, lookup, indices, "row")
        await asyncio.sleep(0.01)
        assert scheduler.queued_rows == 0

    asyncio.run(main())
    scheduler.close()


def test_oversize_request_to_a_model_that_does_not_answer_by_rows_is_one_run(graphs: Any, tmp_path: Path) -> None:
    scheduler = Scheduler(max_batch_size=2, max_queue_rows=1000)
    total = Recorder(graphs.total(tmp_path / "total.onnx"))

    async def main() -> None:
        sent = {"x": np.arange(10, dtype=np.float32).reshape(5, 2)}
        result = await submit(scheduler, total, sent)
        alone = total.run(sent, ("y",))
        assert np.array_equal(result.arrays[0], alone[0])

    asyncio.run(main())
    scheduler.close()


def test_other_shapes_types_and_outputs_are_not_joined(scheduler: Scheduler, graphs: Any, tmp_path: Path) -> None:
    free = Recorder(graphs.identity(tmp_path / "free.onnx", 1, ["n", "m"]))
    two = Recorder(graphs.two_outputs(tmp_path / "two.onnx"))

    async def main() -> None:
        wide, narrow = rows(1, 1, width=3), rows(1, 2, width=2)
        found = await asyncio.gather(*(submit(scheduler, free, feeds) for feeds in (wide, narrow, wide)))
        assert [result.arrays[0].shape for result in found] == [(1, 3), (1, 2), (1, 3)]
        outputs = await asyncio.gather(*(submit(scheduler, two, rows(1, 1), name) for name in ("negated", "power")))
        assert [float(result.arrays[0][0, 0]) for result in outputs] == [-1, pytest.approx(np.e)]

    asyncio.run(main())
    assert free.runs == [1, 1, 1]
    assert two.runs == [1, 1]


def test_unknown_model_runs_one_request_at_a_time(scheduler: Scheduler, graphs: Any, tmp_path: Path) -> None:
    mean = Recorder(graphs.mean(tmp_path / "mean.onnx"))

    async def main() -> None:
        found = await asyncio.gather(*(submit(scheduler, mean, rows(n, n), joinable=False) for n in (1, 2, 3)))
        assert all(not result.arrays[0].any() for result in found)

    asyncio.run(main())
    assert sorted(mean.runs) == [1, 2, 3]


def test_each_run_is_told_once_with_all_its_rows(scheduler: Scheduler, lookup: Recorder) -> None:
    seen: list[Run] = []

    async def main() -> None:
        jobs = [{"index": np.array(values, np.int64)} for values in ([0, 1], [2], [3], [99])]
        run = partial(scheduler.run, lookup, fetches=("y",), joinable=True, ran=seen.append)
        sizes = [Size(len(job["index"]), len(job["index"])) for job in jobs]
        await asyncio.gather(*(run(feeds=jobs[at], size=sizes[at]) for at in (0, 1, 2)))
        await asyncio.gather(*(run(feeds=jobs[at], size=sizes[at]) for at in (2, 3)), return_exceptions=True)

    asyncio.run(main())
    assert [run.rows for run in seen] == [4, 1]  # the run that failed, and the one of the bad member, are none
    assert all(run.compute_infer > 0 for run in seen)


def test_bad_member_fails_alone(scheduler: Scheduler, lookup: Recorder) -> None:
    async def main() -> None:
        jobs = [{"index": np.array(values, np.int64)} for values in ([0, 1], [99], [4])]
        found = await asyncio.gather(*(submit(scheduler, lookup, job) for job in jobs), return_exceptions=True)
        assert isinstance(found[0], Result)
        assert found[0].arrays[0].tolist() == [0, 10]
        assert isinstance(found[1], Unfit)
        assert isinstance(found[2], Result)
        assert found[2].arrays[0].tolist() == [40]

    asyncio.run(main())
    assert lookup.runs == [4, 2, 1, 1]


def test_model_that_does_not_answer_by_rows_is_run_singly(scheduler: Scheduler, graphs: Any, tmp_path: Path) -> None:
    total = Recorder(graphs.total(tmp_path / "total.onnx"))

    async def main() -> None:
        found = await asyncio.gather(*(submit(scheduler, total, rows(n, 1)) for n in (1, 2)))
        assert [float(result.arrays[0]) for result in found] == [2, 4]

    asyncio.run(main())
    assert total.runs == [3, 1, 2]


def test_caller_that_left_costs_no_run_and_changes_no_neighbour(scheduler: Scheduler, same: Recorder) -> None:
    async def main() -> None:
        same.gate.clear()
        first = asyncio.ensure_future(submit(scheduler, same, rows(1, 1)))
        await started(same)
        before, leaving, after = (asyncio.ensure_future(submit(scheduler, same, rows(5, n))) for n in (2, 3, 4))
        await asyncio.sleep(0.01)
        leaving.cancel()
        same.gate.set()
        assert (await before).arrays[0].tolist() == [[2, 2]] * 5
        assert (await after).arrays[0].tolist() == [[4, 4]] * 5
        assert (await first).arrays[0].tolist() == [[1, 1]]
        with pytest.raises(asyncio.CancelledError):
            await leaving

    asyncio.run(main())
    assert same.runs == [1, 10]
    assert scheduler.queued_rows == 0


def test_caller_that_leaves_during_its_run_changes_no_neighbour(scheduler: Scheduler, same: Recorder) -> None:
    async def main() -> None:
        same.gate.clear()
        staying, leaving = (asyncio.ensure_future(submit(scheduler, same, rows(2, n))) for n in (1, 2))
        await started(same)
        leaving.cancel()
        same.gate.set()
        assert (await staying).arrays[0].tolist() == [[1, 1]] * 2

    asyncio.run(main())
    assert same.runs == [4]


def test_all_callers_that_left_cost_nothing(scheduler: Scheduler, same: Recorder) -> None:
    async def main() -> None:
        jobs = [asyncio.ensure_future(submit(scheduler, same, rows(1))) for _ in range(3)]
        await asyncio.sleep(0)
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)
        assert (await submit(scheduler, same, rows(1, 7))).arrays[0].tolist() == [[7, 7]]

    asyncio.run(main())
    assert same.runs == [1]


def test_full_queue_is_429_with_the_time_to_wait(scheduler: Scheduler, same: Recorder) -> None:
    async def main() -> None:
        same.gate.clear()
        first = asyncio.ensure_future(submit(scheduler, same, rows(1)))
        await started(same)
        waiting = asyncio.ensure_future(submit(scheduler, same, rows(60)))
        await asyncio.sleep(0)
        with pytest.raises(QueueFull) as caught:
            await submit(scheduler, same, rows(41))
        assert caught.value.status == 429
        ((name, seconds),) = caught.value.headers
        assert name == "Retry-After"
        assert int(seconds) >= 1
        fits = asyncio.ensure_future(submit(scheduler, same, rows(40)))
        await asyncio.sleep(0)
        assert scheduler.queued_rows == 100
        same.gate.set()
        await asyncio.gather(first, waiting, fits)
        assert (await submit(scheduler, same, rows(3))).arrays[0].shape == (3, 2)

    asyncio.run(main())


def test_request_larger_than_the_queue_is_taken_when_it_is_empty(scheduler: Scheduler, same: Recorder) -> None:
    result = asyncio.run(_one(scheduler, same, rows(1000)))
    assert result.arrays[0].shape == (1000, 2)


async def _one(scheduler: Scheduler, session: Session, feeds: dict[str, Array]) -> Result:
    return await submit(scheduler, session, feeds)


def test_slow_unknown_model_does_not_hold_up_others(scheduler: Scheduler, graphs: Any, tmp_path: Path) -> None:
    slow = Recorder(graphs.identity(tmp_path / "slow.onnx", 1, ["n", 2]))
    quick = Recorder(graphs.identity(tmp_path / "quick.onnx", 1, ["n", 2]))

    async def main() -> None:
        slow.gate.clear()
        waiting = [asyncio.ensure_future(submit(scheduler, slow, rows(1), joinable=False)) for _ in range(MAX_THREADS)]
        await started(slow)
        for _ in range(3):
            assert (await submit(scheduler, quick, rows(1, 5))).arrays[0].tolist() == [[5, 5]]
        assert not any(job.done() for job in waiting)
        slow.gate.set()
        await asyncio.gather(*waiting)

    asyncio.run(main())
    assert len(slow.runs) == MAX_THREADS


def test_unknown_model_uses_as_many_threads_as_there_are_cores(
    scheduler: Scheduler, graphs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.cores.available", lambda: 3)
    slow = Recorder(graphs.identity(tmp_path / "slow.onnx", 1, ["n", 2]))

    async def main() -> None:
        slow.gate.clear()
        waiting = [asyncio.ensure_future(submit(scheduler, slow, rows(1), joinable=False)) for _ in range(5)]
        await started(slow, 3)
        await asyncio.sleep(0.02)
        assert len(slow.runs) == 3
        slow.gate.set()
        await asyncio.gather(*waiting)

    asyncio.run(main())
    assert len(slow.runs) == 5


def test_cheap_runs_move_into_the_event_loops_thread(scheduler: Scheduler, same: Recorder) -> None:
    async def main() -> None:
        for _ in range(200):
            await submit(scheduler, same, rows(1))

    asyncio.run(main())
    assert same.threads[0].startswith("actserve-run")
    assert same.threads[-1] == threading.main_thread().name


def test_dear_runs_stay_in_threads(scheduler: Scheduler, graphs: Any, tmp_path: Path) -> None:
    class Slow(Recorder):
        def run(self, feeds: Mapping[str, Array], fetches: Sequence[str]) -> list[Array]:
            time.sleep(0.002)
            return super().run(feeds, fetches)

    slow = Slow(graphs.identity(tmp_path / "slow.onnx", 1, ["n", 2]))

    async def main() -> None:
        for _ in range(10):
            await submit(scheduler, slow, rows(1))

    asyncio.run(main())
    assert all(thread.startswith("actserve-run") for thread in slow.threads)


class OnDevice(Recorder):
    """A real session that takes itself for one on a device."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.provider = "CUDAExecutionProvider"


@pytest.fixture
def on_device(graphs: Any, tmp_path: Path) -> OnDevice:
    return OnDevice(graphs.identity(tmp_path / "device.onnx", 1, ["n", 2]))


def test_devices_cheap_runs_move_into_the_event_loops_thread(scheduler: Scheduler, on_device: OnDevice) -> None:
    async def main() -> None:
        for _ in range(200):
            await submit(scheduler, on_device, rows(1))

    asyncio.run(main())
    assert on_device.threads[0].startswith("actserve-run")
    assert on_device.threads[-1] == threading.main_thread().name


@pytest.mark.parametrize(("seconds", "tried"), [(0.002, 2), (0.02, 0)])
def test_devices_dear_runs_stay_in_threads_but_for_a_trial_where_they_may_have_waited_for_the_interpreter(
    scheduler: Scheduler, graphs: Any, tmp_path: Path, seconds: float, tried: int
) -> None:
    class Far(OnDevice):
        """Waits for its device, without work of its own."""

        def run(self, feeds: Mapping[str, Array], fetches: Sequence[str]) -> list[Array]:
            time.sleep(seconds)
            return super().run(feeds, fetches)

    far = Far(graphs.identity(tmp_path / "far.onnx", 1, ["n", 2]))

    async def main() -> None:
        for _ in range(100):
            await submit(scheduler, far, rows(1))

    asyncio.run(main())
    assert len(far.threads) == 100
    assert far.threads.count(threading.main_thread().name) == tried


def test_more_rows_are_joined_for_a_device(same: Recorder, on_device: OnDevice) -> None:
    scheduler = Scheduler(max_batch_size=4, max_queue_rows=1000, device_batch_size=100)

    async def main() -> None:
        for session in (same, on_device):
            await asyncio.gather(*(submit(scheduler, session, rows(2)) for _ in range(6)))
            await submit(scheduler, session, rows(10))

    asyncio.run(main())
    scheduler.close()
    assert same.runs == [4, 4, 4, 4, 4, 2]
    assert on_device.runs == [12, 10]


def test_what_arrives_during_a_devices_run_is_the_next_run(on_device: OnDevice) -> None:
    scheduler = Scheduler(max_batch_size=4, max_queue_rows=1000, device_batch_size=100)

    async def main() -> None:
        on_device.gate.clear()
        first = asyncio.ensure_future(submit(scheduler, on_device, rows(1)))
        await started(on_device)
        others = [asyncio.ensure_future(submit(scheduler, on_device, rows(1, n))) for n in range(50)]
        await asyncio.sleep(0.01)
        on_device.gate.set()
        found = await asyncio.gather(first, *others)
        assert [result.arrays[0][0, 0] for result in found[1:]] == list(range(50))

    asyncio.run(main())
    scheduler.close()
    assert on_device.runs == [1, 50]


def test_large_tensor_is_one_run_of_a_device(scheduler: Scheduler, shipped: Path) -> None:
    session = OnDevice(shipped / "relu" / "1" / "model.onnx")
    x = np.linspace(-1, 1, 4 * PIECE_ELEMENTS, dtype=np.float32)

    async def main() -> None:
        result = await scheduler.run(session, {"x": x}, ("y",), Size(1, 1), False, elementwise=True)
        assert np.array_equal(result.arrays[0], np.maximum(x, 0))

    asyncio.run(main())
    assert session.runs == [4 * PIECE_ELEMENTS]


def test_cost_is_learnt_by_size() -> None:
    cost = Cost()
    assert not cost.is_below(100, 100)
    cost.learn(100, 0.001, 0.001)
    assert cost.is_below(0.0011, 100)
    assert cost.is_below(0.0011, 127)
    assert not cost.is_below(0.0009, 127)
    assert not cost.is_below(100, 1000)
    assert cost.is_below(0.0011, 10)  # never seen, and less than what was
    assert not cost.is_below(0.0009, 10)
    cost.learn(100, 0.011, 0.011)
    assert cost.is_below(0.0011, 100)  # one slow spell is not believed
    for _ in range(200):
        cost.learn(100, 0.011, 0.011)
    assert not cost.is_below(0.0109, 100)
    cost.learn(100, 0.001, 0.001)
    assert cost.is_below(0.0011, 100)


def test_run_that_needs_little_work_is_tried_in_place_ever_more_seldom() -> None:
    cost = Cost()
    tried = []
    for number in range(200):
        cost.learn(100, 0.005, 0.0001)
        if cost.is_below(0.0003, 100):
            tried.append(number)
    assert tried == [15, 47, 111]
    cost.learn(100, 0.0001, 0.0001)  # what the clock says in place is believed
    assert cost.is_below(0.0003, 100)


def test_joined_and_single_answers_of_the_shipped_network_are_equal_to_the_bit(shipped: Path, oracle: Any) -> None:
    path = shipped / "fashion_mnist" / "1" / "model.onnx"
    session = Recorder(path)
    scheduler = Scheduler(max_batch_size=20_000, max_queue_rows=100_000)
    x = np.random.default_rng(5).random((10_000, 784), np.float32)
    singles = np.concatenate([oracle_rows(session, x[row : row + 1]) for row in range(0, 10_000, 97)])
    (whole,) = oracle(path, {"input": x}, "probabilities")
    assert whole[::97].tobytes() == singles.tobytes()

    async def main() -> None:
        for sizes in ((1, 1), (3, 1, 7), (64,), (1000, 24), (2, 4096, 5), (9_999, 1), (10_000,)):
            ends = np.cumsum(sizes).tolist()
            parts = [x[end - size : end] for end, size in zip(ends, sizes, strict=True)]
            session.runs.clear()
            jobs = (
                scheduler.run(session, {"input": part}, ("probabilities",), Size(len(part), len(part)), True)
                for part in parts
            )
            found = await asyncio.gather(*jobs)
            assert session.runs == [sum(sizes)]
            joined = np.concatenate([result.arrays[0] for result in found])
            assert joined.tobytes() == whole[: ends[-1]].tobytes()

    asyncio.run(main())
    scheduler.close()


def oracle_rows(session: Session, x: Array) -> Array:
    return session.run({"input": x}, ["probabilities"])[0]


def test_retired_session_is_let_go_once_its_last_caller_is_answered(scheduler: Scheduler, same: Recorder) -> None:
    async def retire() -> None:
        same.gate.clear()
        waiting = [
            asyncio.create_task(scheduler.run(same, rows(1, value), ["y"], Size(1, 1), False)) for value in (1, 2)
        ]
        await asyncio.sleep(0.01)
        scheduler.retire(same)
        assert scheduler.sweep() == 1
        same.gate.set()
        assert [result.arrays[0][0, 0] for result in await asyncio.gather(*waiting)] == [1, 2]
        late = await scheduler.run(same, rows(1, 3), ["y"], Size(1, 1), False)  # it had looked it up before
        assert late.arrays[0][0, 0] == 3
        assert scheduler.sweep() == 0

    asyncio.run(retire())


def test_large_tensor_in_pieces_has_the_bits_of_one_run(scheduler: Scheduler, shipped: Path) -> None:
    generator = np.random.default_rng(3)
    x = (generator.standard_normal((3, PIECE_ELEMENTS + 12_345)) * 4).astype(np.float32)
    x[0, :3] = np.nan, np.inf, -np.inf
    grad = generator.standard_normal(x.shape).astype(np.float32)
    cut = 0
    for file in sorted(shipped.glob("*/1/model.onnx")):
        model = Model(file.parts[-3], "1", file, Runtime("cpu", 1))
        if not model.metadata.is_elementwise:
            continue
        cut += 1
        feeds = {"x": x, "grad_output": grad}
        run = scheduler.run(
            model.session, feeds, ("y", "grad_x"), Size(1, 3, True), False, model.tally.ran, elementwise=True
        )
        result = asyncio.run(run)
        for found, whole in zip(result.arrays, model.session.run(feeds, ("y", "grad_x")), strict=True):
            assert found.shape == x.shape
            assert found.tobytes() == whole.tobytes(), model.name
        told = model.tally.told(model.name, "1")
        assert sum(runs["batch_size"] * runs["compute_infer"]["count"] for runs in told["batch_stats"]) == 3
    assert cut > 20


def test_pieces_of_a_request_whose_caller_leaves_cost_no_more_runs(scheduler: Scheduler, shipped: Path) -> None:
    recorder = Recorder(shipped / "relu" / "1" / "model.onnx")

    async def main() -> None:
        recorder.gate.clear()
        x = np.zeros(PIECE_ELEMENTS * 20, np.float32)
        waiting = asyncio.ensure_future(scheduler.run(recorder, {"x": x}, ("y",), Size(1, 1), False, elementwise=True))
        await started(recorder)
        waiting.cancel()
        await asyncio.sleep(0.01)
        recorder.gate.set()
        await asyncio.sleep(0.05)

    asyncio.run(main())
    assert len(recorder.runs) <= 3
