"""What any gRPC client meets, in raw calls: bytes that are wrong, statuses, metadata, limits, health, and the end."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tritonclient.grpc import service_pb2 as messages
from tritonclient.grpc import service_pb2_grpc

PATIENCE_S = 60
MIB = 1 << 20
ENDLESS = 10**9
SECONDS_LONG = 2000
Code = grpc.StatusCode
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def channel_to(port: int) -> Iterator[grpc.Channel]:
    """A connection of its own: gRPC would share one among all channels of this process."""
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        yield channel


@pytest.fixture
def serve_grpc(serve: Any) -> Callable[..., Any]:
    """Starts a server of the test's own with gRPC too."""

    def start(*arguments: str, **variables: str) -> Any:
        port = free_port()
        server = serve(*arguments, "--grpc-port", str(port), **variables)
        server.grpc_port = port
        return server

    return start


@pytest.fixture
def channel(protocol_server: Any) -> Iterator[grpc.Channel]:
    with channel_to(protocol_server.grpc_port) as made:
        yield made


@pytest.fixture
def stub(channel: grpc.Channel) -> Any:
    return service_pb2_grpc.GRPCInferenceServiceStub(channel)


def request(model: str, *arrays: np.ndarray, name: str = "x", **fields: Any) -> messages.ModelInferRequest:
    inputs = [{"name": name, "datatype": "FP32", "shape": array.shape} for array in arrays]
    raw = [array.astype(np.float32).tobytes() for array in arrays]
    return messages.ModelInferRequest(model_name=model, inputs=inputs, raw_input_contents=raw, **fields)


ONE = np.ones(1, np.float32)


def looping(times: int, **fields: Any) -> messages.ModelInferRequest:
    """For the model `slow`."""
    item = {"name": "count", "datatype": "INT64", "contents": {"int64_contents": [times]}}
    return messages.ModelInferRequest(model_name="slow", inputs=[item], **fields)


def refusal(call: Callable[..., Any], *arguments: Any, **keywords: Any) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments, timeout=PATIENCE_S, **keywords)
    return caught.value


def ends_with(call: Callable[..., Any], *arguments: Any, **keywords: Any) -> Code:
    return refusal(call, *arguments, **keywords).code()


ALL = [name for name, method in vars(service_pb2_grpc.GRPCInferenceService).items() if callable(method)]
OTHERS = re.compile("SharedMemory|TraceSetting|LogSettings|ModelStreamInfer")
OURS = [name for name in ALL if not OTHERS.search(name)]


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("body", [b"\xff", b"\x0a\x7f", b"\x0b"])
def test_bytes_that_are_no_message_are_an_invalid_argument(channel: grpc.Channel, name: str, body: bytes) -> None:
    call = channel.unary_unary(f"/inference.GRPCInferenceService/{name}")
    assert ends_with(call, body) == Code.INVALID_ARGUMENT


@pytest.mark.parametrize("name", sorted(set(ALL) - {"ModelStreamInfer"}))
def test_no_call_of_the_service_is_our_fault(channel: grpc.Channel, name: str) -> None:
    """An empty message is answered or refused, whatever the call."""
    call = channel.unary_unary(f"/inference.GRPCInferenceService/{name}")
    answer = call.future(b"", timeout=PATIENCE_S)
    assert answer.code() in (Code.OK, Code.INVALID_ARGUMENT, Code.NOT_FOUND, Code.UNIMPLEMENTED, Code.PERMISSION_DENIED)


@pytest.mark.parametrize(
    ("message", "code", "said"),
    [
        (request("", ONE), Code.INVALID_ARGUMENT, "model_name"),
        (request("zork", ONE), Code.NOT_FOUND, "zork"),
        (request("zörk\n☃", ONE), Code.NOT_FOUND, "zörk\n☃"),
        (request("twice", ONE, model_version="9"), Code.NOT_FOUND, "9"),
        (request("twice"), Code.INVALID_ARGUMENT, "`x`: expected FP32"),
        (request("twice", ONE, name="zork"), Code.INVALID_ARGUMENT, "`zork`"),
        (request("scores", ONE), Code.INVALID_ARGUMENT, "3"),
        (request("twice", ONE, outputs=[{"name": "zork"}]), Code.INVALID_ARGUMENT, "outputs[0].name"),
        (request("twice", ONE, parameters={"timeout": {"int64_param": -1}}), Code.INVALID_ARGUMENT, "timeout"),
    ],
)
def test_refusal_has_its_code_and_says_what_is_wrong(
    stub: Any, message: messages.ModelInferRequest, code: Code, said: str
) -> None:
    error = refusal(stub.ModelInfer, message)
    assert error.code() == code
    assert said in error.details()


def test_refusal_names_every_field_that_is_wrong(stub: Any) -> None:
    error = refusal(stub.ModelInfer, request("pair", ONE, name="zork"))
    assert all(name in error.details() for name in ("`zork`", "`number`", "`text`"))


def test_request_id_is_given_back_with_the_timings(stub: Any) -> None:
    _, call = stub.ModelInfer.with_call(request("twice", ONE), metadata=[("x-request-id", "my-own")])
    trailers = dict(call.trailing_metadata())
    assert trailers["x-request-id"] == "my-own"
    assert [part.split(";")[0] for part in trailers["server-timing"].split(", ")] == [
        "decode",
        "queue",
        "compute",
        "encode",
    ]


def test_refusal_has_a_request_id_too(stub: Any) -> None:
    assert len(dict(refusal(stub.ModelInfer, request("zork", ONE)).trailing_metadata())["x-request-id"]) == 32


def test_answers_are_those_over_http_bit_by_bit(protocol_server: Any, stub: Any, rows: Any) -> None:
    answer = stub.ModelInfer(request("fashion_mnist", rows, name="input"))
    tensor = {"name": "input", "datatype": "FP32", "shape": rows.shape, "parameters": {"binary_data_size": rows.nbytes}}
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    over_http = protocol_server.post(
        "/v2/models/fashion_mnist/infer",
        head + rows.tobytes(),
        "application/octet-stream",
        Inference_Header_Content_Length=str(len(head)),
    )
    tail = over_http.body[int(over_http.headers["inference-header-content-length"]) :]
    assert b"".join(answer.raw_output_contents) == tail
    assert [output.name for output in answer.outputs] == ["logits", "probabilities"]


def test_typed_and_raw_contents_are_answered_alike(stub: Any, rows: Any) -> None:
    typed = request("fashion_mnist", rows, name="input")
    typed.inputs[0].contents.fp32_contents.extend(rows.ravel().tolist())
    del typed.raw_input_contents[:]
    raw = stub.ModelInfer(request("fashion_mnist", rows, name="input"))
    assert stub.ModelInfer(typed).SerializeToString() == raw.SerializeToString()


def test_what_is_asked_is_counted_as_over_http(protocol_server: Any, stub: Any) -> None:
    def counted(status: str) -> float:
        labels = f'method="POST",path="/inference.GRPCInferenceService/ModelInfer",status="{status}"'
        return float(protocol_server.metrics().get(f"actserve_requests_total{{{labels}}}", 0))

    before = counted("200"), counted("404")
    stub.ModelInfer(request("twice", ONE))
    refusal(stub.ModelInfer, request("zork", ONE))
    assert (counted("200"), counted("404")) == (before[0] + 1, before[1] + 1)


def test_deadline_that_passes_on_the_server_ends_the_call_and_frees_the_model(
    serve_grpc: Any, slow_models: Any
) -> None:
    server = serve_grpc("--models", str(slow_models), "--no-shipped-models")
    with channel_to(server.grpc_port) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        error = refusal(stub.ModelInfer, looping(ENDLESS, parameters={"timeout": {"int64_param": 200_000}}))
        assert error.code() == Code.DEADLINE_EXCEEDED
        assert "0.2 s" in error.details()


def test_full_queue_is_resource_exhausted_and_says_when_to_come_again(serve_grpc: Any, slow_models: Any) -> None:
    server = serve_grpc("--models", str(slow_models), "--no-shipped-models", "--max-queue-rows", "1")
    with channel_to(server.grpc_port) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        waiting = [stub.ModelInfer.future(looping(300)) for _ in range(20)]
        codes = [call.code() for call in waiting]
        assert Code.OK in codes
        refused = next(call for call in waiting if call.code() == Code.RESOURCE_EXHAUSTED)
        assert int(dict(refused.trailing_metadata())["retry-after"]) >= 1
        assert set(codes) == {Code.OK, Code.RESOURCE_EXHAUSTED}


def test_caller_who_leaves_is_dropped_before_the_run(
    serve_grpc: Any, slow_models: Any, wait_until: Callable[..., None]
) -> None:
    server = serve_grpc("--models", str(slow_models), "--no-shipped-models")
    with channel_to(server.grpc_port) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        calls = [stub.ModelInfer.future(looping(SECONDS_LONG)) for _ in range(40)]
        in_flight = "actserve_requests_in_flight"
        wait_until(lambda: server.metrics()[in_flight] >= len(calls), "the calls did not arrive")
        for call in calls:
            call.cancel()
        wait_until(lambda: server.metrics()[in_flight] <= 1, "those who left are still waited for")
        wait_until(lambda: server.metrics()["actserve_queue_rows"] == 0, "those who left are still in the queue")
        left = 'actserve_errors_total{reason="disconnected"}'
        wait_until(lambda: server.metrics()[left] == len(calls), "not all who left are counted")
        assert server.metrics()['actserve_run_rows_count{model="slow",version="1"}'] < len(calls) / 2
    assert server.stop() == 0
    assert "Traceback" not in server.log


@pytest.mark.parametrize("compression", list(grpc.Compression))
def test_message_over_the_limit_is_refused_compressed_or_not(serve_grpc: Any, compression: grpc.Compression) -> None:
    server = serve_grpc("--max-body-bytes", str(MIB), "--no-shipped-models", measured=False)
    with channel_to(server.grpc_port) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        assert stub.ModelInfer(request("relu", np.zeros(MIB // 8)), compression=compression).outputs
        before = server.status("VmHWM")
        too_large = request("relu", np.zeros(64 * MIB, np.uint8).view(np.float32))
        assert ends_with(stub.ModelInfer, too_large, compression=compression) == Code.RESOURCE_EXHAUSTED
        assert server.status("VmHWM") - before < 16 * 1024  # KiB: it is not inflated to its whole size


def test_token_is_asked_for_but_not_by_probes(serve_grpc: Any) -> None:
    server = serve_grpc("--no-shipped-models", ACTSERVE_API_TOKEN="secret")
    with channel_to(server.grpc_port) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        message = request("relu", ONE)
        right, wrong = [[("authorization", f"Bearer {token}")] for token in ("secret", "guessed")]
        assert ends_with(stub.ModelInfer, message) == Code.UNAUTHENTICATED
        assert ends_with(stub.ModelInfer, message, metadata=wrong) == Code.PERMISSION_DENIED
        assert stub.ModelInfer(message, metadata=right).outputs
        assert ends_with(lambda *given, **named: list(stub.ModelStreamInfer(*given, **named)), iter([message])) == (
            Code.UNAUTHENTICATED
        )
        assert len(list(stub.ModelStreamInfer(iter([message]), metadata=right))) == 1
        assert stub.ServerLive(messages.ServerLiveRequest()).live
        assert not stub.ServerReady(messages.ServerReadyRequest()).ready  # there is no network
        assert health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest()).status == NOT_SERVING


def test_stream_goes_on_after_what_is_wrong(stub: Any) -> None:
    sent = [
        request("twice", ONE, id="first"),
        request("zork", ONE, id="second"),
        request("scores", ONE, id="third"),
        request("twice", ONE, id="fourth"),
    ]
    answers = list(stub.ModelStreamInfer(iter(sent)))
    assert [answer.infer_response.id for answer in answers] == ["first", "second", "third", "fourth"]
    assert ["zork" in answers[1].error_message, "3" in answers[2].error_message] == [True, True]
    assert [answers[0].error_message, answers[3].error_message] == ["", ""]
    assert answers[0].infer_response.parameters["triton_final_response"].bool_param


def test_stream_goes_on_after_bytes_that_are_no_message(channel: grpc.Channel) -> None:
    call = channel.stream_stream("/inference.GRPCInferenceService/ModelStreamInfer")
    good = request("twice", ONE).SerializeToString()
    answers = [messages.ModelStreamInferResponse.FromString(body) for body in call(iter([b"\xff", good]))]
    assert [bool(answer.error_message) for answer in answers] == [True, False]


def test_stream_reads_no_further_than_it_answers(serve_grpc: Any, slow_models: Any) -> None:
    """A sender who does not wait is held up: what it sent is not all taken in."""
    server = serve_grpc("--models", str(slow_models), "--max-queue-rows", "100000")
    sent = threading.Semaphore(0)
    bulk = request("relu", np.zeros(MIB // 4))

    def senders() -> Iterator[messages.ModelInferRequest]:
        yield looping(2000)
        for _ in range(200):
            sent.release()
            yield bulk

    with channel_to(server.grpc_port) as channel:
        answers = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelStreamInfer(senders())
        first = next(answers)
        taken = 200 - sum(1 for _ in iter(lambda: sent.acquire(blocking=False), False))
        assert not first.error_message
        assert taken > 0
        assert sum(1 for _ in answers) == 200


def test_stream_that_is_left_leaves_nothing_behind(
    serve_grpc: Any, slow_models: Any, wait_until: Callable[..., None]
) -> None:
    server = serve_grpc("--models", str(slow_models), "--no-shipped-models")
    with channel_to(server.grpc_port) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        stream = stub.ModelStreamInfer(looping(SECONDS_LONG) for _ in range(200))
        wait_until(lambda: server.metrics()["actserve_requests_in_flight"] > 20, "the requests did not arrive")
        stream.cancel()
        wait_until(lambda: server.metrics()["actserve_requests_in_flight"] <= 1, "they are still waited for")
    assert server.stop() == 0
    assert "Traceback" not in server.log


def test_health_is_told_by_service(channel: grpc.Channel) -> None:
    health = health_pb2_grpc.HealthStub(channel)
    for service in ("", "inference.GRPCInferenceService"):
        assert health.Check(health_pb2.HealthCheckRequest(service=service)).status == SERVING
        assert next(health.Watch(health_pb2.HealthCheckRequest(service=service))).status == SERVING
    unknown = health_pb2.HealthCheckRequest(service="zork")
    assert ends_with(health.Check, unknown) == Code.NOT_FOUND
    assert next(health.Watch(unknown)).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


def test_watch_of_bytes_that_are_no_message_is_refused(channel: grpc.Channel) -> None:
    watch = channel.unary_stream("/grpc.health.v1.Health/Watch")
    assert ends_with(lambda body, **named: list(watch(body, **named)), b"\xff") == Code.INVALID_ARGUMENT


def test_watch_is_told_when_the_server_drains_and_ends_with_it(serve_grpc: Any) -> None:
    server = serve_grpc()
    with channel_to(server.grpc_port) as channel:
        told = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=PATIENCE_S)
        stream = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelStreamInfer(iter(threading.Event().wait, None))
        assert next(told).status == SERVING
        server.signal(signal.SIGTERM)
        assert next(told).status == NOT_SERVING
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        assert not stub.ServerReady(messages.ServerReadyRequest()).ready
        assert stub.ModelInfer(request("relu", ONE)).outputs  # what still comes is answered
        assert ends_with(lambda timeout: next(told)) == Code.UNAVAILABLE
        assert stream.code() == Code.UNAVAILABLE
        assert server.wait() == 0
    assert "Traceback" not in server.log


@pytest.mark.parametrize("workers", ["1", "2"])
def test_sigterm_under_load_loses_no_call(serve_grpc: Any, workers: str) -> None:
    server = serve_grpc("--workers", workers, "--drain-timeout-s", "6")
    message, codes, stopped = request("relu", ONE), [], threading.Event()

    def ask(channel: grpc.Channel) -> Code:
        try:
            service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(message, timeout=PATIENCE_S)
        except grpc.RpcError as error:
            return error.code() if "refused" not in error.details() else Code.ABORTED
        return Code.OK

    def ask_on_one_connection() -> None:
        with channel_to(server.grpc_port) as channel:
            while not stopped.is_set():
                codes.append(ask(channel))

    def ask_on_new_connections() -> None:
        while not stopped.is_set():
            with channel_to(server.grpc_port) as channel:
                codes.append(ask(channel))

    with ThreadPoolExecutor(6) as threads:
        running = [threads.submit(ask) for ask in [ask_on_one_connection] * 4 + [ask_on_new_connections] * 2]
        try:
            deadline = time.monotonic() + PATIENCE_S
            while len(codes) < 50:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            server.signal(signal.SIGTERM)
            assert server.wait() == 0
        finally:
            stopped.set()
        for done in running:
            done.result()
    assert set(codes) <= {Code.OK, Code.ABORTED}


def test_slow_call_under_way_is_answered_after_sigterm(
    serve_grpc: Any, slow_models: Any, wait_until: Callable[..., None]
) -> None:
    server = serve_grpc("--models", str(slow_models))
    with channel_to(server.grpc_port) as channel:
        call = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer.future(looping(3000))
        wait_until(lambda: server.metrics()["actserve_requests_in_flight"] == 2, "the call did not arrive")
        server.signal(signal.SIGTERM)
        assert call.code() == Code.OK
        assert server.wait() == 0


def test_call_without_end_is_cut_off_when_the_drain_time_is_over(
    serve_grpc: Any, slow_models: Any, wait_until: Callable[..., None]
) -> None:
    server = serve_grpc("--models", str(slow_models), "--drain-timeout-s", "3", "--request-timeout-s", "600")
    with channel_to(server.grpc_port) as channel:
        call = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer.future(looping(ENDLESS))
        wait_until(lambda: server.metrics()["actserve_requests_in_flight"] == 2, "the call did not arrive")
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
        assert call.code() in (Code.UNAVAILABLE, Code.CANCELLED)


def test_further_signals_end_a_call_without_end_at_once(
    serve_grpc: Any, slow_models: Any, wait_until: Callable[..., None]
) -> None:
    server = serve_grpc("--models", str(slow_models), "--drain-timeout-s", "600", "--request-timeout-s", "600")
    with channel_to(server.grpc_port) as channel:
        call = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer.future(looping(ENDLESS))
        wait_until(lambda: server.metrics()["actserve_requests_in_flight"] == 2, "the call did not arrive")
        server.signal(signal.SIGINT)
        wait_until(lambda: refuses_connections(server.port), "it still listens")
        server.signal(signal.SIGINT)
        assert server.wait() == 0
        assert call.code() in (Code.UNAVAILABLE, Code.CANCELLED)


def test_two_workers_share_the_port_and_both_answer(serve_grpc: Any, wait_until: Callable[..., None]) -> None:
    server = serve_grpc("--workers", "2", ACTSERVE_LOG_LEVEL="debug", ACTSERVE_LOG_FORMAT="json")

    def ports() -> set[int]:
        with channel_to(server.grpc_port) as channel:
            service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(request("relu", ONE), timeout=PATIENCE_S)
        return listeners(server.grpc_port)

    wait_until(lambda: len(ports()) == 2, "only one worker listens")
    name = 'actserve_requests_total{method="POST",path="/inference.GRPCInferenceService/ModelInfer",status="200"}'
    assert server.metrics()[name] >= 1


def refuses_connections(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def listeners(port: int) -> set[int]:
    """The sockets of this machine that listen on a port, by their inodes."""
    tables = [Path("/proc/net/tcp"), Path("/proc/net/tcp6")]  # gRPC takes the second for both
    rows = [line.split() for table in tables if table.exists() for line in table.read_text().splitlines()[1:]]
    return {int(row[9]) for row in rows if int(row[1].rpartition(":")[2], 16) == port and row[3] == "0A"}


@pytest.mark.parametrize("option", [None, socket.SO_REUSEADDR, socket.SO_REUSEPORT])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_port_that_is_taken_is_told_at_the_start(command: Any, option: int | None, workers: str) -> None:
    with socket.socket() as taken:
        if option is not None:
            taken.setsockopt(socket.SOL_SOCKET, option, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        run = command("serve", "--port", "0", "--grpc-port", port, "--workers", workers)
    assert run.returncode == 2
    assert f"127.0.0.1:{port}" in run.stderr.decode()
    assert "--grpc-port" in run.stderr.decode()


def test_grpc_is_left_out_with_port_0(serve: Any) -> None:
    server = serve("--grpc-port", "0")
    assert "grpc" not in server.log
    assert "grpc" not in server.stdout.read_text()


def test_models_are_listed_loaded_and_unloaded(serve_grpc: Any, protocol_models: Path) -> None:
    server = serve_grpc("--models", str(protocol_models), "--model-control", "explicit", "--workers", "2")
    with channel_to(server.grpc_port) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        name = {"model_name": "twice"}
        assert not stub.ModelReady(messages.ModelReadyRequest(name="twice")).ready
        stub.RepositoryModelLoad(messages.RepositoryModelLoadRequest(**name))
        assert stub.ModelReady(messages.ModelReadyRequest(name="twice")).ready
        index = stub.RepositoryIndex(messages.RepositoryIndexRequest(ready=True)).models
        assert ("twice", "2", "READY") in [(model.name, model.version, model.state) for model in index]
        assert stub.ModelInfer(request("twice", ONE)).model_version == "2"
        stub.RepositoryModelUnload(messages.RepositoryModelUnloadRequest(**name))
        assert not stub.ModelReady(messages.ModelReadyRequest(name="twice")).ready
        nobody = messages.RepositoryModelLoadRequest(model_name="zork")
        assert ends_with(stub.RepositoryModelLoad, nobody) == Code.NOT_FOUND
        with_files = messages.RepositoryModelLoadRequest(**name)
        with_files.parameters["file:1/model.onnx"].bytes_param = b"\0"
        assert ends_with(stub.RepositoryModelLoad, with_files) == Code.INVALID_ARGUMENT
        elsewhere = messages.RepositoryIndexRequest(repository_name="other")
        assert ends_with(stub.RepositoryIndex, elsewhere) == Code.INVALID_ARGUMENT


def test_loading_needs_the_admin_token(serve_grpc: Any, protocol_models: Path) -> None:
    server = serve_grpc(
        "--models",
        str(protocol_models),
        "--model-control",
        "explicit",
        "--no-shipped-models",
        ACTSERVE_ADMIN_TOKEN="boss",
    )
    with channel_to(server.grpc_port) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        load = messages.RepositoryModelLoadRequest(model_name="twice")
        assert ends_with(stub.RepositoryModelLoad, load) == Code.UNAUTHENTICATED
        other = [("authorization", "Bearer other")]
        assert ends_with(stub.RepositoryModelLoad, load, metadata=other) == Code.PERMISSION_DENIED
        stub.RepositoryModelLoad(load, metadata=[("authorization", "Bearer boss")])
        assert stub.ModelInfer(request("twice", ONE)).outputs


def test_loading_where_control_is_off_is_refused(stub: Any) -> None:
    load = messages.RepositoryModelLoadRequest(model_name="twice")
    assert ends_with(stub.RepositoryModelLoad, load) in (
        Code.PERMISSION_DENIED,
        Code.UNAVAILABLE,
        Code.INVALID_ARGUMENT,
    )
