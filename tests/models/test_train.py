"""Training for real, on little: it learns, it repeats itself, and it ships by the rule it states."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from models import train
from models.data import Dataset, digits, fashion_mnist
from models.fit import Schedule
from models.measurement import measure
from models.recipe import RECIPES

BRIEF = Schedule(epochs=5, peak_learning_rate=1e-2, weight_decay=1e-2, batch=100)
FASHION = dataclasses.replace(RECIPES["fashion_mnist"], schedule=BRIEF, teacher=dataclasses.replace(BRIEF, epochs=3))
DIGITS = dataclasses.replace(RECIPES["digits"], schedule=BRIEF)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def some_fashion() -> Dataset:
    whole = fashion_mnist()
    rows = torch.arange(3000)
    return dataclasses.replace(whole, train=whole.train.take(rows), test=whole.test.take(rows))


@pytest.fixture(scope="module")
def given(some_fashion: Dataset) -> train.Material:
    torch.set_num_threads(1)
    return train.material(FASHION, some_fashion, held_out=20)


@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
def test_network_taught_for_five_epochs_on_three_thousand_images_learns(
    given: train.Material, some_fashion: Dataset, activation: str
) -> None:
    trained = train.train(FASHION, activation, given, seed=0)
    score = train.score(trained.network, some_fashion.test)
    assert score.accuracy > 0.78
    assert trained.held_out_loss < 0.75


def test_same_seed_gives_the_same_network_and_another_another() -> None:
    given = train.material(DIGITS, digits(), held_out=20)
    first, again, other = (train.train(DIGITS, "relu", given, seed) for seed in (0, 0, 1))
    assert all(torch.equal(a, b) for a, b in zip(first.network.parameters(), again.network.parameters(), strict=True))
    assert not torch.equal(first.network.fc1.weight, other.network.fc1.weight)


def test_targets_are_probabilities_and_lean_to_the_label(given: train.Material) -> None:
    torch.testing.assert_close(given.targets.sum(1), torch.ones(len(given.samples)))
    assert given.targets.gather(1, given.samples.labels.unsqueeze(1)).min() >= 1 - train.TEACHER_SHARE - 1e-6
    assert len(given.samples) == 2800


def test_shipped_seed_is_the_one_with_the_lowest_held_out_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(RECIPES, "digits", DIGITS)
    train.main(["--model", "digits_tanh", "--repository", str(tmp_path)])
    lines = capsys.readouterr().out.splitlines()
    losses = [float(line.split("held-out loss ")[1].split(",")[0]) for line in lines[:3]]
    measured = measure("digits_tanh", tmp_path / "digits_tanh" / "1" / "model.onnx", digits().test)
    assert int(measured.metadata["seed"]) == losses.index(min(losses))
    assert json.loads(measured.metadata["metrics"])["test_accuracy"] == pytest.approx(measured.accuracy)


def test_reference_alone_leaves_a_freshly_trained_file_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RECIPES, "digits", DIGITS)
    train.main(["--model", "digits", "--repository", str(tmp_path)])
    path = tmp_path / "digits" / "1" / "model.onnx"
    before = path.read_bytes()
    train.main(["--model", "digits", "--repository", str(tmp_path), "--reference"])
    assert path.read_bytes() == before


def test_validation_prints_three_scores_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(RECIPES, "digits", DIGITS)
    train.main(["--model", "digits", "--validate", "--repository", str(tmp_path)])
    assert capsys.readouterr().out.count("held out:") == 3
    assert not list(tmp_path.iterdir())
