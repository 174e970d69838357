"""`python -m benchmarks.drift`: what drift comes to for data that has shifted, written into docs/diagnosis.md.

The shipped networks and their own test images, none of which their reference has seen, as they are and changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from benchmarks import table
from benchmarks.cases import Rows
from benchmarks.peers import ROOT
from models.data import LOADERS
from service.diagnosis.diagnosis import Diagnosis
from service.diagnosis.observer import observer
from service.live import told
from service.live.window import Seen
from service.model import Model
from service.session import Runtime

DOCUMENT = ROOT / "docs" / "diagnosis.md"
COMMAND = "python -m benchmarks.drift"
LAYER = 0  # the hidden one


def main() -> None:
    """Measures, prints and writes."""
    names = list(LOADERS)
    figures = {name: _figures(name) for name in names}
    header = ["test images", *(f"`{name}`" for name in names)]
    rows = [[change, *(f"{figures[name][change]:.3f}" for name in names)] for change in figures[names[0]]]
    print(text := table.markdown(header, rows))
    DOCUMENT.write_text(table.place(DOCUMENT.read_text(), text, COMMAND))


def _figures(name: str) -> dict[str, float]:
    model = Model(name, "1", Path(ROOT) / "models" / "repository" / name / "1" / "model.onnx", Runtime())
    images: Rows = LOADERS[name]().test.images.numpy()
    return {change: _drift(model, changed) for change, changed in _changes(images).items()}


def _changes(images: Rows) -> Mapping[str, Rows]:
    """In an order that no label has, so that a part of them is like the whole."""
    dice = np.random.default_rng(0)
    images = images[dice.permutation(len(images))]
    noise = dice.normal(size=images.shape).astype(np.float32)
    some = images.copy()
    some[::10] = 1 - some[::10]
    return {
        "as they are": images,
        "500 of them": images[:500],
        "100 of them": images[:100],
        "one in ten inverted": some,
        "inverted (1 − x)": 1 - images,
        "noise, σ = 0.2": np.clip(images + 0.2 * noise, 0, 1),
        "noise, σ = 0.5": np.clip(images + 0.5 * noise, 0, 1),
        "noise, σ = 1": np.clip(images + noise, 0, 1),
        "half as bright": images * np.float32(0.5),
        "0…255 instead of 0…1": images * np.float32(255),
    }


def _drift(model: Model, rows: Rows) -> float:
    looking = observer(model, model.runtime)
    run, _ = looking.stoppable()
    found = Diagnosis(looking, model.inputs, model.metadata.joinable, told.edges(model))
    found.add({model.inputs[0].name: rows}, len(rows), run)
    layer = told.told(model, Seen(found.rows, found.records), 0, 1)["layers"][LAYER]
    return float(layer["drift"]["psi"])


if __name__ == "__main__":
    main()
