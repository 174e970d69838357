"""The life of a model in the real server: swapped, broken, half copied, unloaded, under load, in one worker and two."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

ROWS = {"instances": [[0.0, 0.0, 0.0]]}
CALLERS = 4
LOAD = "/v2/repository/models/{}/load"
UNLOAD = "/v2/repository/models/{}/unload"


def adding(amount: float) -> bytes:
    """y = x + amount, each output element alike: an answer of two models would show."""
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "amount"], ["y"])],
        "adding",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])],
        [numpy_helper.from_array(np.full(3, amount, np.float32), "amount")],
    )
    return _bytes(graph)


def looking_up(folder: Path, value: float) -> bytes:
    """y = table[x], whose table of a million floats lies beside the file: onnxruntime maps it and reads it in each
    run."""
    folder.mkdir(parents=True, exist_ok=True)
    np.full(1_000_000, value, "<f4").tofile(folder / "table.bin")
    table = TensorProto(name="table", data_type=TensorProto.FLOAT, dims=[1_000_000], data_location=TensorProto.EXTERNAL)
    table.external_data.add(key="location", value="table.bin")
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "x"], ["y"])],
        "looking_up",
        [helper.make_tensor_value_info("x", TensorProto.INT64, ["n"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])],
        [table],
    )
    return _bytes(graph)


def _bytes(graph: onnx.GraphProto) -> bytes:
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()


def put(folder: Path, name: str, content: bytes, version: str = "1") -> Path:
    """Into its place by a rename, as a careful person does."""
    file = folder / name / version / "model.onnx"
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name("draft")
    draft.write_bytes(content)
    draft.replace(file)
    return file


class Callers:
    """Threads that ask for a model without a pause, each on connections of its own; `answers` are what they got."""

    def __init__(self, server: Any, name: str) -> None:
        self.answers: list[tuple[int, Any]] = []
        self._server = server
        self._path = f"/predict/{name}"
        self._stops = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(CALLERS)]

    def _ask(self) -> None:
        while not self._stops.is_set():
            with contextlib.closing(self._server.client()) as client:
                for _ in range(20):  # then a new connection, which another worker may take
                    client.request("POST", self._path, json.dumps(ROWS), {"Content-Type": "application/json"})
                    answer = client.getresponse()
                    self.answers.append((answer.status, json.loads(answer.read())))

    def __enter__(self) -> Callers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stops.set()
        for thread in self._threads:
            thread.join()

    def since(self, mark: int) -> set[tuple[float, ...]]:
        """The different rows answered since a mark; every answer must be good."""
        found = self.answers[mark:]
        assert {status for status, _ in found} <= {200}, [answer for answer in found if answer[0] != 200][:3]
        return {tuple(answer["predictions"][0]) for _, answer in found}


def index(server: Any, ready: bool = False) -> dict[tuple[str, str], tuple[str, str]]:
    answer = server.post("/v2/repository/index", {"ready": ready})
    assert answer.status == 200
    return {(line["name"], line["version"]): (line["state"], line["reason"]) for line in answer.json()}


def statuses(server: Any, path: str, times: int = 12) -> set[int]:
    """Of several calls, each on a connection of its own, so that all workers get some."""
    return {server.post(path, ROWS).status for _ in range(times)}


def predicted(server: Any, name: str, times: int = 1) -> set[float]:
    return {server.post(f"/predict/{name}", ROWS).json()["predictions"][0][0] for _ in range(times)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    models = tmp_path / "secret-place"
    put(models, "adding", adding(1))
    put(models, "other", adding(2))
    return models


Explicit = Callable[..., Any]


@pytest.fixture
def explicit(serve: Any, folder: Path, wait_until: Any) -> Explicit:
    def start(workers: int, *arguments: str) -> Any:
        server = serve(
            "--models",
            str(folder),
            "--workers",
            str(workers),
            "--model-control",
            "explicit",
            "--grpc-port",
            "0",
            *arguments,
        )
        wait_until(lambda: server.log.count("activations;") == workers, "a worker did not start")
        return server

    return start


@pytest.fixture
def polling(serve: Any, folder: Path, wait_until: Any) -> Explicit:
    def start(workers: int, *arguments: str) -> Any:
        control = ("--model-control", "poll", "--poll-interval-s", "0.2", "--grpc-port", "0")
        server = serve("--models", str(folder), "--workers", str(workers), *control, *arguments)
        wait_until(lambda: server.log.count("activations;") == workers, "a worker did not start")
        return server

    return start


@pytest.mark.parametrize("workers", [1, 2])
def test_swap_under_load_fails_no_request_and_mixes_no_answer(explicit: Explicit, folder: Path, workers: int) -> None:
    server = explicit(workers, "--load-model", "adding")
    with Callers(server, "adding") as callers:
        for amount in (2, 3, 4, 5):
            put(folder, "adding", adding(amount))
            mark = len(callers.answers)
            assert server.post(LOAD.format("adding"), b"").status == 200
            assert predicted(server, "adding", 12) == {amount}  # every worker, as soon as the call is answered
            assert callers.since(mark) <= {(amount - 1,) * 3, (amount,) * 3}
        assert callers.since(0) == {(amount,) * 3 for amount in (1, 2, 3, 4, 5)}
    assert "Traceback" not in server.log


@pytest.mark.parametrize("workers", [1, 2])
def test_broken_candidate_leaves_the_old_one_serving_and_is_told(
    explicit: Explicit, folder: Path, workers: int
) -> None:
    server = explicit(workers, "--load-model", "adding,other")
    whole = adding(7)
    with Callers(server, "adding") as callers:
        for content in (whole[: len(whole) // 2], b"", b"not a model"):
            (folder / "adding" / "1" / "model.onnx").write_bytes(content)  # over the one that is served
            refused = server.post(LOAD.format("adding"), b"{}")
            assert refused.status == 422
            assert b"secret-place" not in refused.body
            state, reason = index(server, ready=True)["adding", "1"]
            assert state == "READY"
            assert "refused" in reason
        assert callers.since(0) == {(1.0,) * 3}
    found = server.metrics()
    assert found['actserve_model_load_failures_total{model="adding"}'] == 3
    assert found['actserve_model_broken{model="adding",served="true",version="1"}'] == 1
    assert "model adding version 1 is not served" in server.log
    assert server.get("/health/ready").status == 200  # the old one serves
    put(folder, "adding", whole)
    assert server.post(LOAD.format("adding"), b"").status == 200
    assert index(server)["adding", "1"] == ("READY", "")
    assert predicted(server, "adding", 12) == {7}
    assert 'actserve_model_broken{model="adding"' not in server.get("/metrics").body.decode()


@pytest.mark.parametrize("workers", [1, 2])
def test_unloaded_model_is_gone_at_once_from_every_worker(explicit: Explicit, workers: int) -> None:
    server = explicit(workers, "--load-model", "*")
    assert statuses(server, "/predict/adding") == {200}
    unloaded = server.post(UNLOAD.format("adding"), {"parameters": {"unload_dependents": True}})
    assert unloaded.status == 200
    assert statuses(server, "/predict/adding") == {404}
    assert index(server)["adding", "1"] == ("UNAVAILABLE", "unloaded")
    assert 'model="adding",provider' not in server.get("/metrics").body.decode()
    assert server.get("/health/ready").status == 200
    assert server.post(LOAD.format("adding"), b"").status == 200
    assert predicted(server, "adding", 12) == {1}


def test_only_what_is_named_is_loaded_and_the_rest_can_be(explicit: Explicit, folder: Path) -> None:
    server = explicit(1, "--load-model", "adding")
    assert index(server)["other", "1"] == ("UNAVAILABLE", "unloaded")
    assert index(server)["fashion_mnist", "1"] == ("UNAVAILABLE", "unloaded")
    assert index(server)["relu", "1"] == ("READY", "")
    assert ("other", "1") not in index(server, ready=True)
    assert server.post("/predict/other", ROWS).status == 404
    assert server.post(LOAD.format("fashion_mnist"), b"").status == 200
    assert server.post("/predict/fashion_mnist", {"instances": [[0] * 784]}).status == 200
    put(folder, "adding", adding(20), "2")  # a version more
    assert server.post(LOAD.format("adding"), b"").status == 200
    assert predicted(server, "adding") == {20}
    assert server.post("/predict/adding?version=1", ROWS).json()["predictions"] == [[1, 1, 1]]
    (folder / "adding" / "2" / "model.onnx").unlink()  # and one less
    assert server.post(LOAD.format("adding"), b"").status == 200
    assert predicted(server, "adding") == {1}


def test_calls_that_cannot_be_are_refused_and_say_why(explicit: Explicit) -> None:
    server = explicit(1)
    assert server.get("/health/ready").status == 503  # no network at all
    refusals = {
        (LOAD.format("nothing"), 404): b"",
        (UNLOAD.format("nothing"), 404): b"",
        (UNLOAD.format("relu"), 403): b"",
        (LOAD.format("adding"), 422): b'{"parameters": {"config": "{}"}}',
        (LOAD.format("adding "), 404): b"",
        (UNLOAD.format("adding"), 422): b'{"parameters": {"file:1/model.onnx": ""}}',
        ("/v2/repository/index", 422): b'{"reddy": true}',
        ("/v2/repository/index", 400): b"[",
    }
    for (path, status), body in refusals.items():
        answer = server.post(path.replace(" ", "%20"), body)
        assert answer.status == status, (path, answer.body)
        assert len(answer.json()["error"]) > 10
    assert server.post(LOAD.format("relu"), b"").status == 200  # it is loaded
    assert server.post(UNLOAD.format("adding"), b"").status == 200  # it is not loaded
    assert server.post(LOAD.format("adding"), b"").status == 200
    assert server.get("/health/ready").status == 200


@pytest.mark.parametrize("mode", ["none", "poll"])
def test_calls_are_refused_where_the_folder_decides(serve: Any, folder: Path, mode: str) -> None:
    server = serve("--models", str(folder), "--model-control", mode)
    for path in (LOAD, UNLOAD):
        refused = server.post(path.format("adding"), b"")
        assert refused.status == 403
        assert "--model-control explicit" in refused.json()["error"]
    assert predicted(server, "adding") == {1}


def test_what_changes_in_the_folder_is_followed(polling: Explicit, folder: Path, wait_until: Any) -> None:
    server = polling(1)
    with Callers(server, "adding") as callers:
        put(folder, "adding", adding(3))
        wait_until(lambda: callers.since(-5) == {(3.0,) * 3}, "the new file was not taken")
        assert callers.since(0) <= {(1.0,) * 3, (3.0,) * 3}
        put(folder, "adding", adding(4), "2")
        wait_until(lambda: callers.since(-5) == {(4.0,) * 3}, "the new version was not taken")
        (folder / "adding" / "model.toml").write_text('description = "told later"')
        wait_until(lambda: server.get("/models/adding").json().get("description"), "model.toml was not read again")
        (folder / "adding" / "2" / "model.onnx").unlink()
        wait_until(lambda: callers.since(-5) == {(3.0,) * 3}, "the version was not dropped")
        callers.since(0)
    (folder / "adding" / "1" / "model.onnx").unlink()
    wait_until(lambda: server.post("/predict/adding", ROWS).status == 404, "the model was not dropped")
    put(folder, "late", adding(9))
    wait_until(lambda: server.post("/predict/late", ROWS).status == 200, "the new model was not taken")
    assert server.get("/health/ready").status == 200


@pytest.mark.parametrize("workers", [1, 2])
def test_half_copied_file_is_waited_for(polling: Explicit, folder: Path, wait_until: Any, workers: int) -> None:
    server = polling(workers)
    whole = adding(5)
    with Callers(server, "adding") as callers:
        file = folder / "adding" / "1" / "model.onnx"
        with file.open("wb") as copy:
            for at in range(0, len(whole), 10):
                copy.write(whole[at : at + 10])
                copy.flush()
                threading.Event().wait(0.05)
        wait_until(lambda: predicted(server, "adding", 12) == {5}, "the copied file was not taken")
        assert callers.since(0) == {(1.0,) * 3, (5.0,) * 3}
        file.write_bytes(whole[:50])  # and one that stays half
        wait_until(lambda: "refused" in index(server)["adding", "1"][1], "the reason is not told")
        mark = len(callers.answers)
        wait_until(lambda: len(callers.answers) > mark + 200, "nobody is answered")
        assert callers.since(mark) == {(5.0,) * 3}
    assert server.get("/health/ready").status == 200


def test_new_model_that_is_broken_makes_readiness_fall_until_it_is_repaired(
    polling: Explicit, folder: Path, wait_until: Any
) -> None:
    server = polling(1)
    assert server.get("/health/ready").status == 200
    file = put(folder, "broken", b"no")
    wait_until(lambda: server.get("/health/ready").status == 503, "readiness says nothing of a broken model")
    assert index(server)["broken", "1"][0] == "UNAVAILABLE"
    assert server.post("/predict/broken", ROWS).status == 503
    (file.parents[1] / "model.toml").write_text("required = false")
    wait_until(lambda: server.get("/health/ready").status == 200, "a model that is not required holds it down")
    put(folder, "broken", adding(8))
    wait_until(lambda: server.post("/predict/broken", ROWS).status == 200, "the repaired file was not taken")


def children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            found += [int(child) for child in (task / "children").read_text().split()]
    return [pid for pid in found if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def test_worker_that_replaces_a_dead_one_serves_what_the_others_do(
    explicit: Explicit, folder: Path, wait_until: Any
) -> None:
    server = explicit(2, "--load-model", "adding,fashion_mnist")
    assert server.post(LOAD.format("other"), b"").status == 200
    assert server.post(UNLOAD.format("fashion_mnist"), b"").status == 200
    file = folder / "adding" / "1" / "model.onnx"
    file.write_bytes(b"broken")  # over the one that is served: whoever starts later cannot load it any more
    assert server.post(LOAD.format("adding"), b"").status == 422
    (folder / "other" / "1" / "model.onnx").unlink()
    for pid in children(server.pid):
        before = server.log.count("activations;")
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda before=before: server.log.count("activations;") == before + 1, "no worker took its place")
    assert predicted(server, "adding", 20) == {1}
    assert predicted(server, "other", 20) == {2}
    assert statuses(server, "/predict/fashion_mnist", 20) == {404}
    assert server.get("/health/ready").status == 200
    assert "refused" in index(server)["adding", "1"][1]


def test_calls_at_the_same_time_end_and_leave_the_workers_alike(explicit: Explicit, folder: Path) -> None:
    server = explicit(2, "--load-model", "adding,other")
    answered: list[int] = []

    def change(name: str, verb: str) -> None:
        for _ in range(8):
            answered.append(server.post(verb.format(name), b"").status)

    threads = [
        threading.Thread(target=change, args=(name, verb)) for name in ("adding", "other") for verb in (LOAD, UNLOAD)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answered == [200] * 32
    for name in ("adding", "other"):
        assert len(statuses(server, f"/predict/{name}", 20)) == 1
        assert server.post(LOAD.format(name), b"").status == 200
        assert statuses(server, f"/predict/{name}", 20) == {200}


@pytest.mark.parametrize("workers", [1, 2])
def test_external_data_may_be_written_over_while_it_is_served(explicit: Explicit, folder: Path, workers: int) -> None:
    place = folder / "table" / "1"
    put(folder, "table", looking_up(place, 1.5))
    server = explicit(workers, "--load-model", "table")
    body = {"inputs": [0, 999_999]}
    assert server.post("/predict/table", body).json()["outputs"] == [1.5, 1.5]
    (place / "table.bin").write_bytes(b"")  # cut short: reading a mapped file would now end the process
    assert server.post(LOAD.format("table"), b"").status == 422
    for _ in range(12):
        assert server.post("/predict/table", body).json()["outputs"] == [1.5, 1.5]
    looking_up(place, 2.5)
    assert server.post(LOAD.format("table"), b"").status == 200
    for _ in range(12):
        assert server.post("/predict/table", body).json()["outputs"] == [2.5, 2.5]


def test_memory_of_unloaded_models_is_given_back(explicit: Explicit, folder: Path, wait_until: Any) -> None:
    weights = np.random.default_rng(0).standard_normal((2048, 4096), dtype=np.float32)  # 32 MiB
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "big",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2048])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4096])],
        [numpy_helper.from_array(weights, "w")],
    )
    put(folder, "big", _bytes(graph))
    server = explicit(1, "--load-model", "adding")

    def round_trip() -> int:
        assert server.post(LOAD.format("big"), b"").status == 200
        assert server.post("/predict/big", {"instances": [[1.0] * 2048]}).status == 200
        assert server.post(UNLOAD.format("big"), b"").status == 200
        wait_until(lambda: ("big", "1") not in index(server) or index(server)["big", "1"][0] != "UNLOADING", "it stays")
        return int(server.status("VmRSS"))

    first = round_trip()
    later = [round_trip() for _ in range(8)]
    assert max(later) < first + 20_000, (first, later)  # kB; each load takes 32 MiB


def test_request_under_way_is_answered_by_the_model_that_is_unloaded(
    serve: Any, slow_models: Path, wait_until: Any
) -> None:
    server = serve("--models", str(slow_models), "--model-control", "explicit", "--load-model", "slow")
    answers: list[Any] = []
    caller = threading.Thread(target=lambda: answers.append(server.post("/predict/slow", {"inputs": 2000})))
    caller.start()
    wait_until(lambda: server.metrics()["actserve_requests_in_flight"] == 2, "the request has not begun")
    assert server.post(UNLOAD.format("slow"), b"").status == 200
    assert server.post("/predict/slow", {"inputs": 1}).status == 404
    assert not answers, "it was too quick to show anything"
    assert index(server)["slow", "1"][0] == "UNLOADING"
    caller.join()
    assert answers[0].json()["outputs"] == pytest.approx(160, rel=1e-3)
    wait_until(lambda: index(server)["slow", "1"] == ("UNAVAILABLE", "unloaded"), "it is not let go")


def test_worker_that_dies_in_a_change_leaves_the_others_alike(
    explicit: Explicit, folder: Path, wait_until: Any
) -> None:
    server = explicit(2, "--load-model", "adding")
    for number, pid in enumerate(children(server.pid)):
        put(folder, "adding", adding(10 + number))
        caller = threading.Thread(target=lambda: _quietly(server.post, LOAD.format("adding"), b""))
        caller.start()
        os.kill(pid, signal.SIGKILL)  # it may lead the change, take part in it, or not have heard of it
        caller.join()
        wait_until(lambda n=number: server.log.count("activations;") == 3 + n, "no worker took its place")
        assert len(predicted(server, "adding", 20)) == 1
        assert server.post(LOAD.format("adding"), b"").status == 200
        assert predicted(server, "adding", 20) == {10 + number}


def _quietly(call: Callable[..., Any], *arguments: Any) -> None:
    with contextlib.suppress(OSError, http.client.HTTPException):
        call(*arguments)


@pytest.fixture
def tokens() -> dict[str, dict[str, str]]:
    return {name: {"Authorization": f"Bearer {name}-token"} for name in ("api", "admin", "wrong")}


def test_admin_token_is_needed_to_change_and_opens_the_rest(explicit: Explicit, tokens: Any) -> None:
    server = explicit(1, "--load-model", "adding", "--api-token", "api-token", "--admin-token", "admin-token")
    load = LOAD.format("other")
    assert server.post(load, b"").status == 401
    assert server.post(load, b"", **tokens["api"]).status == 403
    assert server.post(load, b"", **tokens["wrong"]).status == 403
    assert server.post("/predict/adding", ROWS, **tokens["wrong"]).status == 403
    assert server.post("/v2/repository/index", b"", **tokens["api"]).status == 200
    assert server.post(load, b"", **tokens["admin"]).status == 200
    assert server.post("/predict/other", ROWS, **tokens["admin"]).status == 200
    assert server.post("/predict/other", ROWS, **tokens["api"]).status == 200


def test_api_token_alone_opens_changes_too(explicit: Explicit, tokens: Any) -> None:
    server = explicit(1, "--load-model", "adding", "--api-token", "api-token")
    assert server.post(LOAD.format("other"), b"").status == 401
    assert server.post(LOAD.format("other"), b"", **tokens["api"]).status == 200


def test_missing_model_that_was_named_holds_readiness_down(explicit: Explicit, folder: Path) -> None:
    server = explicit(1, "--load-model", "adding,missing")
    ready = server.get("/health/ready")
    assert ready.status == 503
    assert "missing" in ready.json()["error"]
    assert index(server)["missing", ""][0] == "UNAVAILABLE"
    put(folder, "missing", adding(3))
    assert server.post(LOAD.format("missing"), b"").status == 200
    assert server.get("/health/ready").status == 200


def test_default_model_that_was_named_and_is_missing_holds_readiness_down(serve: Any, folder: Path) -> None:
    server = serve("--models", str(folder), "--default-model", "nothing")
    assert server.get("/health/ready").status == 503
    assert server.post("/predict", ROWS).status == 404


def test_hundreds_of_models_answer_each_as_itself(serve: Any, tmp_path: Path) -> None:
    models = tmp_path / "many"
    models.mkdir()
    for number in range(300):
        (models / f"m{number}.onnx").write_bytes(adding(number))
    server = serve("--models", str(models))
    assert server.get("/health/ready").status == 200
    assert server.status("Threads") < 100
    with contextlib.closing(server.client()) as client:
        for number in range(300):
            client.request("POST", f"/predict/m{number}", json.dumps(ROWS), {"Content-Type": "application/json"})
            assert _json(client)["predictions"] == [[number] * 3]


def _json(client: http.client.HTTPConnection) -> Any:
    return json.loads(client.getresponse().read())
