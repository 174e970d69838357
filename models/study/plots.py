"""The study's pictures, drawn from its results alone: the same bytes each time, legible on white and on black."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from models.network import ACTIVATIONS, HIDDEN
from models.pictures import SETTINGS, save
from models.study.case import CASES, PLAIN, PROVOKED, Case
from models.study.figures import first, last
from models.study.results import Results

GREY: Final = "#808080"
COLOURS: Final = (
    "#e8710a", "#3b82f6", "#06a3b7", "#16a34a", "#8a9a1a", "#d946ef", "#8b5cf6", "#dc2626", "#a0785a",
)  # fmt: skip
COLOUR: Final = dict(zip(ACTIVATIONS, COLOURS, strict=True))


def draw(results: Results, folder: Path) -> None:
    """Writes the pictures into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(SETTINGS):  # type: ignore[arg-type]  # its stub lists the keys, its code takes any mapping
        _save(_accuracy(results), folder / "accuracy.svg")
        _save(_against_relu(results), folder / "against_relu.svg")
        _save(_dead(results), folder / "dead.svg")


def _accuracy(results: Results) -> Figure:
    """Accuracy by epoch of every activation, one panel for each case."""
    figure = Figure(figsize=(9, 6), layout="constrained")
    panels = figure.subplots(2, 2).flat
    for axes, case in zip(panels, (PLAIN, *PROVOKED), strict=True):
        for name in ACTIVATIONS:
            _line(axes, _by_epoch([trial.accuracy for trial in results.of(case.name, name)]), name)
        axes.set_ylim(*((0.81, 0.9) if case is PLAIN else (-0.02, 0.9)))
        _label(axes, _plain_text(case), "epochs", "test accuracy, mean of the seeds")
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", frameon=False, labelcolor="linecolor")
    return figure


def _against_relu(results: Results) -> Figure:
    """One dot for each seed: an activation's accuracy less ReLU's. The bar is the mean."""
    figure = Figure(figsize=(7, 3.4), layout="constrained")
    others = [name for name in ACTIVATIONS if name != "relu"]
    for axes, figure_of, title in zip(
        figure.subplots(1, 2), (first, last), ("after 1 epoch", "at the end"), strict=True
    ):
        base = results.column(PLAIN.name, "relu", figure_of)
        for place, name in enumerate(others):
            own = results.column(PLAIN.name, name, figure_of)
            gaps = [100 * (one - other) for one, other in zip(own, base, strict=True)]
            axes.plot(gaps, [place] * len(gaps), "o", color=COLOUR[name], markersize=3.5, alpha=0.7)
            axes.plot([mean(gaps)], [place], "|", color=COLOUR[name], markersize=16, markeredgewidth=2)
        axes.axvline(0, color=GREY, linewidth=0.8)
        axes.set_yticks(range(len(others)), others)
        axes.invert_yaxis()
        _label(axes, title, "accuracy less that of relu, points", "")
    return figure


def _dead(results: Results) -> Figure:
    """Dead units of ReLU by epoch, in each case."""
    figure = Figure(figsize=(6, 3.2), layout="constrained")
    axes = figure.subplots()
    for case, colour in zip(CASES.values(), COLOURS[1:], strict=False):
        for trial in results.of(case.name, "relu"):
            axes.plot(trial.dead, color=colour, linewidth=0.7, alpha=0.5)
        middle = _by_epoch([[float(count) for count in trial.dead] for trial in results.of(case.name, "relu")])
        axes.plot(middle, color=colour, linewidth=1.8, label=_plain_text(case))
    axes.set_ylim(-3, HIDDEN + 3)
    axes.legend(frameon=False, labelcolor="linecolor", fontsize="small", loc="center right")
    _label(axes, "", "epochs", f"dead units of {HIDDEN}")
    return figure


def _by_epoch(rows: Sequence[Sequence[float]]) -> list[float]:
    return [mean(column) for column in zip(*rows, strict=True)]


def _line(axes: Axes, values: Sequence[float], name: str) -> None:
    style = "-" if name == "relu" else "--" if name in ("sigmoid", "tanh") else "-."
    axes.plot(range(1, len(values) + 1), values, style, color=COLOUR[name], linewidth=1.4, label=name)


def _label(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(title, color=GREY)
    axes.set_xlabel(x, color=GREY)
    axes.set_ylabel(y, color=GREY)
    axes.tick_params(colors=GREY)
    for spine in axes.spines.values():
        spine.set_edgecolor(GREY)


def _plain_text(case: Case) -> str:
    return case.title.replace("`", "")


def _save(figure: Figure, path: Path) -> None:
    figure.patch.set_alpha(0)
    for axes in figure.axes:
        axes.patch.set_alpha(0)
    save(figure, path)
