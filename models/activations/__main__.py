"""`python -m models.activations`: write every activation's models into `models/repository`."""

from __future__ import annotations

import argparse
from pathlib import Path

from tqdm import tqdm

from models.activations.model import ELEMENT_TYPES, build
from models.activations.table import ACTIVATIONS

REPOSITORY = Path(__file__).parents[1] / "repository"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m models.activations", description=__doc__)
    parser.add_argument("--repository", type=Path, default=REPOSITORY, help="where to write (default: %(default)s)")
    repository = parser.parse_args().repository
    for name in tqdm(ACTIVATIONS, desc="activations", unit="model"):
        write_models(name, repository / name / "1")
    print(f"{len(ACTIVATIONS)} activations in {len(ELEMENT_TYPES)} types written to {repository}")


def write_models(name: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for file, element in ELEMENT_TYPES.items():
        (folder / file).write_bytes(build(name, element).SerializeToString(deterministic=True))


if __name__ == "__main__":
    main()
