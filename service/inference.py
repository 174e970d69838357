"""What an inference request of the Open Inference Protocol asks for, and the run that answers it, over HTTP and gRPC
alike: between the two faces' codecs stands this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from service import activation, classification
from service.codecs.open_inference import Call, Wanted
from service.engine import Engine
from service.errors import Unfit
from service.exchange import Request
from service.model import Model
from service.session import Session
from service.tensors import BY_DTYPE, Array


@dataclass(frozen=True, slots=True)
class Answer:
    """Each output in the order asked for; one asked for as classes is BYTES already."""

    model: Model
    outputs: Sequence[tuple[Wanted, Array]]


async def infer(engine: Engine, request: Request, model: Model, call: Call) -> Answer:
    """Raises Unfit where the call does not fit the model's signature, and what the scheduler raises."""
    session, feeds = _feeds(model, call.inputs)
    outputs = call.outputs or [Wanted(name, call.binary, 0) for name in model.output_names]
    arrays = await engine.infer(request, model, session, feeds, _names(model, outputs))
    return Answer(model, [_shown(model, wanted, array) for wanted, array in zip(outputs, arrays, strict=True)])


def _feeds(model: Model, inputs: Mapping[str, Array]) -> tuple[Session, Mapping[str, Array]]:
    """An activation is run in the datatype of its tensor, its parameters checked as its own verb checks them."""
    if not model.metadata.is_activation or "x" not in inputs or inputs["x"].dtype not in BY_DTYPE:
        return model.session, inputs
    datatype = BY_DTYPE[inputs["x"].dtype]
    session = model.in_datatype(datatype) if datatype.is_float else model.session
    known = activation.parameters(model)
    # A scalar may come as [] or as [1], which is all that some clients can send.
    given = {
        name: array.item() if array.size == 1 else array.tolist() for name, array in inputs.items() if name in known
    }
    feeds = {name: array for name, array in inputs.items() if name not in known}
    feeds |= activation.feeds(model, session, given, feeds["x"].shape)
    activation.output_shape(model, feeds["x"].shape, feeds)
    return session, feeds


def _names(model: Model, outputs: Sequence[Wanted]) -> tuple[str, ...]:
    for index, wanted in enumerate(outputs):
        if wanted.name not in model.output_names:
            raise Unfit.at(f"outputs[{index}].name", f"one of {', '.join(model.output_names)}", wanted.name[:60])
    return tuple(wanted.name for wanted in outputs)


def _shown(model: Model, wanted: Wanted, array: Array) -> tuple[Wanted, Array]:
    return wanted, classification.best(array, wanted.classes, model.metadata) if wanted.classes else array
