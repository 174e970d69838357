"""BentoML: a service with a typed input, and raw float32 as a body of bytes.

No adaptive batching: it gained nothing here, and cost much where it split requests of more rows than a batch."""

import os
from typing import Annotated, Any

import bentoml
import numpy as np
import numpy.typing as npt
import onnxruntime
from bentoml.validators import ContentType

Values = npt.NDArray[np.float32]


@bentoml.service(workers=1, logging={"access": {"enabled": False}}, metrics={"enabled": False})
class Network:
    """`async`, since a thread for each request costs more than the model does."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(os.environ["BENCH_MODEL"], options)

    @bentoml.api
    async def predict(self, instances: Values) -> Values:
        scores: Values = self.scores(instances)
        return scores

    @bentoml.api
    async def raw(self, body: bytes, /) -> Annotated[bytes, ContentType("application/octet-stream")]:
        answer: bytes = self.scores(np.frombuffer(body, np.float32).reshape(-1, 784)).tobytes()
        return answer

    def scores(self, rows: Any) -> Any:
        return self.session.run(["probabilities"], {"input": rows})[0]
