"""What a server must know of a network and cannot read from its graph, as the file's `metadata_props`."""

import json
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Final

from models.data import Dataset
from models.recipe import Recipe

IMAGE: Final = {"width": 28, "height": 28, "mode": "L", "divisor": 255}


@dataclass(frozen=True)
class Score:
    """Accuracy and expected calibration error (15 bins) on a test set, both in 0…1."""

    accuracy: float
    calibration_error: float


def metadata(recipe: Recipe, activation: str, dataset: Dataset, seed: int, scores: dict[int, Score]) -> dict[str, str]:
    """The metadata of the network trained from `seed`; `scores` holds the test scores of every seed trained."""
    return {
        "task": "classification",
        "description": f"{recipe.subject}: 784→128→10 network with {activation} in its hidden layer.",
        "labels": json.dumps(dataset.labels),
        "scores": "probabilities",
        "image": json.dumps(IMAGE),
        "batching": "rows",
        "data": dataset.source,
        "recipe": recipe.text,
        "metrics": json.dumps(metrics(scores, seed)),
        "seed": str(seed),
    }


def metrics(scores: dict[int, Score], seed: int) -> dict[str, float | int]:
    """Test figures of the file itself, and their mean and sample standard deviation over all seeds."""
    accuracies = [score.accuracy for score in scores.values()]
    errors = [score.calibration_error for score in scores.values()]
    figures = {
        "test_accuracy": scores[seed].accuracy,
        "test_ece": scores[seed].calibration_error,
        "test_accuracy_mean": mean(accuracies),
        "test_accuracy_std": stdev(accuracies),
        "test_ece_mean": mean(errors),
        "test_ece_std": stdev(errors),
    }
    return {name: round(value, 6) for name, value in figures.items()} | {"seeds": len(scores)}
