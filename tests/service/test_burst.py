"""What arrives in one turn of the event loop is answered together, each caller as if alone; and who is sent alone."""

from __future__ import annotations

import asyncio
import gc
import gzip
import json
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from service.app import Parts, assemble
from service.batch import Caller
from service.errors import ServiceError
from service.exchange import Response
from service.heads import Head
from service.model import Model
from service.polling import BusyPolling
from service.repository import SHIPPED, Entry, Version
from service.session import Runtime, Session
from service.settings import Settings
from service.tensors import Array

JSON, RAW, NPY = "application/json", "application/octet-stream", "application/x-npy"
Answers = Mapping[bytes, Response]


class Waiting(Caller):
    """A caller that writes down what it gets, and goes alone through the front as a request on a connection does."""

    def __init__(self, parts: Parts, head: Head, body: bytes) -> None:
        super().__init__("id")
        self.body = body
        self.response: Response | None = None
        self.was_alone = False
        self._parts = parts
        self._head = head

    def go_alone(self) -> None:
        self.was_alone = True
        exchange = self._parts.heads.front.open(self._head.route, self._head.request("id"), self.reply, self.began)
        exchange.request.plan, exchange.request.inputs = self._head.plan, self.inputs
        if not exchange.is_over:
            exchange.start(self.body)

    def refuse(self, error: ServiceError) -> None:
        self._parts.heads.front.open(self._head.route, self._head.request("id"), self.reply).refuse(error)

    def reply(self, response: Response) -> None:
        self.response = response


class Recorded:
    """The rows of each run of a session, which runs on as before; it can be held."""

    def __init__(self, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rows: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        run = session.run

        def recorded(feeds: Mapping[str, Array], fetches: Sequence[str]) -> list[Array]:
            first = next(iter(feeds.values()))
            self.rows.append(len(first) if first.ndim else 1)
            assert self.gate.wait(10)
            return run(feeds, fetches)

        monkeypatch.setattr(session, "run", recorded)


@pytest.fixture(autouse=True)
def whatever_the_machine_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is quick is told by the clock, and a busy machine calls a small run dear."""
    monkeypatch.setattr("service.lane.THREAD_HOP_S", 10.0)


@pytest.fixture
def parts(folder: Path) -> Any:
    made = assemble(Settings(models=folder, max_batch_size=64))
    yield made
    made.scheduler.close()


def head(parts: Parts, path: str, media_type: str = JSON, **fields: str) -> Head:
    named = {"content-type": media_type, "content-length": "1"} | {
        name.replace("_", "-"): value for name, value in fields.items()
    }
    found = parts.heads.read(b"POST", path.encode(), [(name.encode(), value.encode()) for name, value in named.items()])
    assert found is not None
    return found


def ask(parts: Parts, asked: Sequence[tuple[Head, bytes]], *, warm: int = 3) -> list[Waiting]:
    """All of it in one turn, until everybody has an answer; before that some turns from which the costs are learnt."""

    async def once() -> list[Waiting]:
        callers = [Waiting(parts, one, body) for one, body in asked]
        for caller, (one, _) in zip(callers, asked, strict=True):
            assert one.plan is not None
            parts.heads.bursts.add(one.plan, caller)
        while any(caller.response is None for caller in callers):
            await asyncio.sleep(0.001)
        return callers

    async def main() -> list[Waiting]:
        for _ in range(warm):
            await once()
        return await once()

    return asyncio.run(asyncio.wait_for(main(), 60))


def answered_alone(parts: Parts, row: Head, body: bytes) -> Response:
    """What a single request gets."""
    caller = Waiting(parts, row, body)

    async def main() -> None:
        caller.go_alone()
        while caller.response is None:
            await asyncio.sleep(0.001)

    asyncio.run(asyncio.wait_for(main(), 10))
    assert caller.response is not None
    return caller.response


def instances(rows: np.ndarray) -> bytes:
    return json.dumps({"instances": rows.tolist()}).encode()


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(5).random((40, 784), np.float32)


def test_callers_of_one_turn_share_a_run_and_each_gets_what_it_gets_alone(
    parts: Parts, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = parts.repository.model("fashion_mnist")
    recorded = Recorded(model.session, monkeypatch)
    sizes = (1, 3, 2, 8, 1)
    bodies = [instances(pixels[:size]) for size in sizes]
    callers = ask(parts, [(head(parts, "/predict"), body) for body in bodies])
    assert recorded.rows[-1] == sum(sizes)
    assert not any(caller.was_alone for caller in callers)
    for caller, body in zip(callers, bodies, strict=True):
        (alone,) = ask(parts, [(head(parts, "/predict"), body)])
        assert caller.response is not None
        assert alone.response is not None
        assert caller.response.body == alone.response.body
        assert caller.response.lines.startswith(b"x-request-id: id\r\nserver-timing: decode;dur=")


@pytest.mark.parametrize(
    ("path", "media_type", "write"),
    [
        ("/predict", RAW, lambda rows: rows.tobytes()),
        ("/predict", JSON, instances),
        ("/predict?scores=false&top_k=3", JSON, instances),
        ("/v1/models/fashion_mnist:predict", JSON, instances),
        (
            "/v2/models/fashion_mnist/infer",
            JSON,
            lambda rows: json.dumps(
                {
                    "id": str(len(rows)),
                    "inputs": [{"name": "input", "datatype": "FP32", "shape": rows.shape, "data": rows.tolist()}],
                }
            ).encode(),
        ),
        ("/activate/gelu", JSON, lambda rows: json.dumps({"tensor": rows.tolist()}).encode()),
        ("/activate/softmax/gradient", JSON, lambda rows: json.dumps({"tensor": rows.tolist()}).encode()),
    ],
)
def test_answers_together_and_alone_are_the_same_bytes(
    parts: Parts, pixels: np.ndarray, path: str, media_type: str, write: Callable[[np.ndarray], bytes]
) -> None:
    bodies = [write(pixels[at : at + size]) for at, size in ((0, 1), (1, 2), (3, 5), (8, 1))]
    together = ask(parts, [(head(parts, path, media_type), body) for body in bodies])
    for caller, body in zip(together, bodies, strict=True):
        single = answered_alone(parts, head(parts, path, media_type), body)
        assert not caller.was_alone
        assert caller.response is not None
        assert caller.response.whole() == single.whole()
        assert caller.response.media_type == single.media_type
        *headers, request_id, _ = single.headers
        assert [*caller.response.headers] == headers
        assert request_id == ("X-Request-Id", "id")


def binary(rows: np.ndarray, **members: object) -> tuple[bytes, int]:
    """A request with a tensor behind its JSON part, and the length of that part."""
    tensor = {"name": "input", "datatype": "FP32", "shape": rows.shape, "parameters": {"binary_data_size": rows.nbytes}}
    outputs = [{"name": name, "parameters": {"binary_data": True}} for name in ("probabilities", "logits")]
    text = json.dumps({"inputs": [tensor], "outputs": outputs, **members}).encode()
    return text + rows.tobytes(), len(text)


def test_binary_requests_of_one_form_share_a_run_and_get_what_they_get_alone(
    parts: Parts, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = parts.repository.model("fashion_mnist")
    bodies, (length, *_) = zip(*[binary(pixels[at : at + 2]) for at in range(0, 8, 2)], strict=True)
    row = head(parts, "/v2/models/fashion_mnist/infer", RAW, inference_header_content_length=str(length))
    (first,) = ask(parts, [(row, bodies[0])], warm=1)
    recorded = Recorded(model.session, monkeypatch)
    callers = ask(parts, [(row, body) for body in bodies])
    assert recorded.rows[-1] == 8
    alone = [model.session.run({"input": pixels[at : at + 2]}, ("probabilities", "logits")) for at in range(0, 8, 2)]
    for caller, arrays in zip(callers, alone, strict=True):
        assert not caller.was_alone
        assert caller.response is not None
        assert first.response is not None
        assert caller.response.headers == first.response.headers
        size = int(dict(caller.response.headers)["Inference-Header-Content-Length"])
        told = json.loads(caller.response.whole()[:size])
        assert [output["shape"] for output in told["outputs"]] == [[2, 10], [2, 10]]
        assert caller.response.whole()[size:] == b"".join(array.tobytes() for array in arrays)


@pytest.mark.parametrize("kind", ["json", "binary"])
def test_tensors_of_several_lengths_share_a_run_and_get_what_they_get_alone(
    parts: Parts, pixels: np.ndarray, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [pixels[:2], pixels[2:5], pixels[5:7], pixels[7:9]]
    path = "/v2/models/fashion_mnist/infer"
    if kind == "json":
        told = [{"name": "input", "datatype": "FP32", "shape": one.shape, "data": one.ravel().tolist()} for one in rows]
        bodies, row = [json.dumps({"inputs": [tensor]}).encode() for tensor in told], head(parts, path)
    else:
        bodies, (length, *_) = zip(*map(binary, rows), strict=True)  # type: ignore[assignment]
        row = head(parts, path, RAW, inference_header_content_length=str(length))
    recorded = Recorded(parts.repository.model("fashion_mnist").session, monkeypatch)
    callers = ask(parts, [(row, body) for body in bodies])
    assert recorded.rows[-1] == 9
    for caller, body in zip(callers, bodies, strict=True):
        assert not caller.was_alone
        assert caller.response is not None
        assert caller.response.whole() == answered_alone(parts, row, body).whole()


def test_long_binary_requests_share_a_run_too(parts: Parts, pixels: np.ndarray) -> None:
    body, length = binary(pixels[:32])
    row = head(parts, "/v2/models/fashion_mnist/infer", RAW, inference_header_content_length=str(length))
    callers = ask(parts, [(row, bytearray(body)), (row, body)], warm=8)  # type: ignore[list-item]  # as they are received
    assert not any(caller.was_alone for caller in callers)
    assert len({caller.response.whole() for caller in callers if caller.response}) == 1


def test_fault_of_ours_holds_up_no_other(parts: Parts, pixels: np.ndarray, caplog: pytest.LogCaptureFixture) -> None:
    row = head(parts, "/predict/digits", RAW)
    ask(parts, [(row, pixels[:1].tobytes())])

    class Strange(bytes):
        def __len__(self) -> int:
            raise MemoryError

    async def main() -> list[Waiting]:
        assert row.plan is not None
        callers = [Waiting(parts, row, pixels[:1].tobytes()) for _ in range(3)]
        for caller in callers:
            parts.heads.bursts.add(row.plan, caller)
        callers[1].body = Strange(callers[1].body)
        while any(caller.response is None for caller in callers):
            await asyncio.sleep(0.001)
        return callers

    callers = asyncio.run(asyncio.wait_for(main(), 10))
    assert [caller.response.status for caller in callers if caller.response] == [200, 500, 200]
    assert "unexpected error" in caplog.text


def test_caller_who_cannot_even_go_alone_holds_up_no_later_one(parts: Parts, pixels: np.ndarray) -> None:
    row = head(parts, "/predict/digits", RAW)
    ask(parts, [(row, pixels[:1].tobytes())])

    class Broken(Waiting):
        def go_alone(self) -> None:
            raise OSError("the connection is gone")

    async def main() -> Waiting:
        assert row.plan is not None
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        parts.heads.bursts.add(row.plan, Broken(parts, row, b"no row"))
        await asyncio.sleep(0.01)
        caller = Waiting(parts, row, pixels[:1].tobytes())
        parts.heads.bursts.add(row.plan, caller)
        while caller.response is None:
            await asyncio.sleep(0.001)
        return caller

    assert asyncio.run(asyncio.wait_for(main(), 10)).response is not None
    assert parts.heads.bursts.queued_rows == 0


def test_binary_requests_of_several_forms_are_not_mixed_up(parts: Parts, pixels: np.ndarray) -> None:
    model = parts.repository.model("fashion_mnist")
    one, length = binary(pixels[:1])
    two, same_length = binary(pixels[:2], id="x")
    assert same_length != length
    row = head(parts, "/v2/models/fashion_mnist/infer", RAW, inference_header_content_length=str(length))
    named = head(parts, "/v2/models/fashion_mnist/infer", RAW, inference_header_content_length=str(same_length))
    short, long = one[:-4], one + b"\0\0\0\0"
    callers = ask(parts, [(row, one), (named, two), (row, one), (row, short), (named, two), (row, long), (row, one)])
    assert [caller.response.status for caller in callers if caller.response] == [200, 200, 200, 400, 200, 400, 200]
    expected = b"".join(
        array.tobytes() for array in model.session.run({"input": pixels[:1]}, ("probabilities", "logits"))
    )
    for caller in (callers[0], callers[2], callers[6]):
        assert caller.response is not None
        assert caller.response.whole().endswith(expected)
    for caller in (callers[1], callers[4]):
        assert caller.response is not None
        assert b'"id":"x"' in caller.response.whole()


def test_binary_requests_that_differ_in_an_order_each_get_theirs(parts: Parts, pixels: np.ndarray) -> None:
    names = (b'"probabilities"', b'"logits"')
    body, length = binary(pixels[:1])
    swapped = body.replace(names[0], b"<first>").replace(names[1], names[0]).replace(b"<first>", names[1])
    assert len(swapped) == len(body)
    row = head(parts, "/v2/models/fashion_mnist/infer", RAW, inference_header_content_length=str(length))
    callers = ask(parts, [(row, one) for one in (body, swapped, body, swapped, swapped)])
    arrays = parts.repository.model("fashion_mnist").session.run({"input": pixels[:1]}, ("probabilities", "logits"))
    found = [array.tobytes() for array in arrays]
    for caller, turned in zip(callers, (False, True, False, True, True), strict=True):
        assert caller.response is not None
        assert caller.response.whole().endswith(b"".join(found[::-1] if turned else found))


def test_binary_strings_of_several_lengths_each_have_their_size(graphs: Any, tmp_path: Path) -> None:
    folder = tmp_path / "texts"
    nodes = [helper.make_node("Cast", ["input"], ["text"], to=TensorProto.STRING)]
    ends = ([("input", 1, ["n", 2])], [("text", 8, ["n", 2])])
    graphs.write(folder / "texts" / "1" / "model.onnx", nodes, *ends, {}, {"batching": "rows"})
    parts = assemble(Settings(models=folder, no_shipped_models=True))
    bodies = []
    for values in ([1, 2], [0.125, 3], [1, 2], [1234.5, 6]):
        rows = np.array([values], np.float32)
        tensor = {"name": "input", "datatype": "FP32", "shape": [1, 2], "parameters": {"binary_data_size": rows.nbytes}}
        text = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
        bodies.append(text + rows.tobytes())
    row = head(parts, "/v2/models/texts/infer", RAW, inference_header_content_length=str(len(text)))
    for caller in ask(parts, [(row, body) for body in bodies]):
        assert caller.response is not None
        assert caller.response.status == 200
        length = int(dict(caller.response.headers)["Inference-Header-Content-Length"])
        whole = caller.response.whole()
        (output,) = json.loads(whole[:length])["outputs"]
        assert output["parameters"]["binary_data_size"] == len(whole) - length
    parts.scheduler.close()


def test_numbers_out_of_range_are_refused_and_no_neighbour_notices(parts: Parts, pixels: np.ndarray) -> None:
    good, row = instances(pixels[:1]), head(parts, "/predict")
    large = json.dumps({"instances": [[1e39] * 784]}).encode()
    callers = ask(parts, [(row, good), (row, large), (row, good)])
    assert [caller.response.status for caller in callers if caller.response] == [200, 422, 200]


@pytest.mark.parametrize("kind", ["json", "binary"])
def test_who_goes_alone_for_a_dear_run_is_not_read_again(
    parts: Parts, pixels: np.ndarray, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [pixels[at : at + 2] for at in range(0, 8, 2)]
    if kind == "json":
        row, bodies = head(parts, "/predict"), list(map(instances, rows))
    else:
        bodies, (length, *_) = zip(*map(binary, rows), strict=True)  # type: ignore[assignment]
        row = head(parts, "/v2/models/fashion_mnist/infer", RAW, inference_header_content_length=str(length))
    together = ask(parts, [(row, body) for body in bodies])
    plan = row.plan
    assert plan is not None
    read: list[bytes] = []
    for name in ("table", "decode"):
        way = getattr(plan, name)
        monkeypatch.setattr(plan, name, lambda body, way=way: (read.append(bytes(body)), way(body))[1])
    monkeypatch.setattr("service.lane.THREAD_HOP_S", -1.0)
    callers = ask(parts, [(row, body) for body in bodies], warm=0)
    assert all(caller.was_alone for caller in callers)
    assert sorted(read) == sorted(bodies)
    for caller, other in zip(callers, together, strict=True):
        assert caller.response is not None
        assert other.response is not None
        assert caller.response.whole() == other.response.whole()


def test_bad_request_goes_alone_and_no_neighbour_notices(parts: Parts, pixels: np.ndarray) -> None:
    good, row = instances(pixels[:1]), head(parts, "/predict")
    ragged = b'{"instances": [[1, 2], [3]]}'
    callers = ask(parts, [(row, good), (row, ragged), (row, b"{"), (row, good), (row, instances(pixels[:1, :5]))])
    assert [caller.was_alone for caller in callers] == [False, True, True, False, True]
    assert [caller.response.status for caller in callers if caller.response] == [200, 422, 400, 200, 422]


def test_raw_body_of_no_whole_row_goes_alone(parts: Parts, pixels: np.ndarray) -> None:
    row, raw = head(parts, "/predict", RAW), pixels[:2].tobytes()
    callers = ask(parts, [(row, raw), (row, raw[:-1]), (row, b""), (row, raw)], warm=8)
    ask(parts, [(head(parts, "/activate/relu", NPY), b"")])  # of no bytes and no rows
    assert [caller.was_alone for caller in callers] == [False, True, True, False]
    assert [caller.response.status for caller in callers if caller.response] == [200, 400, 200, 200]
    assert callers[2].response is not None
    assert callers[2].response.whole() == b""  # no rows


def test_runs_have_no_more_rows_than_they_may(
    parts: Parts, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = Recorded(parts.repository.model("fashion_mnist").session, monkeypatch)
    row = head(parts, "/predict", RAW)
    ask(parts, [(row, pixels[:30].tobytes())] * 5, warm=8)
    assert max(recorded.rows) <= 64
    assert recorded.rows[-3:] == [60, 60, 30]


def test_reading_a_body_that_is_too_much_for_this_run_counts_as_reading(
    parts: Parts, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, body = head(parts, "/predict"), instances(pixels[:32])  # of which two are a full run
    assert row.plan is not None
    read = row.plan.table

    def slowly(body: bytes) -> Any:
        time.sleep(0.005)
        return read(body)

    monkeypatch.setattr(row.plan, "table", slowly)
    callers = ask(parts, [(row, body)] * 3)
    assert not any(caller.was_alone for caller in callers)
    assert all(caller.decode_s >= 0.005 for caller in callers)


def test_one_caller_may_have_more_rows_than_a_run(parts: Parts) -> None:
    rows = np.random.default_rng(6).random((100, 784), np.float32)
    (caller,) = ask(parts, [(head(parts, "/predict", RAW), rows.tobytes())])
    assert caller.response is not None
    alone = parts.repository.model("fashion_mnist").session.run({"input": rows}, ("probabilities",))[0]
    assert caller.response.whole() == alone.tobytes()


def test_only_caller_is_answered_at_once(parts: Parts, pixels: np.ndarray) -> None:
    row = head(parts, "/predict", RAW)
    ask(parts, [(row, pixels[:1].tobytes())])

    async def main() -> tuple[Waiting, Waiting]:
        only, one_of_several = (Waiting(parts, row, pixels[:1].tobytes()) for _ in range(2))
        assert row.plan is not None
        parts.heads.bursts.add(row.plan, one_of_several)
        assert one_of_several.response is None
        await asyncio.sleep(0.01)
        parts.heads.bursts.add(row.plan, only, is_only=True)
        return only, one_of_several

    only, one_of_several = asyncio.run(asyncio.wait_for(main(), 10))
    assert only.response is not None
    assert one_of_several.response is not None
    assert only.response.whole() == one_of_several.response.whole()


def test_only_the_next_request_of_an_only_caller_is_looked_out_for(
    parts: Parts, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = head(parts, "/predict/fashion_mnist", RAW)
    told: list[float] = []
    answered = BusyPolling.answered

    def recorded(polling: BusyPolling, began: float) -> None:
        told.append(began)
        answered(polling, began)

    monkeypatch.setattr(BusyPolling, "answered", recorded)
    ask(parts, [(row, pixels[:1].tobytes())] * 2)
    assert not told

    async def alone() -> float:
        assert row.plan is not None
        only = Waiting(parts, row, pixels[:1].tobytes())
        parts.heads.bursts.add(row.plan, only, is_only=True)
        return only.began

    assert asyncio.run(alone()) == told[0]
    assert len(told) == 1


def test_who_left_costs_no_run(parts: Parts, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    row = head(parts, "/predict", RAW)
    ask(parts, [(row, pixels[:1].tobytes())])
    recorded = Recorded(parts.repository.model("fashion_mnist").session, monkeypatch)

    async def main() -> list[Waiting]:
        callers = [Waiting(parts, row, pixels[at : at + 1].tobytes()) for at in range(3)]
        for caller in callers:
            assert row.plan is not None
            parts.heads.bursts.add(row.plan, caller)
        callers[1].is_gone = True
        while callers[0].response is None or callers[2].response is None:
            await asyncio.sleep(0.001)
        return callers

    callers = asyncio.run(asyncio.wait_for(main(), 10))
    assert callers[1].response is None
    assert sum(recorded.rows) == 2


def test_rows_that_may_touch_each_other_are_not_joined(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    model = parts.repository.model("same_fp32")
    assert not model.metadata.joinable
    recorded = Recorded(model.session, monkeypatch)
    row = head(parts, "/predict/same_fp32")
    callers = ask(parts, [(row, b'{"instances": [[1, 2]]}'), (row, b'{"instances": [[3, 4]]}')])
    assert set(recorded.rows) == {1}
    assert [json.loads(caller.response.body)["predictions"] for caller in callers if caller.response] == [
        [[1, 2]],
        [[3, 4]],
    ]


def test_deadline_of_its_own_is_kept_by_going_alone(parts: Parts) -> None:
    row = head(parts, "/v2/models/relu/infer")
    body = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [2]}], "parameters": {"timeout": 10**7}}
    (caller,) = ask(parts, [(row, json.dumps(body).encode())])
    assert caller.was_alone
    assert caller.response is not None
    assert caller.response.status == 200


def test_draining_server_says_so_behind_each_answer(parts: Parts, pixels: np.ndarray) -> None:
    row = head(parts, "/predict", RAW)
    ask(parts, [(row, pixels[:1].tobytes())])
    parts.lifecycle.drain()
    (caller,) = ask(parts, [(row, pixels[:1].tobytes())], warm=0)
    assert caller.response is not None
    assert ("Connection", "close") in caller.response.headers


def test_plan_of_a_model_that_is_gone_is_not_carried_out(parts: Parts, pixels: np.ndarray) -> None:
    row = head(parts, "/predict/fashion_mnist", RAW)
    ask(parts, [(row, pixels[:1].tobytes())])
    parts.repository.swap({"fashion_mnist": None})
    assert row.plan is not None
    assert not row.plan.holds()
    exchange_free = head(parts, "/predict/fashion_mnist", RAW)
    assert exchange_free.plan is None


def test_heads_that_came_before_ask_for_the_model_that_is_there_now(parts: Parts, pixels: np.ndarray) -> None:
    raw = b"POST /predict/digits HTTP/1.1\r\nContent-Type: application/octet-stream\r\nContent-Length: 1\r\n\r\n"
    row = head(parts, "/predict/digits", RAW)
    parts.heads.remember(raw, row, 2)
    gone = weakref.ref(parts.repository.model("digits"))
    replacement = Model("digits", "1", SHIPPED / "digits" / "1" / "model.onnx", Runtime())
    parts.repository.swap({"digits": Entry("digits", {"1": Version("1", model=replacement)})})
    parts.heads.renew()
    assert row.plan is not None
    assert row.plan.model is replacement
    gc.collect()
    assert gone() is None
    (caller,) = ask(parts, [(row, pixels[:1].tobytes())])
    assert not caller.was_alone


def test_long_answers_are_compressed_as_asked(parts: Parts, pixels: np.ndarray) -> None:
    row = head(parts, "/activate/relu", accept_encoding="gzip")
    (caller,) = ask(parts, [(row, json.dumps({"tensor": pixels[:2].tolist()}).encode())])
    assert caller.response is not None
    assert ("Content-Encoding", "gzip") in caller.response.headers
    assert json.loads(gzip.decompress(caller.response.body))["shape"] == [2, 784]


def test_all_are_counted(parts: Parts, pixels: np.ndarray) -> None:
    metrics = parts.heads.front.metrics
    row = head(parts, "/predict", RAW)
    ask(parts, [(row, pixels[:2].tobytes())] * 5, warm=3)
    metrics.hand_over()
    text = metrics.expose().decode()
    assert 'actserve_requests_total{method="POST",path="/predict",status="200"} 20.0' in text
    assert 'actserve_rows_total{model="fashion_mnist",version="1"} 40.0' in text
    assert 'actserve_request_duration_seconds_count{path="/predict"} 20.0' in text
    for stage in ("decode", "queue", "compute", "encode"):
        assert f'actserve_stage_duration_seconds_count{{stage="{stage}"}} 20.0' in text
    model = parts.repository.model("fashion_mnist")
    told = model.tally.told("fashion_mnist", "1")
    assert told["inference_count"] == 40
    assert told["inference_stats"]["success"]["count"] == 20


def test_more_callers_than_rows_may_wait_are_told_to_come_again(folder: Path, pixels: np.ndarray) -> None:
    parts = assemble(Settings(models=folder, max_queue_rows=3))
    row = head(parts, "/predict", RAW)
    callers = ask(parts, [(row, pixels[:1].tobytes())] * 5)
    statuses = [caller.response.status for caller in callers if caller.response]
    assert statuses == [200, 200, 200, 429, 429]
    assert callers[3].response is not None
    assert ("Retry-After", "1") in callers[3].response.headers
    parts.scheduler.close()


def test_refusals_are_held_back_and_those_who_leave_or_are_late_get_none_of_it(
    folder: Path, pixels: np.ndarray
) -> None:
    """The first is told at once, the others one after another; each is answered once."""
    parts = assemble(Settings(models=folder, max_queue_rows=3))
    row = head(parts, "/predict", RAW)
    assert row.plan is not None
    full = parts.scheduler.lane(row.plan.model.session, True, None).full(3)
    told: list[tuple[int, int]] = []

    async def main() -> list[int]:
        exchanges = []
        for number in range(5):
            deliver = partial(lambda number, answer: told.append((number, answer.status)), number)
            exchange = parts.heads.front.open(row.route, row.request("id"), deliver)
            exchange.request.body = pixels[:1].tobytes()
            exchanges.append(exchange)
            exchange.refuse(full)
        at_once = [number for number, _ in told]
        exchanges[2].leave()
        exchanges[3].expire(30)
        while parts.heads.front.under_way:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.02)
        return at_once

    assert asyncio.run(asyncio.wait_for(main(), 10)) == [0]
    assert told == [(0, 429), (3, 504), (1, 429), (4, 429)]
    parts.scheduler.close()


def test_rows_that_wait_are_counted_over_all_requests_of_a_model(folder: Path, pixels: np.ndarray) -> None:
    parts = assemble(Settings(models=folder, max_queue_rows=100))
    raw, text = head(parts, "/predict", RAW), head(parts, "/predict")
    bursts = parts.heads.bursts
    ask(parts, [(raw, pixels[:20].tobytes()), (text, instances(pixels[:20]))])  # from which it knows how long rows are

    async def main() -> tuple[int, list[Waiting]]:
        callers = [Waiting(parts, raw, pixels[:40].tobytes()) for _ in range(2)]
        callers += [Waiting(parts, text, instances(pixels[:18])) for _ in range(2)]
        for caller in callers:
            assert caller._head.plan is not None
            bursts.add(caller._head.plan, caller)
        queued = bursts.queued_rows
        while any(caller.response is None for caller in callers):
            await asyncio.sleep(0.001)
        return queued, callers

    queued, callers = asyncio.run(asyncio.wait_for(main(), 10))
    assert [caller.response.status for caller in callers if caller.response] == [200, 200, 200, 429]
    assert 96 <= queued <= 100
    assert bursts.queued_rows == 0
    parts.scheduler.close()


def test_body_without_rows_makes_no_later_one_seem_long(folder: Path, pixels: np.ndarray) -> None:
    parts = assemble(Settings(models=folder, max_queue_rows=100))
    row = head(parts, "/predict")
    bodies = [instances(pixels[:20])] * 3
    ask(parts, [(row, body) for body in bodies])
    ask(parts, [(row, b'{"instances": []}')])
    callers = ask(parts, [(row, body) for body in bodies], warm=0)
    assert [caller.response.status for caller in callers if caller.response] == [200, 200, 200]
    parts.scheduler.close()


def test_answer_that_cannot_be_given_holds_up_no_other(
    parts: Parts, pixels: np.ndarray, caplog: pytest.LogCaptureFixture
) -> None:
    row = head(parts, "/predict", RAW)
    ask(parts, [(row, pixels[:1].tobytes())])

    class Broken(Waiting):
        def reply(self, response: Response) -> None:
            super().reply(response)
            raise OSError("the connection is gone")

    async def main() -> list[Waiting]:
        callers = [kind(parts, row, pixels[:1].tobytes()) for kind in (Broken, Waiting)]
        for caller in callers:
            assert row.plan is not None
            parts.heads.bursts.add(row.plan, caller)
        await asyncio.sleep(0.05)
        return callers

    callers = asyncio.run(asyncio.wait_for(main(), 10))
    assert all(caller.response is not None and caller.response.status == 200 for caller in callers)
    assert "could not be given" in caplog.text


def test_answer_later_than_its_deadline_is_none(folder: Path, pixels: np.ndarray) -> None:
    parts = assemble(Settings(models=folder, request_timeout_s=20))
    row = head(parts, "/predict", RAW)
    ask(parts, [(row, pixels[:1].tobytes())])

    async def main() -> Waiting:
        caller = Waiting(parts, row, pixels[:1].tobytes())
        caller.began -= 21
        assert row.plan is not None
        parts.heads.bursts.add(row.plan, caller)
        while caller.response is None:
            await asyncio.sleep(0.001)
        return caller

    caller = asyncio.run(asyncio.wait_for(main(), 10))
    assert caller.was_alone
    assert caller.response is not None
    assert caller.response.status == 504
    parts.scheduler.close()
