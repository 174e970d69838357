"""What holds for every route: bodies are decompressed, answers compressed."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

PLAIN = {"accept-encoding": "identity"}
ENCODERS = {"gzip": gzip.compress, "deflate": zlib.compress}


def post(client: TestClient, path: str, body: bytes, **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(path, content=body, headers={"content-type": "application/json"} | PLAIN | named)


@pytest.mark.parametrize("encoding", ENCODERS)
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/predict/same_fp32", {"instances": [[1, 2]]}),
        ("/activate/relu", {"tensor": [-1, 2]}),
        ("/activate/relu/gradient", {"tensor": [-1, 2]}),
        (
            "/v2/models/same_fp32/infer",
            {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}]},
        ),
    ],
)
def test_compressed_body_is_answered_as_the_plain_one(client: TestClient, encoding: str, path: str, body: Any) -> None:
    sent = json.dumps(body).encode()
    expected = post(client, path, sent)
    assert expected.status_code == 200
    found = post(client, path, ENCODERS[encoding](sent), content_encoding=encoding)
    assert (found.status_code, found.content) == (200, expected.content)


def test_limit_holds_for_the_compressed_and_for_the_decompressed_body(
    start: Callable[..., TestClient], is_error: Any
) -> None:
    client = start(max_body_bytes=1000)
    small = gzip.compress(b'{"tensor": [' + b"0," * 480 + b"0]}")
    assert post(client, "/activate/relu", small, content_encoding="gzip").status_code == 200
    bomb = gzip.compress(b'{"tensor": [' + b"0," * 500 + b"0]}")
    assert len(bomb) < 100
    is_error(post(client, "/activate/relu", bomb, content_encoding="gzip"), 413)
    is_error(post(client, "/activate/relu", bytes(1001), content_encoding="gzip"), 413)


def test_large_bodies_pass_and_larger_ones_do_not(start: Callable[..., TestClient], is_error: Any) -> None:
    client = start(max_body_bytes=2 << 20)  # beyond what is inflated in place
    for count, status in (((1 << 20) - 100, 200), ((1 << 20) + 100, 413)):
        body = gzip.compress(b'{"tensor": [' + b"0," * count + b"0]}")
        assert post(client, "/activate/relu", body, content_encoding="gzip").status_code == status


@pytest.mark.parametrize("path", ["/predict", "/activate/relu", "/v2/models/relu/infer", "/nothing", "/v2"])
def test_unknown_encoding_is_415_everywhere_and_says_which_are_known(
    client: TestClient, is_error: Any, path: str
) -> None:
    answer = post(client, path, b"{}", content_encoding="br")
    is_error(answer, 415)
    assert answer.headers["accept-encoding"] == "gzip, deflate"


@pytest.mark.parametrize("body", [b"{}", gzip.compress(b"{}")[:-1], gzip.compress(b"{}") + b"x"])
def test_body_that_is_not_what_it_says_is_400(client: TestClient, is_error: Any, body: bytes) -> None:
    is_error(post(client, "/predict", body, content_encoding="gzip"), 400)


def test_no_body_needs_no_decompressing(client: TestClient, is_error: Any) -> None:
    assert client.get("/models", headers={"content-encoding": "gzip"}).status_code == 200
    assert "JSON" in is_error(post(client, "/predict", b"", content_encoding="gzip"), 400)["error"]


@pytest.mark.parametrize("encoding", ENCODERS)
@pytest.mark.parametrize("path", ["/models", "/metrics", "/assets/swagger-ui.css", "/activations/elu/curve"])
def test_answer_is_compressed_where_that_is_accepted(client: TestClient, encoding: str, path: str) -> None:
    with client.stream("GET", path, headers={"accept-encoding": encoding}) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == encoding
    assert answer.headers["vary"] == "Accept-Encoding"
    assert int(answer.headers["content-length"]) == len(raw)
    plain = client.get(path, headers=PLAIN)
    assert "content-encoding" not in plain.headers
    assert plain.headers["vary"] == "Accept-Encoding"
    if path != "/metrics":  # which counts this very request
        assert zlib.decompress(raw, 47) == plain.content
    assert len(raw) < len(plain.content)


def test_small_answers_and_errors_are_left_as_they_are(client: TestClient, is_error: Any) -> None:
    for path in ("/health/live", "/v2"):
        answer = client.get(path, headers={"accept-encoding": "gzip"})
        assert answer.status_code == 200
        assert not {"content-encoding", "vary"} & answer.headers.keys()
    missing = client.get("/models/" + "x" * 2000, headers={"accept-encoding": "gzip"})
    is_error(missing, 404)
    assert "content-encoding" not in missing.headers


def test_length_of_the_json_part_is_that_of_the_uncompressed_answer(client: TestClient) -> None:
    rows = np.zeros((500, 2), np.float32)
    head = {
        "inputs": [
            {"name": "x", "datatype": "FP32", "shape": [500, 2], "parameters": {"binary_data_size": rows.nbytes}}
        ],
        "parameters": {"binary_data_output": True},
    }
    text = json.dumps(head).encode()
    answer = post(
        client,
        "/v2/models/same_fp32/infer",
        gzip.compress(text + rows.tobytes()),
        content_encoding="gzip",
        accept_encoding="deflate",
        inference_header_content_length=str(len(text)),
    )
    assert answer.status_code == 200
    assert answer.headers["content-encoding"] == "deflate"
    assert answer.content[int(answer.headers["inference-header-content-length"]) :] == rows.tobytes()
