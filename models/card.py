"""The part of the model card that is measured: tables written between two marks in `docs/models.md`."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from models.measurement import Measurement

BEGIN: Final = "<!-- written by `python -m models.evaluate`: begin -->"
END: Final = "<!-- written by `python -m models.evaluate`: end -->"

PUBLISHED: Final = (("XGBoost", 0.898), ("MLP 256-128-100", 0.8833))
"""Accuracy on the official test set as listed at https://github.com/zalandoresearch/fashion-mnist#benchmark."""


def update(path: Path, measured: Sequence[Measurement]) -> None:
    """Replaces what stands between the marks in the file. Raises `ValueError` when the marks are not there."""
    text = path.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        raise ValueError(f"{path.name} lacks the line {BEGIN} or {END}")
    beside = [published(each) for each in measured if each.model == "fashion_mnist"]
    tables = "\n\n".join([_scores(measured), *beside, _layers(measured)])
    within = re.compile(re.escape(BEGIN) + ".*" + re.escape(END), re.DOTALL)
    path.write_text(within.sub(lambda _: f"{BEGIN}\n{tables}\n{END}", text), encoding="utf-8")


def _scores(measured: Sequence[Measurement]) -> str:
    head = "| model | seed shipped | test accuracy | over the seeds | calibration error | over the seeds |"
    return "\n".join([head, "|---|---|---|---|---|---|", *map(_score, measured)])


def _score(each: Measurement) -> str:
    known = each.metrics
    accuracies = f"{known['test_accuracy_mean']:.4f} ± {known['test_accuracy_std']:.4f}"
    errors = f"{known['test_ece_mean']:.4f} ± {known['test_ece_std']:.4f}"
    own = f"{each.accuracy:.4f} | {accuracies} | {each.reliability.error:.4f} | {errors}"
    return f"| `{each.model}` | {each.metadata['seed']} | {own} |"


def _layers(measured: Sequence[Measurement]) -> str:
    """What each hidden layer gives for the held-out training images, as the file says of itself."""
    rows = []
    for each in measured:
        (layer,) = each.reference["layers"]
        figures = f"{layer['zero_share']:.1%} | {layer['mean']:.2f} | {layer['std']:.2f}"
        rows.append(f"| `{each.model}` | `{layer['node']}` | {figures} |")
    head = "| model | hidden layer | zeros | mean | standard deviation |"
    return "\n".join([head, "|---|---|---|---|---|", *rows])


def published(each: Measurement) -> str:
    """The mean accuracy of `fashion_mnist` among the published figures, best first."""
    mean = f"| **`{each.model}`, 784-128-10, mean of {int(each.metrics['seeds'])} seeds**"
    ours = (mean, each.metrics["test_accuracy_mean"])
    rows = sorted([ours, *((f"| {name}", accuracy) for name, accuracy in PUBLISHED)], key=lambda row: -row[1])
    return "\n".join(["| on Fashion-MNIST | test accuracy |", "|---|---|", *(f"{n} | {a:.4f} |" for n, a in rows)])
