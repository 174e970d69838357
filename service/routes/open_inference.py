"""The Open Inference Protocol over HTTP: metadata, readiness and inference, for networks and activations alike."""

from __future__ import annotations

from typing import Any

from service import __version__
from service.codecs import media, raw
from service.codecs import open_inference as protocol
from service.codecs.open_inference import Call
from service.engine import Engine, aside
from service.errors import UnsupportedMedia
from service.exchange import Handler, Request, Response, Route, answer_json
from service.inference import Answer, infer
from service.model import Model
from service.repository import Repository
from service.tensors import TensorSpec

EXTENSIONS = ["binary_tensor_data", "classification"]
MODEL = "/v2/models/{model}"
VERSION = MODEL + "/versions/{version}"


class Infer:
    """Inference with tensors by name."""

    def __init__(self, repository: Repository, engine: Engine) -> None:
        self._repository = repository
        self._engine = engine

    async def __call__(self, request: Request) -> Response:
        """Computes the outputs asked for (all of them, when none is named) from the posted inputs."""
        model = _find(self._repository, request)
        call = await aside(len(request.body), _decode, model, request)
        request.timings.end("decode")
        answer = await infer(self._engine, request, model, call)
        size = sum(array.nbytes for _, array in answer.outputs)
        return await aside(size, _encode, answer, call)


def _decode(model: Model, request: Request) -> Call:
    length = protocol.header_length(request.headers)
    if length != 0:
        named = {"model_name": (model.name, request.path_parameters["model"]), "model_version": (model.version,)}
        return protocol.decode(request.body, length, named)
    if len(model.inputs) != 1:
        raise UnsupportedMedia(f"Model `{model.name}` has several inputs, so raw values do not say which they are.")
    return Call(None, {model.inputs[0].name: raw.read(request.body, model.inputs[0])}, None, binary=True)


def _encode(answer: Answer, call: Call) -> Response:
    head = {"model_name": answer.model.name, "model_version": answer.model.version}
    body, length = protocol.encode(head if call.id is None else head | {"id": call.id}, answer.outputs)
    if length is None:
        return Response(body)
    return Response(body, media.RAW, headers=(("Inference-Header-Content-Length", str(length)),))


def _find(repository: Repository, request: Request) -> Model:
    return repository.model(request.path_parameters["model"], request.path_parameters.get("version"))


def _tensor(spec: TensorSpec) -> dict[str, Any]:
    sizes = [-1] if spec.shape is None else [size if isinstance(size, int) else -1 for size in spec.shape]
    return {"name": spec.name, "datatype": spec.datatype.name, "shape": sizes}


def _model(repository: Repository) -> Handler:
    async def metadata(request: Request) -> Response:
        """Name, versions, inputs and outputs of a model."""
        model = _find(repository, request)
        content = {"name": model.name, "versions": repository.versions(model.name), "platform": "onnxruntime_onnx"}
        tensors = {"inputs": [*map(_tensor, model.inputs)], "outputs": [*map(_tensor, model.outputs)]}
        return answer_json(content | tensors)

    return metadata


def _ready(repository: Repository) -> Handler:
    async def ready(request: Request) -> Response:
        """200 when this model answers; 404 or 503 when it does not."""
        model = _find(repository, request)
        return answer_json({"name": model.name, "ready": True})

    return ready


async def _server(request: Request) -> Response:
    """Name, version and extensions of this server."""
    return answer_json({"name": "actserve", "version": __version__, "extensions": EXTENSIONS})


def routes(repository: Repository, engine: Engine) -> list[Route]:
    tags = {"tags": ["open inference protocol"]}
    documented = tags | {"requestBody": {"required": True, "content": {media.JSON: {"schema": {"type": "object"}}}}}
    infer, model, ready = Infer(repository, engine), _model(repository), _ready(repository)
    return [
        Route("GET", "/v2", _server, tags | {"summary": "Server metadata"}),
        Route("GET", "/v2/", _server, {"is_documented": False}),
        *(Route("GET", path, model, tags | {"summary": "Model metadata"}) for path in (MODEL, VERSION)),
        *(Route("GET", path + "/ready", ready, tags | {"summary": "Model readiness"}) for path in (MODEL, VERSION)),
        *(Route("POST", path + "/infer", infer, documented | {"summary": "Inference"}) for path in (MODEL, VERSION)),
    ]
