"""The CPU's part of the benchmark, and runs that are bound, which the CPU can do as well."""

import re

import numpy as np
import pytest

from benchmarks import binding, card, cuda
from benchmarks.oracle import MODEL
from benchmarks.peers import ROOT
from models.activations.table import ACTIVATIONS
from service.session import Runtime, Session, cuda_problem

FEW = ("--rows", "1", "8", "--elements", "20000", "--activations", "relu", "glu", "softmax", "--seconds", "0.01")
UNSERVED = ("--served-seconds", "0")


def test_cpu_is_measured_and_cuda_told_as_not_run_where_it_does_not_work(capsys):
    assert cuda.main((*FEW, *UNSERVED)) == 0
    told = capsys.readouterr().out
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in told.splitlines() if line.startswith("|")]
    assert {row[0] for row in rows} >= {"1", "8", "relu", "glu", "softmax"}
    figures = {
        row[0]: [float(cell.replace(",", "")) for cell in row[1:3]] for row in rows if row[0] in ("1", "8", "relu")
    }
    assert all(figure >= 0 for row in figures.values() for figure in row)
    assert figures["8"][0] > 0
    assert ("**CUDA: NOT RUN**" in told) is (cuda_problem() is not None)
    assert bool(re.search(r"\| CUDA", told)) is (cuda_problem() is None)


def test_bound_runs_have_the_answers_of_plain_ones():
    session = Session(MODEL, Runtime())
    bound = binding.Bound(binding.opened(MODEL, "cpu"), 5, "probabilities")
    for seed in range(3):
        x = np.random.default_rng(seed).random((5, 784), np.float32)
        (expected,) = session.run({"input": x}, ["probabilities"])
        assert np.array_equal(bound.run(x), expected)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_activation_bound_to_a_devices_memory_gives_its_values(name):
    path = ROOT / "models" / "repository" / name / "1" / "model.onnx"
    x = np.linspace(-2, 2, 1000, dtype=np.float32).reshape(10, 100)
    (expected,) = Session(path, Runtime()).run({"x": x}, ["y"])
    bound = binding.OnDevice(binding.opened(binding.value_alone(path), "cpu"), x, "cpu", expected.shape)
    bound.run()
    assert np.array_equal(bound.y(), expected)


def test_card_without_its_library_is_one_sentence():
    with pytest.raises(card.CardError, match="libnothing is not there"):
        card.Card("libnothing")


def test_time_is_taken_of_one_run_at_least():
    seen = []
    assert cuda._least_s(lambda: seen.append(1), 0) > 0
    assert len(seen) == 1
