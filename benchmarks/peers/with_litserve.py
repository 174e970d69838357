"""LitServe with batching and its fast queue; bodies are parsed by the framework, so there is no raw one."""

import os
from itertools import pairwise
from typing import Any

import litserve
import numpy as np
import onnxruntime


class Predict(litserve.LitAPI):
    """A batch is the rows of its requests, and where each one's end."""

    def setup(self, device: str) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(os.environ["BENCH_MODEL"], options)

    # Without an annotation the body is plain `json`; with one FastAPI validates it by that type.
    def decode_request(self, request):  # type: ignore[no-untyped-def]
        return np.array(request["instances"], np.float32)

    def batch(self, inputs: list[Any]) -> Any:
        return np.concatenate(inputs), np.cumsum([0, *map(len, inputs)]).tolist()

    def predict(self, x: Any) -> Any:
        rows, ends = x
        return self.session.run(["probabilities"], {"input": rows})[0], ends

    def unbatch(self, output: Any) -> list[Any]:
        scores, ends = output
        return [scores[start:end] for start, end in pairwise(ends)]

    def encode_response(self, output: Any) -> Any:
        return {"predictions": output.tolist()}


if __name__ == "__main__":
    server = litserve.LitServer(
        Predict(max_batch_size=64, batch_timeout=0.001), accelerator="cpu", devices=1, fast_queue=True
    )
    port = int(os.environ["BENCH_PORT"])
    server.run(host="127.0.0.1", port=port, log_level="warning", generate_client_file=False)
