"""`POST /predict` and `POST /predict/{model}`: batch prediction in every format a body can have."""

from __future__ import annotations

from collections.abc import Mapping

from service import instances, predictions
from service.codecs import media
from service.engine import Engine, aside
from service.exchange import Request, Response, Route
from service.model import Model
from service.repository import Repository
from service.schemas import BINARY, described, ref


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
        request.timings.decoded()
        arrays = await self._engine.infer(request, model, model.session, batch.feeds, predictions.fetches(model))
        size = sum(array.nbytes for array in arrays)
        rows = request.rows if batch.count is None else batch.count
        return await aside(size, predictions.encode, model, arrays, rows, wanted, form, batch.is_columnar)


def routes(predict: Predict) -> list[Route]:
    """The two paths, with what `/docs` says about them."""
    return [
        Route("POST", "/predict", predict, documentation("the default model"), is_hot=True),
        Route("POST", "/predict/{model}", predict, documentation("a model by its name"), is_hot=True),
    ]


def documentation(which: str) -> dict[str, object]:
    """What `/docs` says about a path that predicts."""
    kinds = (media.NPY, media.RAW, media.PNG, media.JPEG)
    body = {media.JSON: {"schema": ref("Batch")}} | {kind: {"schema": BINARY} for kind in kinds}
    responses = described(ref("Predictions"), "The predictions.")
    responses["200"]["content"] |= {kind: {"schema": BINARY} for kind in (media.NPY, media.RAW)}
    return {
        "summary": f"Predict a batch with {which}",
        "tags": ["predict"],
        "parameters": [{"$ref": f"#/components/parameters/{name}"} for name in ("scores", "top_k", "version")],
        "requestBody": {"required": True, "content": body},
        "responses": responses,
    }
