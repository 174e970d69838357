"""What holds for every request: one shape of error, ids, tokens, limits, CORS, HEAD, and no path that passes by."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from service import framework
from service.app import assemble, create_app
from service.errors import ModelError, ServiceError
from service.settings import Settings, read

IsError = Callable[..., dict[str, Any]]
Start = Callable[..., TestClient]

GETS = ("/", "/docs", "/openapi.json", "/models", "/activations", "/metrics", "/health/live", "/health/ready")


@pytest.mark.parametrize("path", ["/nothing", "/predict/a/b", "/predict/", "/models/", "/v3", "/assets/x"])
def test_unknown_path_is_404(client: TestClient, is_error: IsError, path: str) -> None:
    is_error(client.get(path), 404)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/predict", "POST"),
        ("PUT", "/predict", "POST"),
        ("DELETE", "/models", "GET, HEAD"),
        ("POST", "/metrics", "GET, HEAD"),
        ("HEAD", "/predict", "POST"),
        ("OPTIONS", "/predict", "POST"),
    ],
)
def test_other_method_is_405_and_names_the_right_one(
    client: TestClient, is_error: IsError, method: str, path: str, allowed: str
) -> None:
    answer = client.request(method, path)
    assert answer.status_code == 405
    assert answer.headers["allow"] == allowed
    if method != "HEAD":
        assert allowed in is_error(answer, 405)["error"]


REQUESTS = [
    *(("GET", path) for path in GETS),
    ("HEAD", "/models"),
    ("HEAD", "/predict"),
    ("GET", "/models/digits"),
    ("GET", "/nothing"),
    ("GET", "/models/"),
    ("GET", "/predict"),
    ("DELETE", "/models"),
    ("OPTIONS", "/models"),
    ("POST", "/predict"),
]


def test_settings_of_cuda_reach_what_makes_sessions_and_joins_rows() -> None:
    said = {"cuda_tf32": True, "cuda_memory_limit_bytes": 1 << 30, "cuda_max_batch_size": 7}
    parts = assemble(read({"providers": "cpu", "max_batch_size": 3} | said))
    for name in ("relu", "fashion_mnist"):
        model = parts.repository.model(name)
        assert (model.runtime.tf32, model.runtime.device_bytes) == (True, 1 << 30)
        assert parts.scheduler.batch_size(model.session) == 3
        model.session.provider = "CUDAExecutionProvider"
        assert parts.scheduler.batch_size(model.session) == 7


def test_application_for_another_server_answers_as_that_of_ours() -> None:
    parts = assemble(read({"providers": "cpu", "cors_origin": "https://a.example"}))
    ours, other = TestClient(parts.app), TestClient(framework.application(parts.app))
    for method, path in REQUESTS:
        answers = [client.request(method, path) for client in (ours, other)]
        if path != "/metrics":  # has counted the first when the second asks
            assert answers[0].content == answers[1].content, (method, path)
        told = [
            {name: value for name, value in answer.headers.items() if name not in ("x-request-id", "server-timing")}
            for answer in answers
        ]
        assert told[0] == told[1] or path == "/metrics", (method, path)
        assert answers[0].status_code == answers[1].status_code, (method, path)


@pytest.mark.parametrize("path", GETS)
def test_head_is_answered_as_get(client: TestClient, path: str) -> None:
    head, get = client.head(path), client.get(path)
    assert head.status_code == get.status_code == 200
    assert head.headers["content-type"] == get.headers["content-type"]


@pytest.mark.parametrize("path", [*GETS, "/nothing"])
def test_every_answer_has_an_id_and_timings(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert len(answer.headers["x-request-id"]) == 32
    stages = dict(part.split(";dur=") for part in answer.headers["server-timing"].split(", "))
    assert stages.keys() == {"decode", "queue", "compute", "encode"}
    assert all(float(milliseconds) >= 0 for milliseconds in stages.values())


def test_timings_of_inference_are_measured(client: TestClient) -> None:
    answer = client.post("/predict", json={"instances": [[0] * 784]})
    stages = dict(part.split(";dur=") for part in answer.headers["server-timing"].split(", "))
    assert all(float(stages[name]) > 0 for name in ("decode", "compute", "encode"))


@pytest.mark.parametrize("sent", ["abc-123", "x" * 128, "a b"])
def test_id_is_echoed(client: TestClient, sent: str) -> None:
    for path in ("/models", "/nothing"):
        assert client.get(path, headers={"x-request-id": sent}).headers["x-request-id"] == sent


@pytest.mark.parametrize("sent", ["", "x" * 129, "a\tb", b"\xe9".decode("latin-1")])
def test_unusable_id_is_replaced(client: TestClient, sent: str) -> None:
    answer = client.get("/models", headers={"x-request-id": sent.encode("latin-1")})
    assert answer.headers["x-request-id"] != sent
    assert len(answer.headers["x-request-id"]) == 32


# --- tokens -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def guarded() -> Iterator[TestClient]:
    settings = read({"api_token": "s3cret", "providers": "cpu"})
    with TestClient(create_app(settings)) as found:
        yield found


@pytest.mark.parametrize("given", [None, "", "s3cret", "Basic s3cret", "Bearer", "Bearer "])
def test_missing_token_is_401(guarded: TestClient, is_error: IsError, given: str | None) -> None:
    headers = {} if given is None else {"authorization": given}
    answer = guarded.get("/models", headers=headers)
    is_error(answer, 401)
    assert answer.headers["www-authenticate"] == "Bearer"
    is_error(guarded.post("/predict", json={"instances": []}, headers=headers), 401)


@pytest.mark.parametrize("given", [b"Bearer wrong", b"Bearer s3cre", b"Bearer s3crets", b"Bearer \xff\xe9"])
def test_wrong_token_is_403(guarded: TestClient, is_error: IsError, given: bytes) -> None:
    is_error(guarded.get("/models", headers={"authorization": given}), 403)


def test_right_token_is_let_in(guarded: TestClient) -> None:
    for scheme in ("Bearer", "bearer", "BEARER"):
        assert guarded.get("/models", headers={"authorization": f"{scheme} s3cret"}).status_code == 200


def test_admin_token_opens_changes_alone_and_the_rest_too(start: Start, is_error: IsError) -> None:
    client = start(api_token="api", admin_token="admin", model_control="explicit")
    load, models = "/v2/repository/models/digits/load", "/models"
    is_error(client.post(load), 401)
    assert "admin" in is_error(client.post(load, headers={"authorization": "Bearer api"}), 403)["error"]
    assert client.post(load, headers={"authorization": "Bearer admin"}).status_code == 200
    for token in ("api", "admin"):
        assert client.get(models, headers={"authorization": f"Bearer {token}"}).status_code == 200
    is_error(client.get(models, headers={"authorization": "Bearer else"}), 403)


def test_admin_token_alone_guards_changes_alone(start: Start, is_error: IsError) -> None:
    client = start(admin_token="admin", model_control="explicit")
    assert client.get("/models").status_code == 200
    is_error(client.post("/v2/repository/models/digits/load"), 401)
    assert client.post("/v2/repository/index").status_code == 200


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/metrics", "/health/live", "/health/ready"])
def test_probes_and_pages_need_no_token(guarded: TestClient, path: str) -> None:
    assert guarded.get(path).status_code == 200


def test_body_of_a_refused_caller_is_not_read(guarded: TestClient) -> None:
    asyncio.run(_refused_unread(guarded))


async def _refused_unread(guarded: TestClient) -> None:
    sent: list[dict[str, Any]] = []
    reads = 0

    async def receive() -> dict[str, Any]:
        nonlocal reads
        reads += 1
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message | {"reads": reads})

    await guarded.app(scope("POST", "/predict", [(b"content-length", b"10")]), receive, send)
    assert sent[0]["status"] == 401
    assert sent[0]["reads"] == 0
    assert (b"connection", b"close") in sent[0]["headers"]


def scope(method: str, path: str, headers: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "state": {},
    }


# --- bodies -----------------------------------------------------------------------------------------------------------


def test_body_over_the_limit_is_413_by_its_declared_length(start: Start, is_error: IsError) -> None:
    client = start(max_body_bytes=100)
    body = is_error(client.post("/predict", content=b"x" * 101, headers={"content-type": "application/json"}), 413)
    assert "100" in body["error"]
    assert client.post("/activate/relu", content=b'{"tensor":1}'.ljust(100), headers=JSON).status_code == 200


JSON = {"content-type": "application/json"}


def test_body_over_the_limit_is_413_while_it_arrives(start: Start) -> None:
    client = start(max_body_bytes=100)
    taken: list[int] = []
    sent: list[Any] = []
    status_after: list[int] = []

    async def receive() -> dict[str, Any]:
        taken.append(60)
        return {"type": "http.request", "body": b"x" * 60, "more_body": len(taken) < 50}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            status_after.append(len(taken))
        sent.append(message)

    headers = [(b"content-type", b"application/json"), (b"transfer-encoding", b"chunked")]
    asyncio.run(client.app(scope("POST", "/predict", headers), receive, send))
    assert sent[0]["status"] == 413
    assert status_after == [2]
    assert sent[-1].get("more_body", False) is False


@pytest.mark.parametrize("declared", [b"abc", b"-1", b"1e3", b"\xb2", b""])
def test_content_length_that_is_no_number_is_400(client: TestClient, declared: bytes) -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(client.app(scope("POST", "/predict", [(b"content-length", declared)]), receive, send))
    assert sent[0]["status"] == 400


def test_caller_that_leaves_while_sending_is_not_answered(client: TestClient) -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/json"), (b"content-length", b"10")]
    asyncio.run(client.app(scope("POST", "/predict", headers), receive, send))
    assert sent == []


def test_chunked_body_is_put_together(client: TestClient) -> None:
    answer = client.post("/activate/relu", content=iter([b'{"ten', b'sor": ', b"-1}"]), headers=JSON)
    assert answer.json()["tensor"] == 0


def test_deadline_is_504(start: Start, is_error: IsError, folder: Any) -> None:
    client = start(models=folder, request_timeout_s=0.05)
    answer = client.post("/predict/loop", json={"inputs": {"times": 3_000_000, "start": 0}})
    assert "0.05 s" in is_error(answer, 504)["error"]
    assert client.post("/activate/relu", json={"tensor": -1}).status_code == 200


# --- faults -----------------------------------------------------------------------------------------------------------


def test_fault_of_ours_is_a_fixed_sentence_and_a_traceback_in_the_log(
    start: Start, is_error: IsError, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = start()
    monkeypatch.setattr("service.routes.predict.predictions.encode", lambda *given: 1 / 0)
    with caplog.at_level(logging.ERROR):
        answer = client.post("/predict", json={"instances": []}, headers={"x-request-id": "find-me"})
    body = is_error(answer, 500)
    assert "ZeroDivisionError" not in answer.text
    assert body["details"] == []
    found = [record for record in caplog.records if record.exc_info]
    assert found
    assert found[0].request_id == "find-me"  # type: ignore[attr-defined]


def test_every_error_has_a_status_of_the_contract_and_a_reason_of_its_own() -> None:
    classes = ServiceError.__subclasses__()
    statuses = {cls.status for cls in classes}
    assert statuses == {400, 401, 403, 404, 405, 406, 413, 415, 422, 429, 500, 501, 503, 504}
    assert len({cls.reason for cls in classes}) == len(classes)


def test_settings_that_ask_for_what_cannot_be_do_not_start(tmp_path: Any) -> None:
    with pytest.raises(ModelError, match="--models"):
        create_app(Settings(models=tmp_path / "nothing"))


# --- browsers ---------------------------------------------------------------------------------------------------------


def test_without_an_origin_there_are_no_cors_headers(client: TestClient) -> None:
    answer = client.get("/models", headers={"origin": "https://a.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_named_origin_may_read_every_answer_and_send_a_preflight(start: Start, is_error: IsError) -> None:
    client = start(cors_origin="https://a.example", api_token="s")
    answers = [
        client.get("/health/live"),
        client.get("/models"),
        client.get("/nothing"),
        client.options("/predict"),
        client.options("/models/fashion_mnist"),
    ]
    assert [answer.status_code for answer in answers] == [200, 401, 404, 204, 204]
    for answer in answers:
        assert answer.headers["access-control-allow-origin"] == "https://a.example"
        assert "X-Request-Id" in answer.headers["access-control-expose-headers"]
        assert answer.headers["vary"] == "Origin"
    assert "POST" in answers[3].headers["access-control-allow-methods"]
    assert "Authorization" in answers[3].headers["access-control-allow-headers"]
    is_error(client.options("/nothing"), 404)
    assert client.put("/predict").status_code == 405


def test_busy_queue_is_429_over_http(start: Start, is_error: IsError, folder: Any) -> None:
    client = start(models=folder, max_queue_rows=1, request_timeout_s=20)

    async def main() -> list[tuple[int, dict[bytes, bytes]]]:
        return await asyncio.gather(*(one() for _ in range(40)))

    async def one() -> tuple[int, dict[bytes, bytes]]:
        body = b'{"inputs": {"times": 20000, "start": 0}}'
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await client.app(scope("POST", "/predict/loop", headers), receive, send)
        return sent[0]["status"], dict(sent[0]["headers"])

    answers = asyncio.run(main())
    statuses = [status for status, _ in answers]
    assert set(statuses) == {200, 429}
    assert all(int(headers[b"retry-after"]) >= 1 for status, headers in answers if status == 429)
