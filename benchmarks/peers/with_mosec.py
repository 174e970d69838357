"""mosec: a Rust front that may batch, Python workers behind it, JSON by orjson, raw float32 on a route of its own."""

import os
from itertools import pairwise
from typing import Any

import numpy as np
import onnxruntime
import orjson
from mosec import Runtime, Server, Worker

MAX_BATCH_SIZE = int(os.environ["BENCH_BATCH"])  # 1 is no batching
SHORTEST_WAIT_MS = 1


class Json(Worker):
    """A batch is a list of requests, each with rows of its own; without batching it is one request's rows."""

    def __init__(self) -> None:
        super().__init__()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(os.environ["BENCH_MODEL"], options)

    def deserialize(self, data: bytes) -> Any:
        return np.array(orjson.loads(data)["instances"], np.float32)

    def forward(self, data: Any) -> Any:
        if MAX_BATCH_SIZE == 1:
            return self.scores(data)
        scores = self.scores(np.concatenate(data))
        ends = np.cumsum([0, *map(len, data)]).tolist()
        return [scores[start:end] for start, end in pairwise(ends)]

    def scores(self, rows: Any) -> Any:
        return self.session.run(["probabilities"], {"input": rows})[0]

    def serialize(self, data: Any) -> bytes:
        return orjson.dumps({"predictions": data}, option=orjson.OPT_SERIALIZE_NUMPY)


class Raw(Json):
    resp_mime_type = "application/octet-stream"

    def deserialize(self, data: bytes) -> Any:
        return np.frombuffer(data, np.float32).reshape(-1, 784)

    def serialize(self, data: Any) -> bytes:
        answer: bytes = data.tobytes()
        return answer


if __name__ == "__main__":
    workers = int(os.environ["BENCH_WORKERS"])
    server = Server()
    server.register_runtime(
        {
            route: [Runtime(worker, num=workers, max_batch_size=MAX_BATCH_SIZE, max_wait_time=SHORTEST_WAIT_MS)]
            for route, worker in (("/predict", Json), ("/raw", Raw))
        }
    )
    server.run()
