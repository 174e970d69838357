"""Results made up so that what must be said of them is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from models.network import ACTIVATIONS
from models.study.case import CASES
from models.study.results import Results
from models.study.trial import Trial

MADE = {"date": "2000-01-01", "processor": "made up", "torch": "0", "core_minutes": 1}
SAME: dict[str, Any] = {
    "accuracy": [0.8, 0.9], "reached": 1.5, "dead": [0, 0, 0], "revived": 0, "saturated": 0,
    "zeros": 0.0, "slope": 0.5, "mean": 0.5, "std": 1.0,
}  # fmt: skip

MakeResults = Callable[..., Results]


@pytest.fixture
def made_up() -> MakeResults:
    """Four seeds of everything, all activations alike but for the figures given as {(case, activation): {figure: by
    seed}}."""

    def make(figures: dict[tuple[str, str], dict[str, list[Any]]] | None = None, seconds: float = 1.0) -> Results:
        def trial(case: str, activation: str, seed: int) -> Trial:
            own = {name: values[seed] for name, values in (figures or {}).get((case, activation), {}).items()}
            return Trial(case=case, activation=activation, seed=seed, **(SAME | own))

        trials = [trial(case, activation, seed) for case in CASES for activation in ACTIVATIONS for seed in range(4)]
        return Results(MADE, dict.fromkeys(ACTIVATIONS, seconds) | {"relu": 1.0}, trials)

    return make
