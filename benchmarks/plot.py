"""A report as a picture: throughput relative to ours, a line for each case and a mark for each peer. The file depends
on the figures alone: no date, no random name, no font inside."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from benchmarks.cases import Case
from benchmarks.figures import Report
from benchmarks.peers import OURS, PEERS

SETTINGS: Final = {"svg.hashsalt": "actserve", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9}
INKS: Final = {
    OURS: "#2f6db5",
    "floor": "#444444",
    "naive": "#999999",
    "mosec": "#d95f02",
    "litserve": "#7b4fa3",
    "bentoml": "#1b9e77",
    "mlserver": "#c2a500",
    "kserve": "#d6368f",
}
"""One colour for the peers of one environment, which are told apart by their marks."""
MARKS: Final = "osD^"
TICKS: Final = (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
LINE_INCHES: Final = 0.27
AROUND_INCHES: Final = 1.5  # the axis below and the legend above


def draw(report: Report, reference: str, file: Path) -> None:
    """Writes the picture. A case that not both `reference` and another peer were measured in has no line."""
    styles = {peer: style for peer, style in _styles().items() if peer in report.peers and peer != reference}
    cases = [case for case in report.cases if any(report.ratio(peer, reference, case) for peer in styles)]
    with mpl.rc_context(SETTINGS):  # type: ignore[arg-type]  # its stub lists the keys, its code takes any mapping
        figure = Figure(figsize=(8, AROUND_INCHES + LINE_INCHES * len(cases)), layout="constrained")
        axes = figure.subplots()
        _lines(axes, cases, reference)
        for peer, style in styles.items():
            ratios = [report.ratio(peer, reference, case) for case in cases]
            axes.plot([ratio or nan for ratio in ratios], range(len(cases)), label=peer, **style)
        figure.legend(loc="outside upper center", ncols=4, frameon=False)
        file.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})


def _styles() -> dict[str, dict[str, Any]]:
    """How each peer is marked, always alike, whoever else is there."""
    families: dict[str, int] = {}
    styles = {}
    for peer in PEERS:
        number = families[peer.home] = families.get(peer.home, -1) + 1
        styles[peer.name] = {"color": INKS[peer.home], "marker": MARKS[number], "linestyle": "", "alpha": 0.85}
    return styles


def _lines(axes: Axes, cases: Sequence[Case], reference: str) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(list(TICKS)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_yticks(range(len(cases)), [case.name for case in cases])
    axes.set_ylim(max(len(cases), 1) - 0.5, -0.5)
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.axvline(1, color=INKS[OURS], linewidth=1.4, label=reference)
    axes.set_xlabel(f"throughput relative to {reference} (log scale; to the right of the line is faster)")
    for line in range(1, len(cases)):
        if cases[line].group != cases[line - 1].group:
            axes.axhline(line - 0.5, color="black", linewidth=0.6)
