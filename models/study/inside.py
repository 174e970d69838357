"""Sayings about what goes on in the hidden layer, answered by looking into it."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import mean

from models.network import ACTIVATIONS, HIDDEN
from models.study.case import CASES, PLAIN, Case
from models.study.claim import NOT_SHOWN, Claim, by_count, by_direction
from models.study.comparison import corrected
from models.study.figures import dead, gap, last, shares, spreading, table
from models.study.outside import VARIANTS, compared
from models.study.results import Results
from models.study.trial import Trial

OTHERS = tuple(name for name in ACTIVATIONS if name != "relu")
SPARSE = 0.1
"""The least share of zeros that is called sparse."""


def every(results: Results, case: str, activation: str, so: Callable[[Trial], bool]) -> bool:
    """Whether something is so with every seed."""
    return all(so(trial) for trial in results.of(case, activation))


def die(results: Results) -> Claim:
    """Whether ReLU units end up giving zero for every training image."""
    dying = [case for case in CASES.values() if every(results, case.name, "relu", lambda trial: trial.dead[-1] > 0)]
    seen = "; ".join(f"{case.title}: {_units(results, case)}" for case in CASES.values())
    rows = [[case.title, *_course(results, case)] for case in CASES.values()]
    head = ("training", "dead before", "after 1 epoch", "at the end", "at the end, seed by seed", "accuracy at the end")
    seen = f"Dead of {HIDDEN} at the end: {seen}."
    return Claim("ReLU units die", by_count(len(dying), len(CASES)), seen, table(head, rows))


def _units(results: Results, case: Case) -> str:
    return spreading(results.column(case.name, "relu", dead), 1)


def _course(results: Results, case: Case) -> list[str]:
    trials = results.of(case.name, "relu")
    numbers = [spreading([trial.dead[epoch] for trial in trials], 1) for epoch in (0, 1, -1)]
    seeds = ", ".join(str(trial.dead[-1]) for trial in trials)
    return [*numbers, seeds, shares([last(trial) for trial in trials])]


def revived(trial: Trial) -> float:
    """Units that were dead and are not at the end."""
    return trial.revived


def stay_dead(results: Results) -> Claim:
    """Whether a unit that was dead before training or after some epoch is dead at the end."""
    counts = {case: [results.column(case.name, "relu", f) for f in (revived, dead)] for case in CASES.values()}
    back = {case: (sum(revived), sum(revived) + sum(at_end)) for case, (revived, at_end) in counts.items()}
    seen = "; ".join(f"{case.title}: {some:.0f} of {all_:.0f}" for case, (some, all_) in back.items())
    right = sum(some == 0 for some, all_ in back.values() if all_)
    verdict = by_count(right, sum(all_ > 0 for _, all_ in back.values()))
    return Claim("A dead ReLU unit stays dead", verdict, f"Units once dead that came back, over all seeds: {seen}.", "")


def leaky_lives(results: Results) -> Claim:
    """Whether leaky ReLU has no dead units, and what that does for accuracy."""
    alive = [
        case for case in CASES.values() if every(results, case.name, "leaky_relu", lambda trial: trial.dead[-1] == 0)
    ]
    gaps = corrected({case.name: compared(results, "leaky_relu", "relu", last, case.name) for case in CASES.values()})
    rows = [
        [
            case.title,
            spreading(results.column(case.name, "leaky_relu", dead), 1),
            shares(results.column(case.name, "leaky_relu", last)),
            gap(gaps[case.name]),
        ]
        for case in CASES.values()
    ]
    higher = [case.title for case in CASES.values() if gaps[case.name].direction > 0]
    seen = f"No dead unit with any seed in {len(alive)} of {len(CASES)} trainings; accuracy above that of `relu` in "
    seen += f"{len(higher)} of them{': ' if higher else ''}{'; '.join(higher)}."
    head = ("training", "dead units of `leaky_relu` at the end", "its accuracy at the end", "less `relu`, seed by seed")
    return Claim("Leaky ReLU keeps units alive", by_count(len(alive), len(CASES)), seen, table(head, rows))


def variants_live(results: Results) -> Claim:
    """Whether none of what was put forward in place of ReLU has dead units."""
    both = [(case, name) for case in CASES.values() for name in VARIANTS]
    died = [pair for pair in both if max(results.column(pair[0].name, pair[1], dead))]
    rows = [
        [
            f"`{name}`",
            case.title,
            *(spreading(results.column(case.name, name, figure), 1) for figure in (dead, revived)),
        ]
        for case, name in died
    ]
    pairs = "; ".join(f"`{name}`, {case.title}" for case, name in died)
    seen = f"No dead unit with any seed in {len(both) - len(died)} of {len(both)} trainings"
    seen += f"; the others: {pairs}." if died else "."
    evidence = table(("activation", "training", "dead units at the end", "once dead and come back"), rows)
    said = "The variants of ReLU do not die"
    return Claim(said, by_count(len(both) - len(died), len(both)), seen, evidence if died else "")


def sparse(results: Results) -> Claim:
    """Whether ReLU gives more zeros than any other activation, and with every seed at least a tenth of its outputs."""
    found = corrected({name: compared(results, "relu", name, zeros) for name in OTHERS})
    own = results.column(PLAIN.name, "relu", zeros)
    next_name = max(OTHERS, key=lambda name: mean(results.column(PLAIN.name, name, zeros)))
    seen = f"Zeros among the outputs of `relu`: {shares(own, 1)}, with no seed under {100 * min(own):.1f} %. "
    seen += f"Most of the others has `{next_name}`: {shares(results.column(PLAIN.name, next_name, zeros), 1)}."
    verdict = by_direction(each.direction for each in found.values()) if min(own) >= SPARSE else NOT_SHOWN
    return Claim("ReLU is sparse", verdict, seen, "")


def zeros(trial: Trial) -> float:
    """Share of zeros among the outputs."""
    return trial.zeros


def slope(trial: Trial) -> float:
    """Mean |slope|."""
    return trial.slope


def off_centre(trial: Trial) -> float:
    """How far the mean output is from zero, in standard deviations of the output."""
    return abs(trial.mean) / trial.std if trial.std else math.nan


def smallest_slope(results: Results) -> Claim:
    """Whether the sigmoid has the smallest mean slope of all, in plain training."""
    found = corrected({name: compared(results, "sigmoid", name, slope) for name in ACTIVATIONS if name != "sigmoid"})
    slopes = {name: results.column(PLAIN.name, name, slope) for name in ACTIVATIONS}
    order = sorted(slopes, key=lambda name: mean(slopes[name]))
    seen = f"Mean slope: {', '.join(f'`{name}` {spreading(slopes[name], 3)}' for name in order)}."
    said = "The sigmoid passes on the smallest gradients"
    return Claim(said, by_direction(-each.direction for each in found.values()), seen, "")


def saturate(results: Results) -> Claim:
    """Whether units of sigmoid and tanh end up with next to no slope for every training image."""
    names, cases = ("sigmoid", "tanh"), list(CASES.values())
    flat = [
        (case, name) for case in cases for name in names if every(results, case.name, name, lambda t: t.saturated > 0)
    ]
    rows = [
        [case.title, *(spreading(results.column(case.name, name, lambda t: t.saturated), 1) for name in names)]
        for case in cases
    ]
    seen = f"With every seed in {len(flat)} of {len(cases) * len(names)} trainings{': ' if flat else ''}"
    seen += "; ".join(f"`{name}`, {case.title}" for case, name in flat) + "."
    evidence = table(("training", *(f"saturated units of `{name}` at the end" for name in names)), rows)
    return Claim("Units of sigmoid and tanh saturate", by_count(len(flat), len(cases) * len(names)), seen, evidence)


def centred(results: Results) -> Claim:
    """Whether activations with negative outputs have a mean nearer to zero than ReLU."""
    names = ("elu", "selu", "tanh")
    found = corrected({name: compared(results, name, "relu", off_centre) for name in names})
    listing = ", ".join(
        f"`{name}` {spreading(results.column(PLAIN.name, name, off_centre), 2)}" for name in ("relu", *names)
    )
    seen = f"Distance of the mean output from zero, in standard deviations of the output: {listing}."
    said = "Negative outputs bring the mean nearer to zero"
    return Claim(said, by_direction(-each.direction for each in found.values()), seen, "")


def claims(results: Results) -> list[Claim]:
    """All of them."""
    inside = (die, stay_dead, leaky_lives, variants_live, sparse, saturate, smallest_slope, centred)
    return [claim(results) for claim in inside]
