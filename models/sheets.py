"""`python -m models.sheets`: the test images that the explorer offers, as one picture of each data set.

Row r of a sheet has the first ten test images of class r; `sheets.json` says which they are. The pixels are those of
the data set, to the bit.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import torch
from PIL import Image

from models.data import LOADERS, Dataset, Samples

SIDE: Final = 28
EACH: Final = 10
EXPLORER: Final = Path(__file__).parents[1] / "service" / "explorer"


def chosen(test: Samples) -> torch.Tensor:
    """Row numbers `[class, 10]` of the first ten test images of each class."""
    classes = range(int(test.labels.max()) + 1)
    return torch.stack([(test.labels == label).nonzero().flatten()[:EACH] for label in classes])


def sheet(test: Samples, rows: torch.Tensor) -> Image.Image:
    """The images side by side, a class in each line."""
    pixels = (test.images[rows.flatten()] * 255).round().to(torch.uint8)
    tiles = pixels.reshape(*rows.shape, SIDE, SIDE).permute(0, 2, 1, 3)
    return Image.fromarray(tiles.reshape(rows.shape[0] * SIDE, rows.shape[1] * SIDE).numpy())


def write(sets: dict[str, Dataset], folder: Path) -> None:
    """Writes `<data set>.png` for each, and `sheets.json` for all."""
    told = {}
    for name, dataset in sets.items():
        rows = chosen(dataset.test)
        sheet(dataset.test, rows).save(folder / f"{name}.png", optimize=True)
        told[name] = {"source": dataset.source, "labels": list(dataset.labels), "images": rows.tolist()}
    (folder / "sheets.json").write_text(json.dumps(told, ensure_ascii=False, separators=(",", ":")) + "\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m models.sheets", description=__doc__)
    parser.add_argument("--folder", type=Path, default=EXPLORER, help="where to write")
    options = parser.parse_args(arguments)
    write({name: load() for name, load in LOADERS.items()}, options.folder)


if __name__ == "__main__":
    main()
