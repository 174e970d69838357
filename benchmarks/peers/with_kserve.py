"""KServe's model server with a predictor of its v1 and v2 protocols; it has no server-side batching of its own."""

import os
from typing import Any

import kserve
import numpy as np
import onnxruntime


class Predictor(kserve.Model):
    """v1: `instances` in, `predictions` out. v2: one tensor in, one out, as JSON or binary as the caller asks."""

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
        if not isinstance(payload, kserve.InferRequest):
            return {"predictions": self.scores(np.array(payload["instances"], np.float32)).tolist()}
        scores = self.scores(payload.inputs[0].as_numpy())
        output = kserve.InferOutput("probabilities", list(scores.shape), "FP32", data=scores)
        return kserve.InferResponse(payload.id or "", self.name, [output], requested_outputs=payload.request_outputs)

    def scores(self, rows: Any) -> Any:
        return self.session.run(["probabilities"], {"input": rows})[0]


if __name__ == "__main__":
    port = int(os.environ["BENCH_PORT"])
    kserve.ModelServer(http_port=port, enable_grpc=False, enable_latency_logging=False).start([Predictor("network")])
