"""The model card's pictures as SVG files that depend on the figures alone: no date, no random name, no font inside."""

from pathlib import Path
from typing import Final

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from models.calibration import BINS, Reliability
from models.measurement import Measurement

SETTINGS: Final = {"svg.hashsalt": "actserve", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9}
BLUE: Final = "#2f6db5"
PALE: Final = "#c3d5ea"
GREY: Final = "#999999"
FEW: Final = 0.002
"""A bin with a smaller share of the images is drawn pale: its accuracy is mostly chance."""


def draw(measurement: Measurement, folder: Path) -> None:
    """Writes `<model>_confusion.svg` and `<model>_calibration.svg` into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(SETTINGS):  # type: ignore[arg-type]  # its stub lists the keys, its code takes any mapping
        confusion = Figure(figsize=(6, 5.4), layout="constrained")
        _confusion(confusion.subplots(), measurement.confusion, measurement.class_names)
        save(confusion, folder / f"{measurement.model}_confusion.svg")
        calibration = Figure(figsize=(4.6, 6), layout="constrained")
        _calibration(calibration.subplots(), measurement.reliability)
        save(calibration, folder / f"{measurement.model}_calibration.svg")


def _confusion(axes: Axes, counts: torch.Tensor, names: list[str]) -> None:
    """Counts, shaded by their share of the true class."""
    shares = counts / counts.sum(dim=1, keepdim=True)
    axes.pcolormesh(shares.numpy(), cmap="Blues", vmin=0, vmax=1, edgecolors="white", linewidth=1)
    for row, column in torch.cartesian_prod(torch.arange(len(names)), torch.arange(len(names))).tolist():
        ink = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column + 0.5, row + 0.5, str(int(counts[row, column])), ha="center", va="center", color=ink)
    places = [number + 0.5 for number in range(len(names))]
    axes.set_xticks(places, names, rotation=45, ha="right")
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    axes.set(xlabel="predicted class", ylabel="true class", aspect="equal")


def _calibration(axes: Axes, measured: Reliability) -> None:
    """Accuracy by confidence; a calibrated network's bars end on the diagonal. Below, how many images each bin has."""
    middles = (np.arange(BINS) + 0.5) / BINS
    inks = [BLUE if share >= FEW else PALE for share in measured.share.tolist()]
    axes.bar(
        middles,
        measured.accuracy.numpy(),
        width=0.9 / BINS,
        color=inks,
        label=f"accuracy (pale: under {FEW:.1%} of images)",
    )
    axes.bar(middles, -0.2 * measured.share.numpy(), width=0.9 / BINS, color=GREY, label="share of images, downwards")
    axes.plot([0, 1], [0, 1], color="black", linestyle="--", linewidth=1, label="perfectly calibrated")
    axes.set(xlabel="confidence (highest probability)", ylabel="accuracy", xlim=(0, 1), ylim=(-0.22, 1), aspect="equal")
    axes.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1])
    axes.set_title(f"expected calibration error {measured.error:.4f}")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), frameon=False)


def save(figure: Figure, path: Path) -> None:
    """Writes the figure as SVG without a date."""
    figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
