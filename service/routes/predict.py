"""`POST /predict` and `POST /predict/{model}`: batch prediction in every format a body can have."""

from __future__ import annotations

from service import instances, predictions
from service.codecs import media
from service.engine import Engine, aside
from service.exchange import Request, Response, Route
from service.model import Model
from service.repository import Repository


class Predict:
    """The handler behind both paths."""

    def __init__(self, repository: Repository, engine: Engine) -> None:
        self._repository = repository
        self._engine = engine

    async def __call__(self, request: Request) -> Response:
        """Predicts each instance of a batch."""
        query = request.query()
        form = predictions.form(query)
        model = self._repository.model(request.path_parameters.get("model", ""), query.get("version"))
        given = media.content_type(request.headers, instances.taken(model))
        wanted = media.accepted(request.headers, predictions.offered(model, given))
        return await self._answer(request, model, given, wanted, form)

    async def _answer(
        self, request: Request, model: Model, given: str, wanted: str, form: predictions.Form
    ) -> Response:
        feeds, columnar = await aside(len(request.body), instances.decode, model, given, request.body)
        request.timings.end("decode")
        arrays = await self._engine.infer(request, model, model.session, feeds, predictions.fetches(model))
        size = sum(array.nbytes for array in arrays)
        return await aside(size, predictions.encode, model, arrays, request.rows, wanted, form, columnar)


def routes(repository: Repository, engine: Engine) -> list[Route]:
    """The two paths, with what `/docs` says about them."""
    handler = Predict(repository, engine)
    return [
        Route("POST", "/predict", handler, _documentation("the default model")),
        Route("POST", "/predict/{model}", handler, _documentation("a model by its name")),
    ]


def _documentation(which: str) -> dict[str, object]:
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
    },
    "minProperties": 1,
    "maxProperties": 1,
}
