"""MLServer with a custom runtime: its protocol is v2; one process, no adaptive batching, which made it slower here."""

import asyncio
import os

import onnxruntime
from mlserver import MLModel, MLServer, ModelSettings, Settings
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Network(MLModel):
    """One tensor in, one out."""

    async def load(self) -> bool:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(os.environ["BENCH_MODEL"], options)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        rows = NumpyCodec.decode_input(payload.inputs[0])
        (scores,) = self.session.run(["probabilities"], {"input": rows})
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("probabilities", scores)])


if __name__ == "__main__":
    server = MLServer(
        Settings(
            host="127.0.0.1",
            http_port=int(os.environ["BENCH_PORT"]),
            grpc_port=0,
            metrics_endpoint=None,
            parallel_workers=0,
            debug=False,
        )
    )
    model = ModelSettings(name="network", implementation=Network)
    asyncio.run(server.start([model]))
