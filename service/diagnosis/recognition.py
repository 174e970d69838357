"""The activations of a graph in execution order, and what of them cannot be seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from service.diagnosis import formulas, operators, pieces, shrinks
from service.diagnosis.activation import Activation
from service.diagnosis.wiring import Wiring
from service.nodes import Network, Node


@dataclass(frozen=True, slots=True)
class Unseen:
    """An operator within which activations are computed that no tensor of the graph shows; `why` ends the sentence
    that begins with it."""

    node: str
    why: str


def recognised(network: Network) -> list[Activation]:
    """Every activation, each once: what is a part of a larger one is no layer of its own, unless others use it too."""
    wiring = Wiring(network)
    found = [activation for node in network.nodes for activation in _of(node, wiring)]
    cones = [wiring.between(activation.x, activation.y) for activation in found]
    order = {id(node): index for index, node in enumerate(network.nodes)}
    largest: dict[int, int] = {}
    for index, activation in enumerate(found):
        best = largest.get(id(activation.node))
        if best is None or len(cones[best]) < len(cones[index]):
            largest[id(activation.node)] = index
    kept = [found[index] for index in largest.values() if not _is_part(index, largest.values(), found, cones, wiring)]
    return sorted(kept, key=lambda activation: order[id(activation.node)])


def _of(node: Node, wiring: Wiring) -> Iterator[Activation]:
    """What this operator is the core of, and what it is by itself."""
    if not any(name in wiring.live for name in node.inputs):
        return
    yield from filter(None, (formulas.found(core, wiring) for core in formulas.cores(node, wiring)))
    for reader in READERS:
        if activation := reader(node, wiring):
            yield activation
            return


READERS = (
    *(pieces.bounded, pieces.leaky, pieces.chosen),
    *(shrinks.shrunk, shrinks.softsign),
    *(formulas.quotient, operators.recognised),
)


def _is_part(index: int, others: object, found: list[Activation], cones: list[set[int]], wiring: Wiring) -> bool:
    """True where all that takes its result belongs to another."""
    takers = {id(node) for node in wiring.consumers[found[index].y]}
    if not takers or found[index].y in wiring.network.outputs:
        return False
    return any(
        other != index and id(found[index].node) in cones[other] and takers <= cones[other]
        for other in others  # type: ignore[attr-defined]
    )


def unseen(network: Network) -> list[Unseen]:
    """The operators that hide activations."""
    return [Unseen(node.name or node.outputs[0], why) for node in network.nodes if (why := _hidden(node))]


def _hidden(node: Node) -> str:
    if node.op in operators.RECURRENT:
        return f"({node.op}) has its activations inside one operator, where they cannot be observed"
    if node.op in operators.FUSED and node.attributes.get("activation"):
        return f"has a {node.attributes['activation']} fused into it, which cannot be observed"
    count = sum(name in operators.ALL for name in node.inside)
    if count:
        return f"({node.op}) has {count} of them in its sub-graphs, which are not observed"
    return ""
