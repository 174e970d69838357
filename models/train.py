"""`python -m models.train`: trains the networks that ship and exports them to `models/repository/`."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import torch
from torch.nn import functional

from models import calibration, reference
from models.data import LOADERS, Dataset, Samples, split
from models.export import export, logits_of
from models.fit import fit
from models.metadata import Score, metadata
from models.network import CLASSES, Network
from models.recipe import SEEDS, SHIPPED, TEACHER_SHARE, Recipe, find
from models.teacher import trained_opinions

REPOSITORY: Final = Path(__file__).parent / "repository"


@dataclass(frozen=True)
class Material:
    """What networks learn from: samples, the class probabilities `[count, 10]` wanted for them, held-out samples."""

    samples: Samples
    targets: torch.Tensor
    held_out: Samples


@dataclass(frozen=True)
class Trained:
    """One network, the seed it was trained from, and its cross-entropy on the held-out training images."""

    network: Network
    seed: int
    held_out_loss: float


def material(recipe: Recipe, dataset: Dataset, held_out: int) -> Material:
    """Splits `held_out` images per class from the training set, and softens the other labels if there is a teacher."""
    samples, held = split(dataset.train, held_out)
    targets = functional.one_hot(samples.labels, CLASSES).float()
    if recipe.teacher is not None:
        targets = TEACHER_SHARE * trained_opinions(samples, recipe.teacher) + (1 - TEACHER_SHARE) * targets
    return Material(samples, targets, held)


def train(recipe: Recipe, activation: str, given: Material, seed: int) -> Trained:
    """One network, its temperature fitted on the held-out images and folded into `fc2`."""
    torch.manual_seed(seed)
    network = Network(activation)
    generator = torch.Generator().manual_seed(seed)
    title = f"{recipe.data} {activation} seed {seed}"
    fit(network, given.samples.images, given.targets, recipe.schedule, generator, recipe.augment, title)
    held = given.held_out
    calibration.fold(network, calibration.fitted_temperature(logits_of(network, held.images), held.labels))
    return Trained(network, seed, float(functional.cross_entropy(logits_of(network, held.images), held.labels)))


def score(network: Network, samples: Samples) -> Score:
    """Accuracy and calibration error on samples the network was not trained on."""
    logits = logits_of(network, samples.images)
    accuracy = (logits.argmax(1) == samples.labels).double().mean()
    return Score(float(accuracy), calibration.reliability(logits.softmax(1), samples.labels).error)


def validate(model: str) -> None:
    """Prints scores on held-out training images, more of them than usual; touches no test set and writes nothing."""
    recipe, activation = find(model)
    given = _material(recipe, recipe.validation)
    for seed in SEEDS:
        print(model, f"seed {seed}, held out:", score(train(recipe, activation, given, seed).network, given.held_out))


def ship(model: str, repository: Path) -> None:
    """Trains from every seed, exports the one with the lowest held-out loss, prints the test scores of all."""
    recipe, activation = find(model)
    given, dataset = _material(recipe, recipe.held_out), _dataset(recipe.data)
    trained = [train(recipe, activation, given, seed) for seed in SEEDS]
    chosen = min(trained, key=lambda each: each.held_out_loss)
    scores = {each.seed: score(each.network, dataset.test) for each in trained}
    facts = metadata(recipe, activation, dataset, chosen.seed, scores)
    export(chosen.network, dataset.test.images, facts, _file(model, repository))
    for each in trained:
        print(model, f"seed {each.seed}: held-out loss {each.held_out_loss:.4f}, test:", scores[each.seed])
    print(f"{model}: exported seed {chosen.seed}")
    count_reference(model, repository)


def count_reference(model: str, repository: Path) -> None:
    """Writes the reference statistics, counted on the held-out training images, into the file that is there."""
    recipe, _ = find(model)
    _, held = split(_dataset(recipe.data).train, recipe.held_out)
    source = f"held-out training images, {recipe.held_out} of each class"
    reference.refresh(_file(model, repository), held.images.numpy(), source)
    print(f"{model}: reference statistics of {len(held):,} images written")


def _file(model: str, repository: Path) -> Path:
    return repository / model / "1" / "model.onnx"


@cache  # networks that differ only in their activation learn from one teacher
def _material(recipe: Recipe, held_out: int) -> Material:
    return material(recipe, _dataset(recipe.data), held_out)


@cache
def _dataset(name: str) -> Dataset:
    return LOADERS[name]()


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m models.train", description=__doc__)
    parser.add_argument("--model", nargs="+", default=SHIPPED, help="default: all that ship")
    parser.add_argument("--repository", type=Path, default=REPOSITORY, help="where to write <model>/1/model.onnx")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--validate", action="store_true", help="score on held-out training images; write nothing")
    instead.add_argument("--reference", action="store_true", help="count the reference statistics of the files anew")
    options = parser.parse_args(arguments)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)  # sums are then added in one order, on however many cores
    for model in options.model:
        if options.validate:
            validate(model)
        else:
            (count_reference if options.reference else ship)(model, options.repository)


if __name__ == "__main__":
    main()
