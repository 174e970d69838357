"""Activations written as several operators. Each has a core, the operator that bends; around it is only arithmetic, in
whatever order an exporter writes it, so what is compared is not the operators but the polynomial that they make:

    argument of the core  =  Σ c·xⁱ            result  =  Σ c·xⁱ·coreʲ
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf, pi, sqrt
from typing import Any

from service.diagnosis import pieces
from service.diagnosis.activation import Activation, Parameters
from service.diagnosis.wiring import Sum, Wiring
from service.nodes import Node

TOLERANCE = 5e-3  # BF16 has eight bits for a constant
TANH_FACTOR, TANH_CUBIC = sqrt(2 / pi), 0.044715  # of the gelu paper, https://arxiv.org/abs/1606.08415

Argument = Mapping[int, float]  # coefficient by the power of x
Result = Mapping[tuple[int, int], float]  # coefficient by the powers of x and of the core


@dataclass(frozen=True, slots=True)
class Core:
    """What bends: its kind, what it bends (the negative of that where `sign` is -1), and its result."""

    kind: str
    argument: str
    result: str
    sign: int = 1


def found(core: Core, wiring: Wiring) -> Activation | None:
    """The largest formula around a core that is an activation; None where there is none."""
    points = list(wiring.behind(core.argument))
    results = [core.result, *wiring.ahead(core.result)]
    every = (_between(core, x, result, wiring) for result in reversed(results) for x in reversed(points))
    return next((activation for activation in every if activation is not None), None)


def cores(node: Node, wiring: Wiring) -> Iterator[Core]:
    """The cores that this operator is the result of, alone or with those before it."""
    result = node.outputs[0]
    if node.op in ("Erf", "Tanh"):
        yield Core(node.op, node.inputs[0], result)
        if node.op == "Tanh" and (before := _softplus(node.inputs[0], wiring)) is not None:
            yield Core("TanhSoftplus", before, result)
    elif node.op == "HardSigmoid" and _close(dict(_slope_and_offset(node)), {1: 1 / 6, 0: 1 / 2}):
        yield Core("HardSigmoid", node.inputs[0], result)
    elif (sigmoid := _sigmoid(result, wiring)) is not None:
        yield Core("Sigmoid", sigmoid[0], result, sigmoid[1])
    elif node.op == "Log" and (sigmoid := _sigmoid(node.inputs[0], wiring)) is not None:
        yield Core("LogSigmoid", sigmoid[0], result, sigmoid[1])
    elif (x := _softplus(result, wiring)) is not None:
        yield Core("Softplus", x, result)
    elif (held := pieces.bounds(node, wiring)) is not None and (held.low, held.high) in BOUNDED:
        yield Core(BOUNDED[held.low, held.high], held.x, result)


BOUNDED: dict[tuple[float, float], str] = {(0, 6): "Relu6", (0, 1): "Unit", (0, inf): "Relu"}


def quotient(node: Node, wiring: Wiring) -> Activation | None:
    """x / (1 + exp(-x)), which is silu, or with a factor before the second x swish."""
    if node.op != "Div" or (power := _one_plus_power(node.inputs[1], wiring)) is None:
        return None
    x = wiring.source(node.inputs[0])
    terms = wiring.expanded(power, (x,))
    rate = -terms.get((x,), 0.0) if terms.keys() == {(x,)} else 0.0
    if rate <= 0:
        return None
    name, parameters = ("silu", NONE) if rate == 1 else ("swish", {"alpha": rate})
    return Activation(name, node, node.inputs[0], node.outputs[0], parameters)


def _sigmoid(tensor: str, wiring: Wiring) -> tuple[str, int] | None:
    """x and 1 where the tensor is `Sigmoid(x)`, x and -1 where it is 1 / (1 + exp(x))."""
    node = wiring.producer(tensor)
    if node is None or node.op == "Sigmoid":
        return None if node is None else (node.inputs[0], 1)
    is_reciprocal = node.op == "Reciprocal" or (node.op == "Div" and wiring.number(node.inputs[0]) == 1)
    power = _one_plus_power(node.inputs[-1], wiring) if is_reciprocal else None
    return None if power is None else (power, -1)


def _softplus(tensor: str, wiring: Wiring) -> str | None:
    """x where the tensor is `Softplus(x)` or log(1 + exp(x))."""
    node = wiring.producer(tensor)
    if node is None or node.op == "Softplus":
        return None if node is None else node.inputs[0]
    return _one_plus_power(node.inputs[0], wiring) if node.op == "Log" else None


def _one_plus_power(tensor: str, wiring: Wiring) -> str | None:
    """x where the tensor is 1 + exp(x)."""
    terms = wiring.expanded(tensor, ())
    powers = [term[0] for term in terms if len(term) == 1]
    if len(powers) != 1 or not _close(terms, {(): 1, (powers[0],): 1}):
        return None
    node = wiring.producer(powers[0])
    return node.inputs[0] if node is not None and node.op == "Exp" else None


def _slope_and_offset(node: Node) -> Iterator[tuple[int, float]]:
    for power, name, default in ((1, "alpha", 0.2), (0, "beta", 0.5)):
        value = node.attributes.get(name, default)
        yield power, value if isinstance(value, float | int) else default


def _between(core: Core, x: str, result: str, wiring: Wiring) -> Activation | None:
    argument = _powers(wiring.expanded(core.argument, (x,)), x, "")
    outcome = _powers(wiring.expanded(result, (x, core.result)), x, core.result)
    node = wiring.producer(result)
    if argument is None or outcome is None or node is None:
        return None
    named = _named(core.kind, {power: value * core.sign for (power, _), value in argument.items()}, outcome)
    return None if named is None else Activation(named[0], node, x, node.outputs[0], named[1])


def _powers(terms: Sum, x: str, core: str) -> dict[tuple[int, int], float] | None:
    """None where another tensor is in it."""
    if any(name not in (x, core) for term in terms for name in term):
        return None
    return {(term.count(x), term.count(core) if core else 0): value for term, value in terms.items() if value}


def _named(kind: str, argument: Argument, result: Result) -> tuple[str, Parameters] | None:
    """The activation's name and parameters."""
    for core, wanted_argument, wanted_result, name, parameters in FORMS:
        if core == kind and _close(argument, wanted_argument) and _close(result, wanted_result):
            return name, parameters
    rate, offset = argument.get(1, 0.0), argument.get(0, 0.0)
    if rate <= 0 or not argument.keys() <= {0, 1}:
        return None
    if kind == "Sigmoid" and not offset and _close(result, GATED):
        return "swish", {"alpha": rate}
    if kind == "Softplus" and not offset and _close(result, {(0, 1): 1 / rate}):
        return "softplus", {"beta": rate}
    if kind == "Unit" and (offset or rate != 1) and _close(result, ITSELF):
        return "hardsigmoid", {"alpha": rate, "beta": offset}
    return None


NONE: Parameters = {}
ITSELF, GATED = {(0, 1): 1.0}, {(1, 1): 1.0}
HALF_OF_BOTH = {(1, 0): 0.5, (1, 1): 0.5}  # x/2·(1 + core)
CUBIC = {1: TANH_FACTOR, 3: TANH_FACTOR * TANH_CUBIC}
TWICE_CUBIC = {power: 2 * value for power, value in CUBIC.items()}
SIXTHS: Parameters = {"alpha": 1 / 6, "beta": 0.5}

FORMS: tuple[tuple[str, Argument, Result, str, Parameters], ...] = (
    ("Erf", {1: sqrt(0.5)}, HALF_OF_BOTH, "gelu", {"approximate": "none"}),
    ("Tanh", CUBIC, HALF_OF_BOTH, "gelu", {"approximate": "tanh"}),
    ("Sigmoid", TWICE_CUBIC, GATED, "gelu", {"approximate": "tanh"}),  # (1 + tanh u)/2 = σ(2u)
    ("Tanh", {1: 0.5}, {(0, 0): 0.5, (0, 1): 0.5}, "sigmoid", NONE),
    ("Tanh", {1: 1}, {(1, 0): 1, (0, 1): -1}, "tanhshrink", NONE),
    ("TanhSoftplus", {1: 1}, GATED, "mish", NONE),
    ("Sigmoid", {1: 1}, GATED, "silu", NONE),
    ("HardSigmoid", {1: 1}, GATED, "hardswish", NONE),
    ("Relu6", {1: 1, 0: 3}, {(1, 1): 1 / 6}, "hardswish", NONE),
    ("Relu6", {1: 1, 0: 3}, {(0, 1): 1 / 6}, "hardsigmoid", SIXTHS),
    ("Unit", {1: 1 / 6, 0: 0.5}, GATED, "hardswish", NONE),
    ("Relu", {1: 1}, {(0, 2): 1}, "relu2", NONE),
    ("Softplus", {1: -1}, {(0, 1): -1}, "logsigmoid", NONE),
    ("Softplus", {1: 1}, ITSELF, "softplus", NONE),
    ("Sigmoid", {1: 1}, ITSELF, "sigmoid", NONE),
    ("LogSigmoid", {1: 1}, ITSELF, "logsigmoid", NONE),
)


def _close(found: Mapping[Any, float], wanted: Mapping[Any, float]) -> bool:
    return found.keys() == wanted.keys() and all(
        abs(value - wanted[key]) <= TOLERANCE * abs(wanted[key]) for key, value in found.items()
    )
