"""What an inference request of the Open Inference Protocol asks for, and the run that answers it, over HTTP and gRPC
alike: between the two faces' codecs stands this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from service import activation, classification
from service.codecs import elements, json
from service.codecs.open_inference import Call, Wanted
from service.engine import Engine, aside
from service.errors import NotCarried, Unfit
from service.exchange import Request
from service.model import Model
from service.session import Session
from service.signature import fit_scalars
from service.tensors import BY_DTYPE, Array

# Parameters that mean the request and never the model. Only `timeout` changes anything here: there is one priority, and
# no model keeps anything from one request to the next, so that a sequence is as good as single requests (Triton passes
# `sequence_id` over as well where a model is not a sequence's).
RESERVED = {"sequence_id", "sequence_start", "sequence_end", "priority", "timeout", "headers", "binary_data_output"}
OF_TRITON = "triton_"
BYTES_PER_CLASS = 200  # that are parsed in the time in which one class is sorted and named


@dataclass(frozen=True, slots=True)
class Answer:
    """Each output in the order asked for; one asked for as classes is BYTES already. `parameters` are those that an
    activation was computed with, its defaults among them."""

    model: Model
    outputs: Sequence[tuple[Wanted, Array]]
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Feeds:
    """The session to run, its arrays, and the parameters that are among them."""

    session: Session
    arrays: Mapping[str, Array]
    parameters: Mapping[str, Any]


async def infer(engine: Engine, request: Request, model: Model, call: Call) -> Answer:
    """Raises Unfit where the call does not fit the model's signature, and what the scheduler raises."""
    if microseconds := _timeout(call.parameters.get("timeout", 0)):
        request.shorten(microseconds / 1e6)
    feeds = _feeds(model, call)
    outputs = call.outputs or [Wanted(name, call.binary, 0) for name in model.output_names]
    arrays = await engine.infer(request, model, feeds.session, feeds.arrays, _names(model, outputs))
    sorted_elements = sum(array.size for wanted, array in zip(outputs, arrays, strict=True) if wanted.classes)
    shown = await aside(sorted_elements * BYTES_PER_CLASS, _shown, model, outputs, arrays)
    return Answer(model, shown, feeds.parameters)


def _timeout(value: Any) -> int:
    """Microseconds, 0 for none."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise Unfit.at("parameters.timeout", "a whole number of microseconds", elements.kind(value))
    return value


def _feeds(model: Model, call: Call) -> Feeds:
    parameters = {
        name: value
        for name, value in call.parameters.items()
        if name not in RESERVED and not name.startswith(OF_TRITON)
    }
    for name in parameters.keys() & call.inputs.keys():
        raise Unfit.at(f"parameters.{name[:60]}", "each parameter once", "it as an input as well")
    if not model.metadata.is_activation:
        return Feeds(model.session, {**fit_scalars(call.inputs, model.inputs), **_overridden(model, parameters)}, {})
    x = call.inputs.get("x")
    if x is None or x.dtype not in BY_DTYPE:
        return Feeds(model.session, call.inputs, {})  # which the signature check will refuse
    return _of_activation(model, x, call.inputs, parameters)


def _overridden(model: Model, parameters: Mapping[str, Any]) -> dict[str, Array]:
    """Initializers that a caller may override; the standard has a server pass over what it does not know."""
    known = {spec.name: spec.datatype for spec in model.session.parameters}
    return {
        name: json.Document({}, 0).tensor(value, known[name], f"parameters.{name}")
        for name, value in parameters.items()
        if name in known
    }


def _of_activation(model: Model, x: Array, inputs: Mapping[str, Array], parameters: Mapping[str, Any]) -> Feeds:
    """Run in the datatype of its tensor, the parameters checked as its own verb checks them: a misspelt one too."""
    datatype = BY_DTYPE[x.dtype]
    session = model.in_datatype(datatype) if datatype.is_float else model.session
    known = activation.parameters(model)
    # A scalar may come as [1] here too, as in `fit_scalars`.
    given = {
        name: array.item() if array.size == 1 else array.tolist() for name, array in inputs.items() if name in known
    }
    given |= parameters
    arrays = {name: array for name, array in inputs.items() if name not in known}
    arrays |= activation.feeds(model, session, given, x.shape)
    activation.output_shape(model, x.shape, arrays)
    return Feeds(session, arrays, {name: given.get(name, known[name]["default"]) for name in known})


def _names(model: Model, outputs: Sequence[Wanted]) -> tuple[str, ...]:
    strings = {spec.name for spec in model.outputs if spec.datatype.name == "BYTES"}
    for index, wanted in enumerate(outputs):
        if wanted.name in (other.name for other in outputs[:index]):
            raise Unfit.at(f"outputs[{index}].name", "each output once", f"`{wanted.name[:60]}` again")
        if kind := model.session.not_carried.get(wanted.name):
            raise NotCarried(f"`{wanted.name[:60]}` is a {kind}, which no tensor protocol can carry.")
        if wanted.name not in model.output_names:
            raise Unfit.at(f"outputs[{index}].name", f"one of {', '.join(model.output_names)}", wanted.name[:60])
        if wanted.classes and wanted.name in strings:
            raise Unfit.at(
                f"outputs[{index}].parameters.classification", "an output of numbers", f"BYTES `{wanted.name}`"
            )
    return tuple(wanted.name for wanted in outputs)


def _shown(model: Model, outputs: Sequence[Wanted], arrays: Sequence[Array]) -> list[tuple[Wanted, Array]]:
    return [
        (wanted, classification.best(array, wanted.classes, model.metadata) if wanted.classes else array)
        for wanted, array in zip(outputs, arrays, strict=True)
    ]
