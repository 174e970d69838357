"""The floor: a raw ASGI application, the fastest parser and writer there are, and nothing else.

No validation, no limits, no metrics, no errors: what the parts alone can do in one Python process."""

import os
from typing import Any

import numpy as np
import onnxruntime
import orjson
import simdjson
import uvicorn

options = onnxruntime.SessionOptions()
options.inter_op_num_threads = 1
options.intra_op_num_threads = len(os.sched_getaffinity(0))
options.add_session_config_entry("session.intra_op.allow_spinning", "0")
session = onnxruntime.InferenceSession(os.environ["BENCH_MODEL"], options)


async def app(scope: Any, receive: Any, send: Any) -> None:
    """`/predict` takes JSON, `/raw` float32 values; each answers in kind."""
    if scope["type"] != "http":
        return
    message = await receive()
    chunks = [message["body"]]
    while message.get("more_body"):
        message = await receive()
        chunks.append(message["body"])
    body = b"".join(chunks)
    answer = _raw(body) if scope["path"] == "/raw" else _json(body)
    headers = [(b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


def _json(body: bytes) -> bytes:
    document: Any = simdjson.Parser().parse(body)
    numbers = np.frombuffer(document["instances"].as_buffer(of_type="d"), np.float64)
    scores = _run(numbers.astype(np.float32))
    return orjson.dumps({"predictions": scores}, option=orjson.OPT_SERIALIZE_NUMPY)


def _raw(body: bytes) -> bytes:
    answer: bytes = _run(np.frombuffer(body, np.float32)).tobytes()
    return answer


def _run(values: Any) -> Any:
    return session.run(["probabilities"], {"input": values.reshape(-1, 784)})[0]


if __name__ == "__main__":
    port = int(os.environ["BENCH_PORT"])
    uvicorn.run(app, host="127.0.0.1", port=port, loop="uvloop", http="httptools", access_log=False, lifespan="off")
