"""`POST /predict` and `POST /predict/{model}`: batch prediction in every format a body can have."""

from __future__ import annotations

from collections.abc import Mapping

from service import instances, predictions
from service.codecs import media
from service.engine import Engine, aside
from service.exchange import Request, Response, Route
from service.model import Model
from service.repository import Repository


class Predict:
    """The handler behind these paths and those of the platforms; `unnamed` is what a body without a type of its own is
    taken for, where a platform's clients send such."""

    def __init__(self, repository: Repository, engine: Engine, unnamed: str | None = None) -> None:
        self._repository = repository
        self._engine = engine
        self._unnamed = unnamed

    async def __call__(self, request: Request) -> Response:
        """Predicts each instance of a batch."""
        query = request.query()
        name, version = request.path_parameters.get("model", ""), query.get("version")
        request.model = model = self._repository.model(name, version)
        given = media.content_type(request.headers, instances.taken(model), self._unnamed)
        wanted = media.accepted(request.headers, predictions.offered(model, given))
        return await self._answer(request, model, given, wanted, query)

    async def _answer(
        self, request: Request, model: Model, given: str, wanted: str, query: Mapping[str, str]
    ) -> Response:
        batch = await aside(len(request.body), instances.decode, model, given, request.body)
        form = predictions.form(query, batch.parameters)
        request.timings.end("decode")
        arrays = await self._engine.infer(request, model, model.session, batch.feeds, predictions.fetches(model))
        size = sum(array.nbytes for array in arrays)
        return await aside(size, predictions.encode, model, arrays, request.rows, wanted, form, batch.is_columnar)


def routes(predict: Predict) -> list[Route]:
    """The two paths, with what `/docs` says about them."""
    return [
        Route("POST", "/predict", predict, documentation("the default model")),
        Route("POST", "/predict/{model}", predict, documentation("a model by its name")),
    ]


def documentation(which: str) -> dict[str, object]:
    """What `/docs` says about a path that predicts."""
    binary = {"schema": {"type": "string", "format": "binary"}}
    return {
        "summary": f"Predict a batch with {which}",
        "tags": ["predict"],
        "parameters": [
            _parameter("scores", "boolean", "false leaves the scores of all classes out"),
            _parameter("top_k", "integer", "lists the best k classes of each instance"),
            _parameter("version", "string", "a version other than the newest"),
        ],
        "requestBody": {
            "required": True,
            "content": {
                media.JSON: {"schema": _BODY},
                media.NPY: binary,
                media.RAW: binary,
                media.PNG: binary,
                media.JPEG: binary,
            },
        },
    }


def _parameter(name: str, kind: str, description: str) -> dict[str, object]:
    return {"name": name, "in": "query", "required": False, "schema": {"type": kind}, "description": description}


_BODY = {
    "type": "object",
    "description": "`instances` has one element for each row, flat or shaped; `inputs` is the columnar form.",
    "properties": {
        "instances": {"type": "array", "items": {}},
        "inputs": {"description": "one tensor, or an object of tensors by input name"},
        "parameters": {
            "type": "object",
            "description": "the same as in the query, where a platform cannot send one",
            "properties": {"scores": {"type": "boolean"}, "top_k": {"type": "integer", "minimum": 0}},
            "additionalProperties": False,
        },
        "signature_name": {"const": "serving_default", "description": "what clients of TensorFlow Serving may send"},
    },
    "oneOf": [{"required": ["instances"]}, {"required": ["inputs"]}],
    "additionalProperties": False,
}
