"""`POST /activate/{name}` and its gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from service import activation
from service.codecs import json, media, npy
from service.engine import Engine
from service.errors import Unfit
from service.exchange import Request, Response, Route, answer_json, answer_pieces
from service.model import Model
from service.plan import Inference, Inputs, Plan
from service.repository import Repository
from service.session import Session
from service.tensors import BY_DTYPE, Array

MEMBERS = {"tensor", "parameters", "datatype", "grad_output"}


class Activate(Inference):
    """Applies one activation to the posted tensor."""

    def __init__(self, repository: Repository, engine: Engine) -> None:
        super().__init__(engine)
        self._repository = repository

    def plan(self, request: Request) -> Plan:
        query = activation.from_query(request.query())
        return Tensor(self._repository, request, query, "y")


class Gradient(Activate):
    """The vector-Jacobian product with `grad_output`, as torch.autograd.grad gives; `wrt` names a parameter instead of
    the tensor."""

    def plan(self, request: Request) -> Plan:
        query = activation.from_query(request.query())
        return Tensor(self._repository, request, query, f"grad_{query.pop('wrt', 'x')}")


class Tensor(Plan):
    """One tensor in, another out."""

    def __init__(self, repository: Repository, request: Request, query: dict[str, Any], output: str) -> None:
        super().__init__(repository, request.headers)
        self._name = request.path_parameters["name"]
        request.model = self.model = self.find()
        self._given = media.content_type(request.headers, (media.JSON, media.NPY))
        other = media.JSON if self._given == media.NPY else media.NPY
        self._wanted = media.accepted(request.headers, (self._given, other))
        self._query = query
        self._output = output
        self._check_output()

    def _check_output(self) -> None:
        found = [name.removeprefix("grad_") for name in self.model.output_names if name.startswith("grad_")]
        wrt = self._output.removeprefix("grad_")
        if self._output != "y" and wrt not in found:
            raise Unfit.at("query.wrt", f"one of {', '.join(found)}", wrt[:40])

    def find(self) -> Model:
        return self.repository.activation(self._name)

    def decode(self, body: bytes) -> Inputs:
        session, feeds = DECODERS[self._given](self.model, body, dict(self._query))
        return Inputs(session, feeds, (self._output,), None)

    def encode(self, inputs: Inputs, arrays: Sequence[Array], rows: int) -> Response:
        (array,) = arrays
        if self._wanted == media.NPY:
            return answer_pieces(npy.write(array), media.NPY)
        wrt = {} if self._output == "y" else {"wrt": self._output.removeprefix("grad_")}
        shape = {"datatype": BY_DTYPE[array.dtype].name, "shape": list(array.shape)}
        return answer_json({"activation": self.model.name} | wrt | shape | {"tensor": json.fragment(array)})


Feeds = tuple[Session, dict[str, Array]]


def _from_json(model: Model, body: bytes, query: dict[str, Any]) -> Feeds:
    return json.understood(body, lambda document: _from_document(model, document, dict(query)))


def _from_document(model: Model, document: json.Document, query: dict[str, Any]) -> Feeds:
    for name in document.fields.keys() - MEMBERS:
        raise Unfit.at(name[:60], "one of " + ", ".join(f"`{member}`" for member in sorted(MEMBERS)), "an unknown name")
    if "tensor" not in document.fields:
        raise Unfit.at("tensor", "a number or nested arrays of numbers", "nothing")
    datatype = activation.datatype(document.fields.get("datatype", query.pop("datatype", "FP32")))
    session = model.in_datatype(datatype)
    x = document.tensor(document.fields["tensor"], datatype, "tensor")
    feeds = activation.feeds(model, session, _given(document, query), x.shape)
    shape = activation.output_shape(model, x.shape, feeds)
    if "grad_output" in document.fields:
        feeds["grad_output"] = _same_shape(
            document.tensor(document.fields["grad_output"], datatype, "grad_output"), shape
        )
    return session, feeds | {"x": x}


def _from_npy(model: Model, body: bytes, query: dict[str, Any]) -> Feeds:
    x = npy.read(body)
    datatype = BY_DTYPE[x.dtype]
    if not datatype.is_float:
        raise Unfit.at("body", "FP16, BF16, FP32 or FP64", datatype.name)
    if query.pop("datatype", datatype.name) != datatype.name:
        raise Unfit.at("query.datatype", f"{datatype.name}, which the file has", "another one")
    session = model.in_datatype(datatype)
    feeds = activation.feeds(model, session, query, x.shape)
    activation.output_shape(model, x.shape, feeds)
    return session, feeds | {"x": x}


DECODERS = {media.JSON: _from_json, media.NPY: _from_npy}


def _given(document: json.Document, query: dict[str, Any]) -> dict[str, Any]:
    members = json.members(document.fields.get("parameters", {}))
    if members is None:
        raise Unfit.at("parameters", "an object of parameters by name", "something else")
    for name in members.keys() & query.keys():
        raise Unfit.at(f"query.{name}", "each parameter once", "it in the body as well")
    return query | members


def _same_shape(grad_output: Array, shape: tuple[int, ...]) -> Array:
    if grad_output.shape != shape:
        raise Unfit.at(
            "grad_output", f"the shape of the activation's output, {list(shape)}", str(list(grad_output.shape))
        )
    return grad_output


def routes(repository: Repository, engine: Engine) -> list[Route]:
    """The verb and its gradient."""
    summary = "Its gradient: the vector-Jacobian product with `grad_output` (default ones)"
    activate, gradient = Activate(repository, engine), Gradient(repository, engine)
    return [
        Route("POST", "/activate/{name}", activate, _documentation("Apply an activation"), is_hot=True),
        Route("POST", "/activate/{name}/gradient", gradient, _documentation(summary), is_hot=True),
    ]


def _documentation(summary: str) -> dict[str, object]:
    return {
        "summary": summary,
        "tags": ["activate"],
        "requestBody": {
            "required": True,
            "content": {
                media.JSON: {"schema": _BODY, "example": {"tensor": [[-1, 2]]}},
                media.NPY: {"schema": {"type": "string", "format": "binary"}},
            },
        },
    }


_BODY = {
    "type": "object",
    "required": ["tensor"],
    "additionalProperties": False,
    "properties": {
        "tensor": {"description": "a number, or nested arrays of numbers of any rank"},
        "parameters": {"type": "object", "description": "by the names of torch.nn.functional; see `GET /activations`"},
        "datatype": {"enum": ["FP16", "BF16", "FP32", "FP64"], "default": "FP32"},
        "grad_output": {"description": "for the gradient: as `tensor`, in the shape of the output"},
    },
}
