"""KServe's model server with a predictor of its v1 protocol; it has no server-side batching of its own."""

import os
from typing import Any

import kserve
import numpy as np
import onnxruntime


class Predictor(kserve.Model):
    """`instances` in, `predictions` out."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.load()

    def load(self) -> bool:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(os.environ["BENCH_MODEL"], options)
        self.ready = True
        return True

    def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        (scores,) = self.session.run(["probabilities"], {"input": np.array(payload["instances"], np.float32)})
        return {"predictions": scores.tolist()}


if __name__ == "__main__":
    port = int(os.environ["BENCH_PORT"])
    kserve.ModelServer(http_port=port, enable_grpc=False, enable_latency_logging=False).start([Predictor("network")])
