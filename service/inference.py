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
from service.plan import Inputs
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


@dataclass(slots=True)
class Asked(Inputs):
    """A call as what is to run: which outputs it asks for, and the parameters that are among the arrays."""

    call: Call
    outputs: Sequence[Wanted]
    parameters: Mapping[str, Any]
    form: Any = None  # of which it is one, so that its answer is written like the last

    def effort(self, arrays: Sequence[Array]) -> int:
        """What showing and encoding the outputs costs, in bytes that are written in the same time."""
        classes = sum(array.size for wanted, array in zip(self.outputs, arrays, strict=True) if wanted.classes)
        return classes * BYTES_PER_CLASS + sum(array.nbytes for array in arrays)


def asked(model: Model, call: Call) -> Asked:
    """Raises Unfit where the call does not fit the model's signature, NotCarried for an output that cannot be."""
    microseconds = _timeout(call.parameters.get("timeout", 0))
    outputs = call.outputs or [Wanted(name, call.binary, 0) for name in model.output_names]
    session, feeds, parameters = _feeds(model, call)
    fetches = _names(model, outputs) if call.outputs else model.output_names
    return Asked(session, feeds, fetches, microseconds / 1e6 or None, call, outputs, parameters)


def shown(model: Model, given: Asked, arrays: Sequence[Array]) -> Answer:
    """What was fetched as what was asked for."""
    outputs = [
        (wanted, classification.best(array, wanted.classes, model.metadata) if wanted.classes else array)
        for wanted, array in zip(given.outputs, arrays, strict=True)
    ]
    return Answer(model, outputs, given.parameters)


async def infer(engine: Engine, request: Request, model: Model, call: Call) -> Answer:
    """All of it, for a face whose requests name their model in the body. Raises what the scheduler raises too."""
    given = asked(model, call)
    if given.timeout_s is not None:
        request.shorten(given.timeout_s)
    arrays = await engine.infer(request, model, given.session, given.feeds, given.fetches)
    return await aside(given.effort(arrays), shown, model, given, arrays)


def _timeout(value: Any) -> int:
    """Microseconds, 0 for none."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise Unfit.at("parameters.timeout", "a whole number of microseconds", elements.kind(value))
    return value


Feeds = tuple[Session, Mapping[str, Array], Mapping[str, Any]]  # and the parameters that are among the arrays


def _feeds(model: Model, call: Call) -> Feeds:
    if not call.parameters and not model.metadata.is_activation:
        return model.session, fit_scalars(call.inputs, model.inputs), {}
    parameters = {
        name: value
        for name, value in call.parameters.items()
        if name not in RESERVED and not name.startswith(OF_TRITON)
    }
    for name in parameters.keys() & call.inputs.keys():
        raise Unfit.at(f"parameters.{name[:60]}", "each parameter once", "it as an input as well")
    if not model.metadata.is_activation:
        return model.session, {**fit_scalars(call.inputs, model.inputs), **_overridden(model, parameters)}, {}
    x = call.inputs.get("x")
    if x is None or x.dtype not in BY_DTYPE:
        return model.session, call.inputs, {}  # which the signature check will refuse
    return _of_activation(model, x, call.inputs, parameters)


def _overridden(model: Model, parameters: Mapping[str, Any]) -> dict[str, Array]:
    """Initializers that a caller may override; the standard has a server pass over what it does not know."""
    known = {spec.name: spec.datatype for spec in model.session.parameters}
    return {
        name: json.Document({}).tensor(value, known[name], f"parameters.{name}")
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
    return session, arrays, {name: given.get(name, known[name]["default"]) for name in known}


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
