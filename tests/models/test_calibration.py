"""Calibration error against a case worked by hand; temperature against one that is known."""

import pytest
import torch

from models.calibration import fitted_temperature, fold, reliability
from models.export import logits_of
from models.network import Network


def test_calibration_error_is_the_weighted_gap_worked_by_hand() -> None:
    # Two images at confidence 0.9, one right: gap 0.4, weight 2/3. One at 0.6, right: gap 0.4, weight 1/3.
    probabilities = torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6]])
    assert reliability(probabilities, torch.tensor([0, 1, 1])).error == pytest.approx(0.4)


def test_certain_and_right_has_no_calibration_error() -> None:
    assert reliability(torch.eye(10), torch.arange(10)).error == 0


def test_fitted_temperature_finds_the_one_the_logits_were_scaled_by() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(50_000, 10, generator=generator)
    labels = torch.multinomial(logits.softmax(1), 1, generator=generator).flatten()
    assert fitted_temperature(3 * logits, labels) == pytest.approx(3, rel=0.02)


def test_folded_temperature_divides_the_logits() -> None:
    network, images = Network(), torch.rand(8, 784)
    before = logits_of(network, images)
    fold(network, 1.7)
    torch.testing.assert_close(logits_of(network, images), before / 1.7)
