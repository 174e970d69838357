"""The floor: a raw ASGI application, the fastest parser and writer there are, and nothing else.

No validation, no limits, no metrics, no errors: what the parts alone can do in one Python process."""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnxruntime
import orjson
import simdjson
import uvicorn

Headers = Mapping[bytes, bytes]

options = onnxruntime.SessionOptions()
options.inter_op_num_threads = 1
options.intra_op_num_threads = len(os.sched_getaffinity(0))
options.add_session_config_entry("session.intra_op.allow_spinning", "0")
session = onnxruntime.InferenceSession(os.environ["BENCH_MODEL"], options)


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Each path takes one kind of body and answers in kind."""
    if scope["type"] != "http":
        return
    message = await receive()
    chunks = [message["body"]]
    while message.get("more_body"):
        message = await receive()
        chunks.append(message["body"])
    answer, headers = PATHS[scope["path"]](b"".join(chunks), dict(scope["headers"]))
    headers = [(b"content-length", str(len(answer)).encode()), *headers]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


def _json(body: bytes, _: Headers) -> Any:
    document: Any = simdjson.Parser().parse(body)
    scores = _run(_floats(document["instances"]))
    return orjson.dumps({"predictions": scores}, option=orjson.OPT_SERIALIZE_NUMPY), ()


def _raw(body: bytes, _: Headers) -> Any:
    return _run(np.frombuffer(body, np.float32)).tobytes(), ()


def _v2_json(body: bytes, _: Headers) -> Any:
    document: Any = simdjson.Parser().parse(body)
    scores = _run(_floats(document["inputs"][0]["data"]))
    return _document(scores.shape, {"data": scores.ravel()}), ()


def _v2_binary(body: bytes, headers: Headers) -> Any:
    end = int(headers[b"inference-header-content-length"])
    size = orjson.loads(body[:end])["inputs"][0]["parameters"]["binary_data_size"]
    scores = _run(np.frombuffer(body, np.float32, size // 4, end))
    head = _document(scores.shape, {"parameters": {"binary_data_size": scores.nbytes}})
    return head + scores.tobytes(), ((b"inference-header-content-length", str(len(head)).encode()),)


def _relu(body: bytes, _: Headers) -> Any:
    """A `.npy` file of float32, whose header the answer has, too: the header's length stands in its bytes 8 and 9."""
    start = 10 + int.from_bytes(body[8:10], "little")
    answer = bytearray(len(body))
    answer[:start] = body[:start]
    np.maximum(np.frombuffer(body, np.float32, offset=start), 0, out=np.frombuffer(answer, np.float32, offset=start))
    return answer, ()


PATHS = {"/predict": _json, "/raw": _raw, "/v2-json": _v2_json, "/v2-binary": _v2_binary, "/relu": _relu}


def _document(shape: tuple[int, ...], rest: Mapping[str, Any]) -> bytes:
    output = {"name": "probabilities", "datatype": "FP32", "shape": shape, **rest}
    return orjson.dumps({"model_name": "network", "outputs": [output]}, option=orjson.OPT_SERIALIZE_NUMPY)


def _floats(array: Any) -> Any:
    return np.frombuffer(array.as_buffer(of_type="d"), np.float64).astype(np.float32)


def _run(values: Any) -> Any:
    return session.run(["probabilities"], {"input": values.reshape(-1, 784)})[0]


if __name__ == "__main__":
    port = int(os.environ["BENCH_PORT"])
    uvicorn.run(app, host="127.0.0.1", port=port, loop="uvloop", http="httptools", access_log=False, lifespan="off")
