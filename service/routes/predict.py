"""`POST /predict` and `POST /predict/{model}`: batch prediction in every format a body can have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

from service import instances, predictions
from service.codecs import json, media, raw
from service.engine import Engine
from service.exchange import Request, Response, Route
from service.model import Model
from service.plan import Inference, Inputs, Plan, Table
from service.predictions import PLAIN, Form
from service.repository import Repository
from service.schemas import BINARY, described, ref
from service.tensors import Array


class Predict(Inference):
    """Predicts each instance of a batch."""

    # Behind these paths and those of the platforms, some of whose clients send bodies without a type: `unnamed` is what
    # such a body is taken for.

    def __init__(self, repository: Repository, engine: Engine, unnamed: str | None = None) -> None:
        super().__init__(engine)
        self._repository = repository
        self._unnamed = unnamed

    def plan(self, request: Request) -> Plan:
        return Rows(self._repository, request, self._unnamed)


@dataclass(slots=True)
class Batch(Inputs):
    """Instances, and the form that their predictions are wanted in."""

    count: int | None
    is_columnar: bool
    form: Form


class Rows(Plan):
    """Instances in, predictions out."""

    def __init__(self, repository: Repository, request: Request, unnamed: str | None) -> None:
        super().__init__(repository, request.headers)
        self._query = request.query()
        self._asked = request.path_parameters.get("model", ""), self._query.get("version")
        request.model = self.model = self.find()
        self._given = media.content_type(request.headers, instances.taken(self.model), unnamed)
        self._wanted = media.accepted(request.headers, predictions.offered(self.model, self._given))
        self._fetches = predictions.fetches(self.model)
        self._plain = instances.plain_input(self.model) if self._given == media.JSON and not self._query else None
        self._columns = 0 if self._plain is None else prod(self._plain.row_shape or ())
        self.is_stackable = self._plain is not None and self.model.metadata.joinable
        if self._given == media.RAW and self.model.metadata.joinable and not self._query:
            self.row_bytes = self.model.inputs[0].row_bytes

    def find(self) -> Model:
        return self.repository.model(*self._asked)

    def decode(self, body: bytes) -> Batch:
        if self._plain is not None:
            return json.understood(body, self._from_document)
        if self.row_bytes is not None:
            (spec,) = self.model.inputs
            return self._batch({spec.name: raw.read(body, spec)})
        return self._formed(instances.decode(self.model, self._given, body))

    def _from_document(self, document: json.Document) -> Batch:
        numbers = document.matrix("instances", self._columns)
        if numbers is not None:
            return self._read(numbers)
        return self._formed(instances.from_document(self.model, document))

    def _formed(self, found: instances.Batch) -> Batch:
        form = predictions.form(self._query, found.parameters)
        return Batch(self.model.session, found.feeds, self._fetches, None, found.count, found.is_columnar, form)

    def table(self, body: bytes) -> Table | None:
        numbers = json.matrix(body, "instances", self._columns)
        return None if numbers is None else Table(numbers, self._read)

    def _read(self, rows: Array) -> Batch:
        assert self._plain is not None
        return self._batch(instances.from_rows(self._plain, rows))

    def _batch(self, feeds: Mapping[str, Array]) -> Batch:
        return Batch(self.model.session, feeds, self._fetches, None, None, False, PLAIN)

    def encode(self, inputs: Inputs, arrays: Sequence[Array], rows: int) -> Response:
        assert isinstance(inputs, Batch)
        count = rows if inputs.count is None else inputs.count
        return predictions.encode(self.model, arrays, count, self._wanted, inputs.form, inputs.is_columnar)

    def encode_each(self, inputs: Sequence[Inputs], arrays: Sequence[Array], rows: Sequence[int]) -> Sequence[Response]:
        if self._wanted == media.RAW:
            return predictions.encode_values(arrays[0], rows)
        forms = {one.form for one in inputs if isinstance(one, Batch)}
        if self._wanted == media.JSON and len(forms) == 1 and predictions.are_classes(self.model, arrays):
            return predictions.encode_classes(self.model, arrays[0], rows, forms.pop())
        return super().encode_each(inputs, arrays, rows)


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
