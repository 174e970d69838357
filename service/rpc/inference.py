"""ModelInfer, and the same for one message of ModelStreamInfer."""

from __future__ import annotations

from service.codecs import protobuf
from service.codecs.open_inference import Call
from service.engine import Engine, aside
from service.errors import Unfit
from service.exchange import Request, Response
from service.inference import Answer, infer
from service.protos import grpc_service_pb2 as messages
from service.repository import Repository

SERVICE = "inference.GRPCInferenceService"
MEDIA_TYPE = "application/grpc"
FINAL = "triton_final_response"  # by which Triton's clients see that nothing more comes for a request


class Infer:
    """Inference with tensors by name."""

    def __init__(self, repository: Repository, engine: Engine) -> None:
        self._repository = repository
        self._engine = engine

    async def __call__(self, request: Request) -> Response:
        """A ModelInferRequest answered with a ModelInferResponse."""
        answer, call = await self._run(request)
        return await aside(_size(answer), _encode, answer, call)

    async def in_stream(self, request: Request) -> Response:
        """A ModelInferRequest answered with a ModelStreamInferResponse."""
        answer, call = await self._run(request)
        return await aside(_size(answer), _encode_in_stream, answer, call)

    async def _run(self, request: Request) -> tuple[Answer, Call]:
        message, call = await aside(len(request.body), protobuf.decode, request.body)
        request.timings.decoded()
        if not message.model_name:
            raise Unfit.at("model_name", "the name of a model", "nothing")
        request.model = model = self._repository.model(message.model_name, message.model_version or None)
        return await infer(self._engine, request, model, call), call


def _size(answer: Answer) -> int:
    return sum(array.nbytes for _, array in answer.outputs)


def _encode(answer: Answer, call: Call) -> Response:
    message = messages.ModelInferResponse()
    protobuf.encode(message, answer.model.name, answer.model.version, call.id, answer.outputs, answer.parameters)
    return Response(message.SerializeToString(), MEDIA_TYPE)


def _encode_in_stream(answer: Answer, call: Call) -> Response:
    message = messages.ModelStreamInferResponse()
    protobuf.encode(
        message.infer_response, answer.model.name, answer.model.version, call.id, answer.outputs, answer.parameters
    )
    message.infer_response.parameters[FINAL].bool_param = True
    return Response(message.SerializeToString(), MEDIA_TYPE)
