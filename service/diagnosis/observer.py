"""A copy of a model's graph whose outputs are the tensors before and after its activations, ready to run.

The copy is a session of its own: what is added to it changes nothing in the model's. Since the tensors are outputs,
onnxruntime cannot fuse them away.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from service import graph, nodes
from service.diagnosis import axes, recognition, slopes, weights
from service.diagnosis.activation import Activation, Parameters
from service.diagnosis.measurement import Slope
from service.diagnosis.recognition import Unseen
from service.diagnosis.weights import Weights
from service.diagnosis.wiring import COPIES, Wiring
from service.errors import ModelError, NotCarried, NotReady
from service.model import Model
from service.session import Content, Run, Runtime, Session
from service.tensors import Array

Feeds = Mapping[str, Array]
HALVES = "glu"  # the one activation that has half as many outputs as inputs
ENDS = {*COPIES, "Cast", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose"}  # between a layer and an output


@dataclass(frozen=True, slots=True)
class Layer:
    """One activation as it is told. `axis` is that of its units where the graph tells it; `is_output` where what it
    gives is what the model gives; `slope` is f'(x), from blocks of x, of y and of the third of what is observed;
    `weights` is what goes into its units, where the graph has that as a constant."""

    node: str
    kind: str
    op: str
    slope: Slope
    parameters: Parameters = field(default_factory=dict)
    axis: int | None = None
    is_output: bool = False
    weights: Weights | None = None


class Observed(NamedTuple):
    """The values before and after an activation, and what else its slope is made of, which can be broadcast to them."""

    x: Array
    y: Array
    beside: Array | None = None


class Observer:
    """`layers` in execution order, and what of the model cannot be observed; `session` is None where there is nothing
    to observe."""

    layers: tuple[Layer, ...] = ()
    unseen: tuple[Unseen, ...] = ()
    session: Session | None = None

    def observe(self, run: Run, feeds: Feeds) -> list[Observed]:
        """What each layer does. Raises what the run raises."""
        return []

    def stoppable(self) -> tuple[Run, Callable[[], None]]:
        """What `observe` needs, and what ends it."""
        return (_nothing, lambda: None) if self.session is None else self.session.stoppable()


class GraphObserver(Observer):
    """Of a network: the activations are found in its graph."""

    def __init__(self, path: Path, runtime: Runtime) -> None:
        model = graph.load(path)
        graph.check_external(path)
        folder = graph.relocated(model, path)
        model = graph.inlined(model)
        network = nodes.read(model, folder)
        wiring = Wiring(network)
        found = recognition.recognised(network)
        sums = {f"{one.y}/before": (one.x, one.bias) for one in found if one.bias is not None}
        ends = [(one.x if one.bias is None else f"{one.y}/before", one.y, one.slope) for one in found]
        self.unseen = tuple(recognition.unseen(network))
        if not found:
            return
        self.session = Session(path, runtime, Content(nodes.with_outputs(model, _distinct(ends), sums), folder))
        floats = {spec.name for spec in self.session.outputs if spec.datatype.is_float}
        kept = [(one, names) for one, names in zip(found, ends, strict=True) if floats.issuperset(filter(None, names))]
        self._ends = [names for _, names in kept]
        self._fetches = _distinct(self._ends)
        self.layers = tuple(_layers([one for one, _ in kept], wiring))

    def observe(self, run: Run, feeds: Feeds) -> list[Observed]:
        arrays = dict(zip(self._fetches, run(feeds, self._fetches), strict=True))
        return [Observed(arrays[x], arrays[y], arrays.get(beside or "")) for x, y, beside in self._ends]


class ActivationObserver(Observer):
    """Of an activation served by itself: one layer, whose slope its own graph gives."""

    def __init__(self, name: str, path: Path, runtime: Runtime) -> None:
        self.session = Session(path, runtime)
        self._is_halved = name == HALVES
        is_share = name in slopes.KINDS and slopes.KINDS[name].is_share
        slope = partial(slopes.slope, name, {}) if is_share else _given
        self.layers = (Layer(name, name, name, slope, is_output=True),)

    def observe(self, run: Run, feeds: Feeds) -> list[Observed]:
        y, gradient = run(feeds, ("y", "grad_x"))
        if not self._is_halved:
            return [Observed(feeds["x"], y, gradient)]
        axis = int(feeds.get("dim", np.array(-1)))
        return [Observed(_half(feeds["x"], axis), y, _half(gradient, axis))]


def observer(model: Model, runtime: Runtime) -> Observer:
    """Raises NotReady where the model's file is another by now, NotCarried where its copy cannot be loaded."""
    try:
        with model.reopened() as path:
            return _observer(model, path, runtime)
    except ModelError as error:
        again = (("Retry-After", "5"),)
        raise NotReady(f"Model `{model.name}` cannot be looked into: {error}", headers=again) from error


def _observer(model: Model, path: Path, runtime: Runtime) -> Observer:
    try:
        if model.metadata.is_activation:
            return ActivationObserver(model.name, path, runtime)
        return GraphObserver(path, runtime)
    except ModelError as error:
        raise NotCarried(f"Model `{model.name}` cannot be loaded with its inner tensors as outputs: {error}") from error


def _nothing(feeds: Feeds, fetches: Sequence[str]) -> list[Array]:
    return []


def _given(x: Array, y: Array, beside: Array | None) -> Array:
    assert beside is not None
    return beside


def _half(array: Array, axis: int) -> Array:
    """The half along an axis that the other half is a gate for."""
    found: Array = np.split(array, 2, axis)[0]
    return found


def _distinct(ends: Sequence[tuple[str | None, ...]]) -> list[str]:
    return list(dict.fromkeys(name for names in ends for name in names if name is not None))


def _layers(found: Sequence[Activation], wiring: Wiring) -> Iterator[Layer]:
    """A layer has the name of its operator, or that of its output where the operator has none of its own."""
    names = Counter(one.node.name for one in found)
    for one in found:
        is_name = one.node.name and names[one.node.name] == 1 and one.node.name not in wiring.producers
        yield Layer(
            one.node.name if is_name or one.node.name == one.y else one.y,
            one.kind,
            one.node.op,
            partial(slopes.slope, one.kind, one.parameters),
            one.parameters,
            axes.told(one, wiring),
            _is_output(one.y, wiring),
            weights.before(one.x, wiring),
        )


def _is_output(tensor: str, wiring: Wiring) -> bool:
    waiting = [tensor]
    while waiting:
        name = waiting.pop()
        if name in wiring.network.outputs:
            return True
        waiting.extend(node.outputs[0] for node in wiring.consumers[name] if node.op in ENDS)
    return False
