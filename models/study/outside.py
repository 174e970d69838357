"""Sayings about how fast and how well networks learn, answered by comparison seed by seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from models.study.case import PLAIN
from models.study.claim import Claim, by_count, by_direction
from models.study.comparison import Difference, corrected, paired
from models.study.figures import Figure, first, gap, last, listed, reached, shares, table
from models.study.results import Results

VARIANTS: Final = ("leaky_relu", "prelu", "elu", "selu", "gelu", "silu")
"""What was put forward in place of ReLU."""
LONGER: Final = 0.05
"""By what share an epoch must take longer to count as dearer: less comes and goes from run to run."""


def compared(results: Results, one: str, other: str, figure: Figure, case: str = PLAIN.name) -> Difference:
    """One activation less another in some figure."""
    return paired(results.column(case, one, figure), results.column(case, other, figure))


def faster(results: Results, quick: str, slow: str, said: str) -> Claim:
    """Whether one activation learns faster than another: accuracy after an epoch, and epochs to 85 %."""
    found = corrected(
        {"accuracy": compared(results, quick, slow, first), "epochs": compared(results, quick, slow, reached)}
    )
    accuracy, epochs = gap(found["accuracy"]), gap(found["epochs"], 1, "epochs", 1)
    seen = f"`{quick}` less `{slow}`: accuracy after 1 epoch {accuracy}, epochs to 85 % {epochs}."
    verdict = by_direction([found["accuracy"].direction, -found["epochs"].direction])
    return Claim(said, verdict, seen, "")


def more_accurate(results: Results) -> Claim:
    """Whether what was put forward in place of ReLU ends with a higher accuracy."""
    return accuracies(results, VARIANTS, 1, "The variants are more accurate than ReLU")


def less_accurate(results: Results) -> Claim:
    """Whether what ReLU took the place of ends with a lower accuracy."""
    return accuracies(results, ("sigmoid", "tanh"), -1, "Sigmoid and tanh are less accurate than ReLU")


def accuracies(results: Results, names: Sequence[str], way: int, said: str) -> Claim:
    """Whether all of `names` end with a higher accuracy than ReLU (`way` 1) or a lower one (−1)."""
    found = corrected({name: compared(results, name, "relu", last) for name in names})
    words = {1: "better than `relu`", 0: "no difference that shows", -1: "worse than `relu`"}
    sorted_out = {each: [name for name in names if found[name].direction == each] for each in words}
    seen = "; ".join(f"{words[each]}: {listed(some)}" for each, some in sorted_out.items() if some)
    rows = [
        [f"`{name}`", shares(results.column(PLAIN.name, name, last)), gap(found[name]) if name in found else "–"]
        for name in ("relu", *names)
    ]
    evidence = table(("activation", "test accuracy after the last epoch", "less `relu`, seed by seed"), rows)
    verdict = by_direction(way * each.direction for each in found.values())
    return Claim(said, verdict, f"{seen[0].upper()}{seen[1:]}.", evidence)


def cheapest(results: Results) -> Claim:
    """Whether an epoch with any other activation takes at least a twentieth longer than with ReLU."""
    own, others = results.epoch_seconds["relu"], [name for name in results.epoch_seconds if name != "relu"]
    longer = {name: results.epoch_seconds[name] / own - 1 for name in others}
    slower = [name for name in others if longer[name] >= LONGER]
    listing = ", ".join(f"`{name}` {100 * longer[name]:+.0f} %".replace("-", "−") for name in others)
    seen = f"An epoch takes {own:.2f} s of one core with `relu`; the others: {listing}. "
    seen += f"At least {LONGER:.0%} longer: {listed(slower) if slower else 'none'}.".replace("%", " %")
    return Claim("Training with ReLU is the cheapest", by_count(len(slower), len(others)), seen, "")


def claims(results: Results) -> list[Claim]:
    """All of them."""
    return [
        faster(results, "relu", "tanh", "ReLU converges faster than tanh"),
        faster(results, "relu", "sigmoid", "ReLU converges faster than the sigmoid"),
        faster(results, "tanh", "sigmoid", "Tanh converges faster than the sigmoid"),
        more_accurate(results),
        less_accurate(results),
        cheapest(results),
    ]
