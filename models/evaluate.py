"""`python -m models.evaluate`: measures the shipped files on the test sets and writes the model card's figures."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from models import card, pictures
from models.data import LOADERS
from models.measurement import Measurement, measure
from models.recipe import RECIPES, find, known

REPOSITORY: Final = Path(__file__).parent / "repository"
DOCS: Final = Path(__file__).resolve().parents[1] / "docs"


def measurements(repository: Path) -> Iterator[Measurement]:
    """Measures every trained network in the repository on its own test set; the activations there are passed over."""
    test_sets = {name: load().test for name, load in LOADERS.items()}
    for model, path in networks(repository).items():
        yield measure(model, path, test_sets[find(model)[0].data])


def networks(repository: Path) -> dict[str, Path]:
    """The files in the repository, by model, whose names have a recipe."""
    return {path.parts[-3]: path for path in sorted(repository.glob("*/1/model.onnx")) if known(path.parts[-3])}


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m models.evaluate", description=__doc__)
    parser.add_argument("--repository", type=Path, default=REPOSITORY)
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of models.md and images/")
    options = parser.parse_args(arguments)
    measured = list(measurements(options.repository))
    for each in measured:
        print(f"{each.model}: accuracy {each.accuracy:.4f}, calibration error {each.reliability.error:.4f}")
        if each.model in RECIPES:  # the family's pictures would look like those of its first
            pictures.draw(each, options.docs / "images")
    card.update(options.docs / "models.md", measured)


if __name__ == "__main__":
    main()
