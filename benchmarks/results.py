"""One run as a file, so that its table and its plot can be made again without measuring again."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.environments import BUILD
from benchmarks.figures import Report

FILE = BUILD / "results.json"


@dataclass(frozen=True, slots=True)
class Run:
    """What was measured, how, with which versions (of every package, by peer), and on which machine. The whole bench
    has every peer and as many rounds as a document needs."""

    machine: dict[str, Any]
    versions: dict[str, dict[str, str]]
    rounds: int
    seconds: int
    whole: bool
    report: Report

    def save(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(asdict(self), indent=1) + "\n")


def read(file: Path) -> Run:
    """The inverse of `save`. Raises OSError where there is no such file."""
    known = json.loads(file.read_text())
    return Run(**known | {"report": Report.from_dict(known["report"])})
