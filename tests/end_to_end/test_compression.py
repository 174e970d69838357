"""gzip and deflate over a real connection, with the client that speaks both."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from tritonclient import http as triton

UNDO = {"gzip": gzip.decompress, "deflate": zlib.decompress}


@pytest.fixture
def client(server: Any) -> Iterator[Any]:
    with triton.InferenceServerClient(f"127.0.0.1:{server.port}") as found:
        yield found


@pytest.mark.parametrize("request_encoding", [None, "gzip", "deflate"])
@pytest.mark.parametrize("response_encoding", [None, "gzip", "deflate"])
@pytest.mark.parametrize("binary", [True, False])
def test_triton_client_gets_the_same_bits_with_every_compression(
    client: Any, oracle: Any, rows: np.ndarray, request_encoding: str, response_encoding: str, binary: bool
) -> None:
    sent = triton.InferInput("input", list(rows.shape), "FP32")
    sent.set_data_from_numpy(rows, binary_data=binary)
    found = client.infer(
        "fashion_mnist",
        [sent],
        outputs=[triton.InferRequestedOutput("probabilities", binary_data=binary)],
        request_compression_algorithm=request_encoding,
        response_compression_algorithm=response_encoding,
    )
    expected = oracle("fashion_mnist", "probabilities", input=rows)
    assert found.as_numpy("probabilities").astype(np.float32).tobytes() == expected.tobytes()


@pytest.mark.parametrize("encoding", UNDO)
def test_head_tells_the_length_of_the_compressed_answer(server: Any, encoding: str) -> None:
    headers = {"Accept-Encoding": encoding}
    full = server.get("/activations", headers)
    assert UNDO[encoding](full.body) == server.get("/activations").body
    head = server.ask("HEAD", "/activations", None, headers)
    assert head.body == b""
    for name in ("content-length", "content-encoding", "vary"):
        assert head.headers[name] == full.headers[name]
    assert int(head.headers["content-length"]) == len(full.body)


def test_bomb_is_refused_and_costs_no_memory(serve: Any, wait_until: Any) -> None:
    server = serve("--max-body-bytes", str(2 << 20), measured=False)
    bomb = gzip.compress(b"\0" * (512 << 20))
    assert len(bomb) < 1 << 20
    before = server.status("VmHWM")
    answers = [server.post("/predict", bomb, Content_Encoding="gzip") for _ in range(5)]
    assert [answer.status for answer in answers] == [413] * 5
    assert "--max-body-bytes" in answers[0].json()["error"]
    assert server.status("VmHWM") - before < 64 << 10  # kB
    assert server.get("/health/ready").status == 200


def test_chunked_body_is_decompressed(server: Any) -> None:
    body = gzip.compress(json.dumps({"tensor": [-1, 2]}).encode())
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    found = server.exchange(
        b"POST /activate/relu HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
        b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks
    )
    assert found.startswith(b"HTTP/1.1 200 ")
    assert found.endswith(b'"tensor":[0.0,2.0]}')
