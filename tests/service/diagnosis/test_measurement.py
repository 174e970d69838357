"""Counts and sums against NumPy on all values at once; pieces against the whole."""

from __future__ import annotations

from functools import partial
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.diagnosis import measurement, slopes
from service.diagnosis.measurement import Measurement

RELU = partial(slopes.slope, "relu", {})


def measured(x: np.ndarray, axis: int | None, cuts: int = 1, kind: str = "relu", **parameters: Any) -> Measurement:
    found = Measurement(kind)
    slope = partial(slopes.slope, kind, parameters)
    for piece in np.array_split(x, cuts):
        found.add(piece, np.maximum(piece, 0) if kind == "relu" else np.tanh(piece), axis, slope)
    return found


def inputs(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Random, with a unit 1 that is always below zero, far off in its mean."""
    x = np.random.default_rng(seed).normal(size=shape).astype(np.float32) + 100
    x[:, ::2] -= 100.5
    x[:, 1] = -1000
    return x


def check(found: Measurement, x: np.ndarray, axis: int) -> None:
    """Everything against NumPy in FP64."""
    by_unit = np.moveaxis(x.astype(np.float64), axis, 0).reshape(x.shape[axis], -1)
    y = np.maximum(by_unit, 0)
    assert found.units == x.shape[axis]
    assert found.counts["seen"].tolist() == [by_unit.shape[1]] * found.units
    assert found.counts["zeros"].tolist() == (y == 0).sum(1).tolist()
    assert found.counts["fired"].tolist() == (by_unit > 0).sum(1).tolist()
    assert found.slope_sum.tolist() == (by_unit > 0).sum(1).tolist()
    for moments, values in ((found.after, y), (found.before, by_unit)):
        np.testing.assert_allclose(moments.mean, values.mean(1), rtol=1e-12)
        np.testing.assert_allclose(moments.squares / moments.count, values.var(1), rtol=1e-9, atol=1e-12)
        assert moments.low.tolist() == values.min(1).tolist()
        assert moments.high.tolist() == values.max(1).tolist()
        total = moments.total()
        assert total.mean[0] == pytest.approx(values.mean(), rel=1e-12)
        assert total.squares[0] / total.count[0] == pytest.approx(values.var(), rel=1e-9)
    assert np.flatnonzero(found.dead()).tolist() == np.flatnonzero((by_unit <= 0).all(1)).tolist()
    assert not found.saturated().any()


@pytest.mark.parametrize(
    ("shape", "axis"),
    [
        ((40, 6), 1),
        ((1, 6), 1),
        ((30, 4, 5, 7), 1),
        ((20, 4, 9), 1),
        ((20, 9, 4), 2),
        ((6, 3, 2, 2, 2), 1),
        ((40, 3), 0),
    ],
)
@pytest.mark.parametrize("block", [1, 50, 1 << 16])
@pytest.mark.parametrize("cuts", [1, 3])
def test_counts_and_sums_are_numpys_in_any_pieces(
    shape: tuple[int, ...], axis: int, block: int, cuts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measurement, "BLOCK", block)
    x = inputs(shape)
    check(measured(x, axis, 1 if axis == 0 else cuts), x, axis)


@settings(max_examples=50, deadline=None)
@given(rows=st.integers(1, 50), cuts=st.integers(1, 8), seed=st.integers(0, 1000))
def test_merged_measurements_are_that_of_all_rows(rows: int, cuts: int, seed: int) -> None:
    x = inputs((rows, 4), seed)
    found = Measurement("relu")
    for piece in np.array_split(x, cuts):
        found.merge(measured(piece, 1))
    check(found, x, 1)


def test_what_was_taken_in_stays_as_it_was() -> None:
    one, other = (inputs((20, 5), seed) for seed in (1, 2))
    taken, found = measured(one, 1), Measurement("relu")
    for part in (taken, measured(other, 1)):
        found.merge(part)
    check(taken, one, 1)
    check(found, np.concatenate([one, other]), 1)


def test_mean_and_deviation_of_a_small_spread_far_from_zero_are_kept() -> None:
    """Sums of squares would lose all digits: 1e8 ± 1."""
    x = 1e8 + np.random.default_rng(1).normal(size=(10_000, 1))
    found = measured(x, 1, 13).after.total()
    assert (found.squares[0] / found.count[0]) ** 0.5 == pytest.approx(x.std(), rel=1e-7)


def test_what_is_not_finite_is_counted_and_left_out_of_the_rest() -> None:
    x = np.array([[1, np.nan], [np.inf, -2], [3, -np.inf], [-1, 4]], np.float32)
    found = measured(x, 1)
    assert found.counts["non_finite"].tolist() == [1, 1]
    assert found.counts["non_finite_before"].tolist() == [1, 2]
    assert found.counts["zeros"].tolist() == [1, 2]
    assert found.counts["sloped"].tolist() == [4, 3]  # an infinity has a slope, NaN has none
    assert found.slope_sum.tolist() == [3, 1]
    assert found.after.mean.tolist() == pytest.approx([4 / 3, 4 / 3])
    assert found.after.high.tolist() == [3, 4]


def test_unit_with_nothing_but_nan_is_neither_dead_nor_saturated() -> None:
    found = measured(np.full((5, 2), np.nan, np.float32), 1)
    assert not found.dead().any()
    assert not found.saturated().any()
    assert found.after.total().count.tolist() == [0]


def test_values_that_overflow_when_squared_say_no_word() -> None:
    found = measured(np.array([[1e300], [-1e300]]), 1)  # warnings are errors here
    assert found.after.high.tolist() == [1e300]


def test_unit_on_both_flat_ends_is_saturated_and_not_dead() -> None:
    x = np.array([[-9, -9, 0.1], [9, 0.0, 9]], np.float32)
    found = measured(x, 1, kind="tanh")
    assert found.saturated().tolist() == [True, False, False]
    assert not found.dead().any()


def test_slope_of_the_usual_leaky_relu_is_not_below_one_hundredth() -> None:
    x = np.full((3, 1), -1, np.float32)
    assert not measured(x, 1, kind="leaky_relu", alpha=float(np.float32(0.01))).saturated().any()
    assert measured(x, 1, kind="leaky_relu", alpha=0.0099).saturated().all()


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float64])
def test_every_float_type_is_measured(dtype: Any) -> None:
    x = inputs((30, 4)).astype(dtype)
    check(measured(x, 1, 2), x, 1)


def test_values_without_units_are_one() -> None:
    found = measured(np.array([-1, 2, 3], np.float32), None)
    assert (found.units, found.counts["seen"].tolist(), found.counts["zeros"].tolist()) == (1, [3], [1])
    scalar = measured(np.array([2.0], np.float32).reshape(1), None)
    assert scalar.counts["fired"].tolist() == [1]


def test_layers_whose_width_is_free_have_as_many_units_as_were_ever_seen() -> None:
    found = measured(np.full((2, 3), -1, np.float32), 1)
    found.merge(measured(np.full((2, 5), 1, np.float32), 1))
    found.merge(measured(np.full((1, 2), -1, np.float32), 1))
    assert found.counts["seen"].tolist() == [5, 5, 4, 2, 2]
    assert found.dead().tolist() == [False] * 5
    assert found.counts["zeros"].tolist() == [3, 3, 2, 0, 0]
    assert found.after.count.tolist() == [5, 5, 4, 2, 2]


def test_what_lies_beside_is_broadcast() -> None:
    x = np.full((2, 3, 2, 2), -1, np.float32)
    beside = np.array([0.5, 0.25, 0.001], np.float32).reshape(3, 1, 1)
    found = Measurement("prelu")
    found.add(x, x * beside, 1, partial(slopes.slope, "prelu", {}), beside)
    np.testing.assert_allclose(found.slope_sum / 8, [0.5, 0.25, 0.001], rtol=1e-6)
    assert found.saturated().tolist() == [False, False, True]
