"""`POST /activate/{name}` and its gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from service import activation
from service.codecs import json, media, npy
from service.engine import Engine, aside
from service.errors import Unfit
from service.exchange import Request, Response, Route, answer_json
from service.model import Model
from service.repository import Repository
from service.session import Session
from service.tensors import BY_DTYPE, Array

MEMBERS = {"tensor", "parameters", "datatype", "grad_output"}


@dataclass(slots=True)
class Input:
    """A tensor, the session of its datatype, and the arrays that go with it."""

    session: Session
    x: Array
    feeds: dict[str, Array]


class Activate:
    """Runs the output `y` of an activation's graph."""

    def __init__(self, repository: Repository, engine: Engine) -> None:
        self._repository = repository
        self._engine = engine

    async def __call__(self, request: Request) -> Response:
        """Applies one activation to the posted tensor."""
        request.model = model = self._repository.activation(request.path_parameters["name"])
        given = media.content_type(request.headers, (media.JSON, media.NPY))
        wanted = media.accepted(request.headers, (given, media.JSON if given == media.NPY else media.NPY))
        query = activation.from_query(request.query())
        output = self._output(model, query)
        found = await aside(len(request.body), DECODERS[given], model, request.body, query)
        request.timings.decoded()
        (array,) = await self._engine.infer(request, model, found.session, found.feeds | {"x": found.x}, (output,))
        return await aside(array.nbytes, _encode, model, output, array, wanted)

    def _output(self, model: Model, query: dict[str, Any]) -> str:
        return "y"


class Gradient(Activate):
    """Runs `grad_x` or, with `?wrt=weight`, the gradient with respect to a parameter."""

    async def __call__(self, request: Request) -> Response:
        """The vector-Jacobian product with `grad_output`, as torch.autograd.grad gives; `wrt` names a parameter."""
        return await super().__call__(request)

    def _output(self, model: Model, query: dict[str, Any]) -> str:
        found = [name.removeprefix("grad_") for name in model.output_names if name.startswith("grad_")]
        wrt = query.pop("wrt", "x")
        if wrt not in found:
            raise Unfit.at("query.wrt", f"one of {', '.join(found)}", str(wrt)[:40])
        return f"grad_{wrt}"


def _from_json(model: Model, body: bytes, query: dict[str, Any]) -> Input:
    document = json.parse(body)
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
    return Input(session, x, feeds)


def _from_npy(model: Model, body: bytes, query: dict[str, Any]) -> Input:
    x = npy.read(body)
    datatype = BY_DTYPE[x.dtype]
    if not datatype.is_float:
        raise Unfit.at("body", "FP16, BF16, FP32 or FP64", datatype.name)
    if query.pop("datatype", datatype.name) != datatype.name:
        raise Unfit.at("query.datatype", f"{datatype.name}, which the file has", "another one")
    session = model.in_datatype(datatype)
    feeds = activation.feeds(model, session, query, x.shape)
    activation.output_shape(model, x.shape, feeds)
    return Input(session, x, feeds)


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


def _encode(model: Model, output: str, array: Array, wanted: str) -> Response:
    if wanted == media.NPY:
        return Response(npy.write(array), media.NPY)
    wrt = {} if output == "y" else {"wrt": output.removeprefix("grad_")}
    shape = {"datatype": BY_DTYPE[array.dtype].name, "shape": list(array.shape)}
    return answer_json({"activation": model.name} | wrt | shape | {"tensor": json.fragment(array)})


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
