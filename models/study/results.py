"""Everything that was measured, as the file `docs/study.json`. The times apart, a rerun gives the same."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import torch

from models.machine import processor
from models.network import ACTIVATIONS
from models.study.case import CASES
from models.study.trial import Trial


@dataclass(frozen=True)
class Results:
    """The trials by case, activation and seed; `epoch_seconds` by activation; `made`: when, on what, in what time."""

    made: Mapping[str, Any]
    epoch_seconds: Mapping[str, float]
    trials: Sequence[Trial]

    @property
    def epochs(self) -> int:
        """How long every network was trained."""
        return len(self.trials[0].accuracy)

    def of(self, case: str, activation: str) -> list[Trial]:
        """The trials of one activation, by seed."""
        return [trial for trial in self.trials if (trial.case, trial.activation) == (case, activation)]

    def column(self, case: str, activation: str, figure: Callable[[Trial], float]) -> list[float]:
        """One figure of them, by seed."""
        return [figure(trial) for trial in self.of(case, activation)]


def made(core_minutes: float) -> dict[str, Any]:
    """When and on what the study ran."""
    return {
        "date": date.today().isoformat(),
        "processor": processor(),
        "torch": torch.__version__.split("+")[0],
        "core_minutes": round(core_minutes, 1),
    }


def in_order(trials: Sequence[Trial]) -> list[Trial]:
    """By case, activation and seed."""
    cases, activations = list(CASES), list(ACTIVATIONS)
    return sorted(trials, key=lambda each: (cases.index(each.case), activations.index(each.activation), each.seed))


def save(results: Results, path: Path) -> None:
    """One line for each trial, so that two files can be compared; what is not finite is null."""
    seconds = {activation: round(value, 4) for activation, value in results.epoch_seconds.items()}
    lines = ",\n".join(json.dumps(_finite(asdict(trial))) for trial in results.trials)
    head = f'"made": {json.dumps(results.made)},\n"epoch_seconds": {json.dumps(seconds)}'
    path.write_text(f'{{{head},\n"trials": [\n{lines}\n]}}\n', encoding="utf-8")


def load(path: Path) -> Results:
    """What `save` wrote."""
    known = json.loads(path.read_text(encoding="utf-8"))
    return Results(known["made"], known["epoch_seconds"], [Trial(**_number(each)) for each in known["trials"]])


def _finite(trial: dict[str, Any]) -> dict[str, Any]:
    """Six digits are kept: more differ from one processor to the next."""
    return {name: _rounded(value) if isinstance(value, float) else value for name, value in trial.items()}


def _rounded(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None


def _number(trial: dict[str, Any]) -> dict[str, Any]:
    names = ("zeros", "slope", "mean", "std")
    return trial | {name: math.nan if trial[name] is None else trial[name] for name in names}
