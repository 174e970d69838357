"""hardshrink and softshrink as PyTorch's exporters write them, and softsign: what is made of |x| or of both sides."""

from __future__ import annotations

from service.diagnosis import pieces
from service.diagnosis.activation import Activation
from service.diagnosis.wiring import Wiring
from service.nodes import Node


def softsign(node: Node, wiring: Wiring) -> Activation | None:
    """x / (1 + |x|)"""
    if node.op != "Div":
        return None
    x = wiring.source(node.inputs[0])
    for term in wiring.expanded(node.inputs[1], ()):
        made = wiring.producers.get(term[0]) if len(term) == 1 else None
        is_size = made is not None and made.op == "Abs" and wiring.source(made.inputs[0]) == x
        if is_size and wiring.expanded(node.inputs[1], ()) == {(): 1.0, term: 1.0}:
            return Activation("softsign", node, node.inputs[0], node.outputs[0])
    return None


def shrunk(node: Node, wiring: Wiring) -> Activation | None:
    """`Where(|x| > λ, …, 0)`, or a sum of what is kept beyond either end."""
    if node.op in ("Add", "Sum") and len(node.inputs) == 2:
        return _of_two_sides(node, wiring)
    if node.op != "Where" or (found := _outside(node.inputs[0], wiring)) is None:
        return None
    x, lambd, is_outside = found
    outside, inside = node.inputs[1:] if is_outside else node.inputs[:0:-1]
    if not _is_zero(inside, x, wiring):
        return None
    if wiring.source(outside) == x:
        return Activation("hardshrink", node, x, node.outputs[0], {"lambd": lambd})
    for sign in (taker for taker in wiring.consumers[x] if taker.op == "Sign"):
        if wiring.expanded(outside, (x, sign.outputs[0])) == {(x,): 1.0, (sign.outputs[0],): -lambd}:
            return Activation("softshrink", node, x, node.outputs[0], {"lambd": lambd})
    return None


def _outside(tensor: str, wiring: Wiring) -> tuple[str, float, bool] | None:
    """(x, λ, whether the condition is true for |x| > λ)"""
    node = pieces.truth(tensor, wiring)
    if node is not None and node.op == "Or":
        sides = [pieces.condition(name, wiring) for name in node.inputs]
        return _of_sides(*sides)
    found = pieces.condition(tensor, wiring)
    made = None if found is None else wiring.producer(found[0])
    if found is None or made is None or made.op != "Abs":
        return None
    return wiring.source(made.inputs[0]), found[1], found[2]


def _of_sides(*sides: tuple[str, float, bool] | None) -> tuple[str, float, bool] | None:
    """(x > λ, x < -λ), in either order"""
    known = [side for side in sides if side is not None]
    ends = {is_above: number for _, number, is_above in known}
    if len(known) != 2 or len(ends) != 2 or known[0][0] != known[1][0] or ends[True] != -ends[False]:
        return None
    return known[0][0], ends[True], True


def _of_two_sides(node: Node, wiring: Wiring) -> Activation | None:
    """Where(x > λ, x - λ, 0) + Where(x < -λ, x + λ, 0)"""
    kept = [_kept(name, wiring) for name in node.inputs]
    found = _of_sides(*kept)
    if found is None:
        return None
    return Activation("softshrink", node, found[0], node.outputs[0], {"lambd": found[1]})


def _kept(tensor: str, wiring: Wiring) -> tuple[str, float, bool] | None:
    """The condition where the tensor is `Where(condition, x - number, 0)`."""
    node = wiring.producer(tensor)
    found = pieces.condition(node.inputs[0], wiring) if node is not None and node.op == "Where" else None
    if node is None or found is None:
        return None
    x, number, _ = found
    is_shifted = wiring.expanded(node.inputs[1], (x,)) == {(x,): 1.0, (): -number}
    return found if is_shifted and _is_zero(node.inputs[2], x, wiring) else None


def _is_zero(tensor: str, x: str, wiring: Wiring) -> bool:
    """0, or x·0, which keeps NaN."""
    return not any(wiring.expanded(tensor, (x,)).values())
