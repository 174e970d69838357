"""`POST /diagnose` and `POST /diagnose/{model}`: what the activations inside a model do with a batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service import instances
from service.codecs import elements, media
from service.diagnosis.diagnosis import MOST_BY_ROW, counted
from service.diagnosis.examiner import Case, Examiner
from service.diagnosis.report import BINS, MAX_BINS
from service.diagnosis.schema import DIAGNOSIS
from service.engine import aside
from service.errors import Unfit
from service.exchange import Request, Response, Route
from service.predictions import BOOLEANS
from service.repository import Repository
from service.schemas import BINARY, described, ref

BY_ROW = f"adds the values of each unit for each row to each layer, up to {MOST_BY_ROW} of them"


class Diagnose:
    """Decodes as `/predict` does, and hands the batch to the examiner instead of the scheduler."""

    def __init__(self, repository: Repository, examiner: Examiner) -> None:
        self._repository = repository
        self._examiner = examiner

    async def __call__(self, request: Request) -> Response:
        """Runs a batch through a model and reports on each activation inside it: dead and saturated units, zeros,
        slopes, ranges, what is not finite; and what that means."""
        query = request.query()
        model = self._repository.model(request.path_parameters.get("model", ""), query.get("version"))
        given = media.content_type(request.headers, instances.taken(model))
        media.accepted(request.headers, (media.JSON,))
        batch = await aside(len(request.body), instances.decode, model, given, request.body)
        bins, by_row = _bins(query, batch.parameters), _by_row(query)
        rows = counted(model, batch.feeds)
        request.timings.decoded()
        body, result = await self._examiner.examine(Case(model, batch.feeds, rows, bins, by_row))
        request.timings.took(result)
        return Response(body)


def _bins(query: Mapping[str, str], parameters: Mapping[str, Any]) -> int:
    """From the query or from the body's `parameters`."""
    for place, names in (("query", query.keys() - {"version", "by_row"}), ("parameters", parameters.keys())):
        for name in names - {"bins"}:
            raise Unfit.at(f"{place}.{name[:60]}", "`bins`", "an unknown name")
    if "bins" in query and "bins" in parameters:
        raise Unfit.at("query.bins", "each parameter once", "it in the body as well")
    text = query.get("bins", "")
    value = int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else text or parameters.get("bins", BINS)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= MAX_BINS or value % 1:
        where = "query" if text else "parameters"
        raise Unfit.at(f"{where}.bins", f"a whole number from 1 to {MAX_BINS}", text[:40] or elements.kind(value))
    return int(value)


def _by_row(query: Mapping[str, str]) -> bool:
    text = query.get("by_row", "false").lower()
    if text not in BOOLEANS:
        raise Unfit.at("query.by_row", "true or false", text[:40])
    return BOOLEANS[text]


def routes(repository: Repository, examiner: Examiner) -> list[Route]:
    """The two paths, with what `/docs` says about them."""
    diagnose = Diagnose(repository, examiner)
    return [
        Route("POST", "/diagnose", diagnose, _documentation("the default model")),
        Route("POST", "/diagnose/{model}", diagnose, _documentation("a model by its name")),
    ]


def _documentation(which: str) -> dict[str, object]:
    kinds = (media.NPY, media.RAW, media.PNG, media.JPEG)
    bins = {"type": "integer", "minimum": 1, "maximum": MAX_BINS, "default": BINS}
    return {
        "summary": f"Report on the activations inside {which}",
        "tags": ["diagnose"],
        "parameters": [
            {"name": "bins", "in": "query", "schema": bins, "description": "bars of each histogram, at most"},
            {"name": "by_row", "in": "query", "schema": {"type": "boolean", "default": False}, "description": BY_ROW},
            {"$ref": "#/components/parameters/version"},
        ],
        "requestBody": {
            "required": True,
            "content": {media.JSON: {"schema": ref("Batch")}} | {kind: {"schema": BINARY} for kind in kinds},
        },
        "responses": described(DIAGNOSIS, "Each activation in execution order, and what is found."),
    }
