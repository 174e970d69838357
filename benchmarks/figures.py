"""What was measured, and medians with their spread over rounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from benchmarks.cases import Case


@dataclass(frozen=True, slots=True)
class Spread:
    """A median over rounds, with the least and the greatest."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Sample:
    """One case of one peer in one round. `body_bytes` is the size of a request's body, `peak_mib` the server's greatest
    resident memory above what it had when it had just started."""

    peer: str
    case: Case
    round: int
    per_second: float
    cpu_s_per_1000: float
    p50_us: int
    p99_us: int
    body_bytes: int
    peak_mib: float

    @property
    def gb_per_second(self) -> float:
        """Bodies of requests; answers come on top."""
        return self.per_second * self.body_bytes / 1e9

    @property
    def cpu_s_per_gb(self) -> float:
        return self.cpu_s_per_1000 / 1000 / (self.body_bytes / 1e9)

    @property
    def peak_bodies(self) -> float:
        """The peak as a number of copies of the body."""
        return self.peak_mib * 2**20 / self.body_bytes


@dataclass(frozen=True, slots=True)
class Start:
    """One start of one peer: seconds until the first right answer, and memory after the network's cases."""

    peer: str
    round: int
    start_s: float
    memory_mib: float


@dataclass(slots=True)
class Report:
    """All samples of one run. `problems` says, by peer, why one is not there or what went wrong in a case."""

    peers: list[str]
    cases: list[Case]
    samples: list[Sample] = field(default_factory=list)
    starts: list[Start] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @classmethod
    def from_dict(cls, known: Mapping[str, Any]) -> Report:
        """The inverse of `dataclasses.asdict`."""
        samples = [Sample(**sample | {"case": Case(**sample["case"])}) for sample in known["samples"]]
        starts = [Start(**start) for start in known["starts"]]
        cases = [Case(**case) for case in known["cases"]]
        return cls(list(known["peers"]), cases, samples, starts, list(known["problems"]))

    def over_rounds(self, peer: str, case: Case, value: Callable[[Sample], float]) -> Spread | None:
        """The spread of a value, None where nothing was measured."""
        return spread([value(sample) for sample in self._of(peer, case).values()])

    def ratio(self, peer: str, reference: str, case: Case) -> float | None:
        """Throughput relative to another peer's: the median of the ratios within each round, in which the two were
        measured one after the other."""
        own, other = self._of(peer, case), self._of(reference, case)
        ratios = [own[number].per_second / other[number].per_second for number in own.keys() & other.keys()]
        return median(ratios) if ratios else None

    def _of(self, peer: str, case: Case) -> dict[int, Sample]:
        return {sample.round: sample for sample in self.samples if sample.peer == peer and sample.case == case}


def spread(values: Sequence[float]) -> Spread | None:
    """Median, least and greatest; None of nothing."""
    return Spread(median(values), min(values), max(values)) if values else None
