"""LitServe with batching and its fast queue; raw float32 on a route of its own, as bytes that FastAPI leaves alone."""

import os
from itertools import pairwise
from typing import Annotated, Any

import litserve
import numpy as np
import onnxruntime
from fastapi import Body, Response


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


class Raw(Predict):
    def decode_request(self, request: Annotated[bytes, Body(media_type="application/octet-stream")]) -> Any:
        return np.frombuffer(request, np.float32).reshape(-1, 784)

    def encode_response(self, output: Any) -> Any:
        return Response(output.tobytes(), media_type="application/octet-stream")


if __name__ == "__main__":
    routes = {"/predict": Predict, "/raw": Raw}
    apis = [api(api_path=path, max_batch_size=64, batch_timeout=0.001) for path, api in routes.items()]
    server = litserve.LitServer(apis, accelerator="cpu", devices=1, fast_queue=True)
    port = int(os.environ["BENCH_PORT"])
    server.run(host="127.0.0.1", port=port, log_level="warning", generate_client_file=False)
