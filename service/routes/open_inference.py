"""The Open Inference Protocol over HTTP: what there is, whether it is ready, what it has done, and inference, for
networks and activations alike."""

from __future__ import annotations

from collections.abc import Sequence

from service import introspection
from service.codecs import json, media
from service.codecs import open_inference as protocol
from service.codecs.open_inference import Call
from service.engine import ASIDE_BYTES, Engine
from service.errors import UnsupportedMedia
from service.exchange import Handler, Request, Response, Route, answer_json, answer_pieces
from service.inference import Asked, asked, shown
from service.introspection import Introspection
from service.model import Model
from service.plan import Inference, Inputs, Plan, Table
from service.repository import Repository
from service.template import templates
from service.tensors import Array

MODEL = "/v2/models/{model}"
VERSION = MODEL + "/versions/{version}"


class Infer(Inference):
    """Computes the outputs asked for (all of them, when none is named) from the posted inputs."""

    def __init__(self, repository: Repository, engine: Engine) -> None:
        super().__init__(engine)
        self._repository = repository

    def plan(self, request: Request) -> Plan:
        return Tensors(self._repository, request)


class Tensors(Plan):
    """Tensors by name."""

    def __init__(self, repository: Repository, request: Request) -> None:
        super().__init__(repository, request.headers)
        self._asked = request.path_parameters["model"], request.path_parameters.get("version")
        request.model = self.model = self.find()
        self._header_length = protocol.header_length(request.headers)
        self._named = {"model_name": (self.model.name, self._asked[0]), "model_version": (self.model.version,)}
        self._templates = templates(self.model, self._header_length)
        self.is_stackable = self._templates.can_be

    def find(self) -> Model:
        return self.repository.model(*self._asked)

    def table(self, body: bytes) -> Table | None:
        return self._templates.table(body)

    def decode(self, body: bytes) -> Asked:
        found = self._read(body)
        if len(body) > ASIDE_BYTES:  # which never shares a turn with others
            return found
        return self._templates.learn(body, found, self._read)

    def _read(self, body: bytes) -> Asked:
        return asked(self.model, self._call(body))

    def _call(self, body: bytes) -> Call:
        if self._header_length != 0:
            return protocol.decode(body, self._header_length, self._named)
        if len(self.model.inputs) != 1:
            raise UnsupportedMedia(
                f"Model `{self.model.name}` has several inputs, so raw values do not say which they are."
            )
        return protocol.decode_raw(body, self.model.inputs[0])

    def encode(self, inputs: Inputs, arrays: Sequence[Array], rows: int) -> Response:
        assert isinstance(inputs, Asked)
        pieces, length = (inputs.form and inputs.form.answer(arrays)) or self._written(inputs, arrays)
        if length is None:
            return answer_pieces(pieces, media.JSON)
        return answer_pieces(pieces, media.RAW, (("Inference-Header-Content-Length", str(length)),))

    def _written(self, inputs: Asked, arrays: Sequence[Array]) -> tuple[list[bytes | memoryview], int | None]:
        answer = shown(self.model, inputs, arrays)
        head: dict[str, object] = {"model_name": self.model.name, "model_version": self.model.version}
        head |= {} if inputs.call.id is None else {"id": inputs.call.id}
        head |= {"parameters": answer.parameters} if answer.parameters else {}
        if inputs.form is not None:
            inputs.form.learn(arrays, bytes(protocol.encode(head, answer.outputs, json.gap)[0][0]))
        return protocol.encode(head, answer.outputs)

    def effort(self, inputs: Inputs, arrays: Sequence[Array]) -> int:
        assert isinstance(inputs, Asked)
        return inputs.effort(arrays)


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
        found += [Route(method, base + path, handler, documentation, is_hot=is_hot) for base in (MODEL, VERSION)]
    return found
