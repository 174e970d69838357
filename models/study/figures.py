"""Figures as text: means with their spread, differences with their p-value, tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from statistics import mean

from models.study.comparison import Difference, spread
from models.study.trial import Trial

Figure = Callable[[Trial], float]


def first(trial: Trial) -> float:
    """Test accuracy after one epoch."""
    return trial.accuracy[0]


def last(trial: Trial) -> float:
    """Test accuracy after all epochs."""
    return trial.accuracy[-1]


def reached(trial: Trial) -> float:
    """Epochs until 85 %; where that never was, as many as there were, which is the least it can be."""
    return len(trial.accuracy) if trial.reached is None else trial.reached


def dead(trial: Trial) -> float:
    """Dead units at the end."""
    return trial.dead[-1]


def shares(values: Sequence[float], digits: int = 2) -> str:
    """Mean and sample standard deviation of shares of 1, in percent."""
    return f"{spreading([100 * value for value in values], digits)} %"


def spreading(values: Sequence[float], digits: int) -> str:
    """Mean and sample standard deviation."""
    if not all(map(math.isfinite, values)):
        return "not finite"
    return f"{_signed(mean(values), digits)} ± {spread(values):.{digits}f}"


def gap(difference: Difference, scale: float = 100, unit: str = "points", digits: int = 2) -> str:
    """A difference, by default of shares and in percentage points."""
    middle = _signed(scale * difference.mean, digits, "+")
    return f"{middle} ± {scale * difference.std:.{digits}f} {unit} ({chance(difference.p)})"


def chance(p: float) -> str:
    """A p-value."""
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.2g}" if p < 0.995 else "p = 1"


def epochs(trials: Sequence[Trial]) -> str:
    """Epochs to 85 %, and of how many seeds that is not told because they never came there."""
    missing = sum(trial.reached is None for trial in trials)
    limit = len(trials[0].accuracy)
    if missing == len(trials):
        return f"not in {limit}"
    found = spreading([reached(trial) for trial in trials], 1)
    return f"≥ {found} ({missing} of {len(trials)} not in {limit})" if missing else found


def listed(names: Sequence[str]) -> str:
    """`a`, `b` and `c`."""
    quoted = [f"`{name}`" for name in names]
    return " and ".join([", ".join(quoted[:-1]), quoted[-1]] if len(quoted) > 1 else quoted)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


def _signed(value: float, digits: int, plus: str = "-") -> str:
    """With the sign that print uses, not the hyphen; without one for what is rounded to nothing."""
    text = f"{value:{plus}.{digits}f}"
    return text.replace("-", "−") if float(text) else f"{0:.{digits}f}"
