"""What is counted of a file's predictions, on predictions made up so that the counts are known."""

import json

import pytest
import torch

from models.measurement import Measurement

LABELS = torch.tensor([0, 0, 1, 9])
PREDICTED = torch.tensor([0, 3, 1, 9])


@pytest.fixture
def measured() -> Measurement:
    metadata = {"labels": json.dumps(list("abcdefghij")), "metrics": json.dumps({"seeds": 3, "test_accuracy": 0.75})}
    return Measurement("made_up", metadata, torch.eye(10)[PREDICTED], LABELS)


def test_accuracy_is_the_share_predicted_right(measured: Measurement) -> None:
    assert measured.accuracy == 0.75


def test_certain_predictions_have_their_error_rate_as_calibration_error(measured: Measurement) -> None:
    assert measured.reliability.error == pytest.approx(0.25)


def test_confusion_counts_true_class_by_predicted_class(measured: Measurement) -> None:
    expected = torch.zeros(10, 10, dtype=torch.long)
    for true, predicted in zip(LABELS, PREDICTED, strict=True):
        expected[true, predicted] += 1
    assert torch.equal(measured.confusion, expected)


def test_names_and_metrics_are_read_from_metadata(measured: Measurement) -> None:
    assert measured.class_names == list("abcdefghij")
    assert measured.metrics == {"seeds": 3, "test_accuracy": 0.75}
