"""What is asked of whom, in which order, and about how long that takes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.cases import Case
from benchmarks.peers import Peer

AROUND_S = 0.3  # what a measurement takes besides its loads, and
START_S = 3.0  # a server's start and end, both in the mean as seen: for the estimate alone


@dataclass(frozen=True, slots=True)
class Lengths:
    """How often everything is measured, for how long, and for how long the same load runs before (0 is not at all)."""

    rounds: int
    seconds: int
    warm_up_s: int


@dataclass(frozen=True, slots=True)
class Phase:
    """Servers that run side by side, and the cases asked of them, one server after the other."""

    peers: list[Peer]
    questions: list[tuple[Case, Peer]]

    @property
    def steps(self) -> int:
        return len(self.peers) + len(self.questions)


def phases(peers: Sequence[Peer], cases: Sequence[Case]) -> list[Phase]:
    """The network, then the large tensors, of which new processes are asked: what such tensors leave in memory would
    count against those peers alone that take them."""
    network = [case for case in cases if not case.is_activation]
    large = [case for case in cases if case.is_activation]
    return [phase for phase in (_phase(peers, network), _phase(peers, large)) if phase.questions]


def estimate_s(phases: Iterable[Phase], lengths: Lengths) -> float:
    """How long it takes, as far as can be told."""
    each_s = lengths.warm_up_s + lengths.seconds + AROUND_S
    return lengths.rounds * sum(len(phase.peers) * START_S + len(phase.questions) * each_s for phase in phases)


def _phase(peers: Sequence[Peer], cases: Sequence[Case]) -> Phase:
    questions = [(case, peer) for case in cases for peer in peers if case.kind in peer.faces]
    return Phase([peer for peer in peers if any(asked is peer for _, asked in questions)], questions)
