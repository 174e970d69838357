"""A small plot of an activation and its slope, drawn so that it can be read on white and on black."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from models.activations.run import Array, evaluate
from models.activations.table import ACTIVATIONS, Elementwise

GREY, BLUE, ORANGE = "#808080", "#3b82f6", "#e8710a"  # each at least 3:1 against white and against #0d1117


def draw(name: str, path: Path) -> None:
    """Write the plot as SVG, the same bytes each time."""
    x = np.linspace(-5, 5, 501, dtype=np.float32)
    value, slope = curve(name, x)
    figure = Figure(figsize=(3.4, 2.4), layout="constrained")
    axes = figure.add_subplot()
    axes.axhline(0, color=GREY, linewidth=0.6)
    axes.axvline(0, color=GREY, linewidth=0.6)
    axes.plot(x, value, color=BLUE, linewidth=1.8, label=f"{name}(x)")
    axes.plot(x, slope, color=ORANGE, linewidth=1.4, linestyle="--", label="derivative")
    axes.set_xlabel("x", color=GREY)
    axes.tick_params(colors=GREY)
    for spine in axes.spines.values():
        spine.set_edgecolor(GREY)
    axes.legend(frameon=False, labelcolor="linecolor", fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context({"svg.hashsalt": name}):
        figure.savefig(path, format="svg", transparent=True, metadata={"Date": None})


def curve(name: str, x: Array) -> tuple[Array, Array]:
    """Value and slope; along an axis, those of the first of two elements, the second being 0 (for glu, also x)."""
    if isinstance(ACTIVATIONS[name], Elementwise):
        return evaluate(name, x), evaluate(name, x, "grad_x")
    pairs = np.stack([x, x if name == "glu" else np.zeros_like(x)], axis=-1)
    value = evaluate(name, pairs)[:, 0]
    first = np.zeros_like(evaluate(name, pairs))
    first[:, 0] = 1
    return value, evaluate(name, pairs, "grad_x", grad_output=first)[:, 0]
