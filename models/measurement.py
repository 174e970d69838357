"""What an exported file does on a test set, recomputed from the file itself with onnxruntime."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import onnx
import torch

from models.calibration import Reliability, reliability
from models.data import Samples
from models.export import run
from models.network import CLASSES
from models.reference import PROPERTY


@dataclass(frozen=True)
class Measurement:
    """A file's predictions for a test set: `probabilities` `[count, 10]` and the true `labels` `[count]`."""

    model: str
    metadata: dict[str, str]
    probabilities: torch.Tensor
    labels: torch.Tensor

    @cached_property
    def accuracy(self) -> float:
        """The share of images whose class was predicted, 0…1."""
        return float((self.probabilities.argmax(1) == self.labels).double().mean())

    @cached_property
    def reliability(self) -> Reliability:
        """Confidence against accuracy, and the calibration error."""
        return reliability(self.probabilities, self.labels)

    @cached_property
    def confusion(self) -> torch.Tensor:
        """How often each true class (row) was taken for each class (column), `[10, 10]`."""
        cells = self.labels * CLASSES + self.probabilities.argmax(1)
        return torch.bincount(cells, minlength=CLASSES * CLASSES).view(CLASSES, CLASSES)

    @property
    def class_names(self) -> list[str]:
        """What the ten classes are called."""
        return [str(name) for name in json.loads(self.metadata["labels"])]

    @property
    def metrics(self) -> dict[str, float]:
        """The figures that training stored in the file."""
        return {name: float(value) for name, value in json.loads(self.metadata["metrics"]).items()}

    @property
    def reference(self) -> dict[str, Any]:
        """The statistics of its hidden layer that the file carries, see `models.reference`."""
        found: dict[str, Any] = json.loads(self.metadata[PROPERTY])
        return found


def measure(model: str, path: Path, samples: Samples) -> Measurement:
    """Runs the file on the samples."""
    properties = {entry.key: entry.value for entry in onnx.load_model(path).metadata_props}
    _, probabilities = run(path, samples.images.numpy())
    return Measurement(model, properties, torch.from_numpy(probabilities), samples.labels)
