"""What a model has done since it was loaded, as Triton's statistics extension counts it
(https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_statistics.md).

Counted on each request, so it is kept to additions; seconds inside, nanoseconds in what is told.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from time import time
from typing import Any, NamedTuple, Protocol

Told = dict[str, Any]

OF_A_RUN = ("compute_input", "compute_infer", "compute_output")
STAGES = ("queue", *OF_A_RUN)
NEVER = ("cache_hit", "cache_miss")  # there is no cache of answers


class Stages(Protocol):
    """The seconds that a request spent in each stage."""

    decode: float
    queue: float
    compute: float
    encode: float


@dataclass(slots=True)
class Together:
    """The rows of requests that were answered together, and their seconds: of all the run and the writing; of each from
    its beginning to its answer, reading and waiting; the sum of those from its body to its answer."""

    compute: float
    encode: float
    rows: int = 0
    since_body: float = 0.0
    durations: list[float] = field(default_factory=list)
    decode: list[float] = field(default_factory=list)
    queue: list[float] = field(default_factory=list)


class Run(NamedTuple):
    """One run of a session: how many instances it was for, and the seconds to join, to compute and to split them."""

    rows: int
    compute_input: float
    compute_infer: float
    compute_output: float


class Runs:
    """All runs of one size."""

    __slots__ = ("count", *OF_A_RUN)

    def __init__(self) -> None:
        self.count = 0
        self.compute_input = self.compute_infer = self.compute_output = 0.0

    def told(self, rows: int) -> Told:
        return {"batch_size": rows} | {stage: _duration(self.count, getattr(self, stage)) for stage in OF_A_RUN}


class Tally:
    """The counts of one version of one model in this process. Only the event loop changes them."""

    __slots__ = (
        "_by_rows",
        "_compute",
        "_decode",
        "_encode",
        "_failed",
        "_failed_s",
        "_inferences",
        "_last",
        "_observe",
        "_queue",
        "_succeeded",
        "_total_s",
    )

    def __init__(self) -> None:
        self._inferences = self._succeeded = self._failed = 0
        self._last = self._total_s = self._failed_s = 0.0
        self._decode = self._queue = self._compute = self._encode = 0.0
        self._by_rows: defaultdict[int, Runs] = defaultdict(Runs)
        self._observe: Callable[[int], None] | None = None

    def watch(self, observe: Callable[[int], None]) -> None:
        """Has `observe` told the rows of each run from now on."""
        self._observe = observe

    def answered(self, rows: int, stages: Stages, seconds: float, is_success: bool) -> None:
        """A request that named this model was answered in so many seconds, or was refused or failed."""
        self._last = time()
        if not is_success:
            self._failed += 1
            self._failed_s += seconds
            return
        self._inferences += rows
        self._succeeded += 1
        self._total_s += seconds
        self._decode += stages.decode
        self._queue += stages.queue
        self._compute += stages.compute
        self._encode += stages.encode

    def answered_together(self, times: Together) -> None:
        """Requests were answered together, and well."""
        count = len(times.durations)
        self._last = time()
        self._inferences += times.rows
        self._succeeded += count
        self._total_s += times.since_body
        self._decode += sum(times.decode)
        self._queue += sum(times.queue)
        self._compute += times.compute * count
        self._encode += times.encode * count

    def ran(self, run: Run) -> None:
        """The session computed an answer, for one request or for several."""
        rows, compute_input, compute_infer, compute_output = run
        runs = self._by_rows[rows]
        runs.count += 1
        runs.compute_input += compute_input
        runs.compute_infer += compute_infer
        runs.compute_output += compute_output
        if self._observe is not None:
            self._observe(rows)

    def told(self, name: str, version: str) -> Told:
        """The counts as the extension's object."""
        seconds = (self._queue, self._decode, self._compute, self._encode)
        stages = {stage: _duration(self._succeeded, spent) for stage, spent in zip(STAGES, seconds, strict=True)}
        return {
            "name": name,
            "version": version,
            "last_inference": int(self._last * 1e3),
            "inference_count": self._inferences,
            "execution_count": sum(runs.count for runs in self._by_rows.values()),
            "inference_stats": {
                "success": _duration(self._succeeded, self._total_s),
                "fail": _duration(self._failed, self._failed_s),
                **stages,
                **{field: _duration(0, 0.0) for field in NEVER},
            },
            "batch_stats": [runs.told(rows) for rows, runs in sorted(self._by_rows.items())],
            "memory_usage": [],
        }


def added(own: Iterable[Told], others: Iterable[Told]) -> list[Told]:
    """`own`, each with the counts that other workers have of the same model and version."""
    found = {(told["name"], told["version"]): told for told in own}
    for other in others:
        key = (other["name"], other["version"])
        if key in found:
            found[key] = _sum(found[key], other)
    return list(found.values())


def _sum(one: Told, other: Told) -> Told:
    by_rows = {told["batch_size"]: told for told in one["batch_stats"]}
    for told in other["batch_stats"]:
        rows = told["batch_size"]
        by_rows[rows] = _durations(by_rows[rows], told, OF_A_RUN) | {"batch_size": rows} if rows in by_rows else told
    counts = ("inference_count", "execution_count")
    stages = one["inference_stats"]
    return one | {
        "last_inference": max(one["last_inference"], other["last_inference"]),
        **{count: one[count] + other[count] for count in counts},
        "inference_stats": _durations(stages, other["inference_stats"], stages),
        "batch_stats": [by_rows[rows] for rows in sorted(by_rows)],
    }


def _durations(one: Told, other: Told, fields: Iterable[str]) -> Told:
    return {field: {unit: one[field][unit] + other[field][unit] for unit in ("count", "ns")} for field in fields}


def _duration(count: int, seconds: float) -> Told:
    return {"count": count, "ns": round(seconds * 1e9)}
