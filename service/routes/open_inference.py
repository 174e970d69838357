"""The Open Inference Protocol over HTTP: what there is, whether it is ready, what it has done, and inference, for
networks and activations alike."""

from __future__ import annotations

from service import introspection
from service.codecs import media
from service.codecs import open_inference as protocol
from service.codecs.open_inference import Call
from service.engine import Engine, aside
from service.errors import UnsupportedMedia
from service.exchange import Handler, Request, Response, Route, answer_json
from service.inference import Answer, infer
from service.introspection import Introspection
from service.model import Model
from service.repository import Repository

MODEL = "/v2/models/{model}"
VERSION = MODEL + "/versions/{version}"


class Infer:
    """Inference with tensors by name."""

    def __init__(self, repository: Repository, engine: Engine) -> None:
        self._repository = repository
        self._engine = engine

    async def __call__(self, request: Request) -> Response:
        """Computes the outputs asked for (all of them, when none is named) from the posted inputs."""
        request.model = model = _find(self._repository, request)
        call = await aside(len(request.body), _decode, model, request)
        request.timings.decoded()
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
    return protocol.decode_raw(request.body, model.inputs[0])


def _encode(answer: Answer, call: Call) -> Response:
    head: dict[str, object] = {"model_name": answer.model.name, "model_version": answer.model.version}
    head |= {} if call.id is None else {"id": call.id}
    head |= {"parameters": answer.parameters} if answer.parameters else {}
    body, length = protocol.encode(head, answer.outputs)
    if length is None:
        return Response(body)
    return Response(body, media.RAW, headers=(("Inference-Header-Content-Length", str(length)),))


def _find(repository: Repository, request: Request) -> Model:
    return repository.model(request.path_parameters["model"], request.path_parameters.get("version"))


def _model(repository: Repository, known: Introspection) -> Handler:
    async def metadata(request: Request) -> Response:
        """Name, versions, inputs and outputs of a model."""
        return answer_json(known.metadata(_find(repository, request)))

    return metadata


def _configuration(repository: Repository, known: Introspection) -> Handler:
    async def configuration(request: Request) -> Response:
        """The configuration that Triton would have for this model."""
        return answer_json(known.configuration(_find(repository, request)))

    return configuration


def _statistics(known: Introspection) -> Handler:
    async def statistics(request: Request) -> Response:
        """Requests, runs and where their time went since the model was loaded, over all workers."""
        path = request.path_parameters
        return answer_json(await known.statistics(path.get("model", ""), path.get("version")))

    return statistics


def _ready(repository: Repository) -> Handler:
    async def ready(request: Request) -> Response:
        """200 when this model answers; 404 or 503 when it does not."""
        model = _find(repository, request)
        return answer_json({"name": model.name, "ready": True})

    return ready


async def _server(request: Request) -> Response:
    """Name, version and extensions of this server."""
    return answer_json(introspection.server())


def routes(repository: Repository, engine: Engine, known: Introspection) -> list[Route]:
    """Each of the paths of a model with and without a version."""
    tags = {"tags": ["open inference protocol"]}
    documented = tags | {"requestBody": {"required": True, "content": {media.JSON: {"schema": {"type": "object"}}}}}
    statistics = _statistics(known)
    found = [
        Route("GET", "/v2", _server, tags | {"summary": "Server metadata"}),
        Route("GET", "/v2/", _server, {"is_documented": False}),
        Route("GET", "/v2/models/stats", statistics, tags | {"summary": "Statistics of all models"}),
    ]
    of_a_model = (
        ("GET", "", _model(repository, known), tags | {"summary": "Model metadata"}),
        ("GET", "/config", _configuration(repository, known), tags | {"summary": "Model configuration"}),
        ("GET", "/stats", statistics, tags | {"summary": "Model statistics"}),
        ("GET", "/ready", _ready(repository), tags | {"summary": "Model readiness"}),
        ("POST", "/infer", Infer(repository, engine), documented | {"summary": "Inference"}),
    )
    for method, path, handler, documentation in of_a_model:
        is_hot = path == "/infer"
        found += [Route(method, base + path, handler, documentation, is_hot) for base in (MODEL, VERSION)]
    return found
