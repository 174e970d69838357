"""Counts against numpy.histogram on the same edges, whole and in pieces."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from service.diagnosis import histogram
from service.diagnosis.histogram import COARSE, FINE, Histogram

NORMAL = np.random.default_rng(0).normal(size=5000)
SAMPLES = {
    "normal": NORMAL.astype(np.float32),
    "relu": np.maximum(NORMAL, 0).astype(np.float32),
    "half": NORMAL.astype(np.float16),
    "brain": NORMAL.astype(ml_dtypes.bfloat16),
    "double": NORMAL,
    "small": NORMAL * 1e-30,
    "subnormal": NORMAL * 1e-40,
    "beyond FP32": NORMAL * 1e300,
    "far off": 1000 + np.abs(NORMAL),
    "on the edges": np.repeat(np.arange(-10, 11) / 2, 7),
    "one": np.array([3.0]),
    "none": np.array([]),
}


def counted(*pieces: np.ndarray, shift: int = FINE) -> Histogram:
    found = Histogram(shift)
    for piece in pieces:
        found.add(piece)
    return found


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("bins", [1, 20, 256])
def test_counts_are_numpys_for_the_edges_that_are_told(name: str, bins: int) -> None:
    values = SAMPLES[name].astype(np.float64)
    low, high = (values.min(), values.max()) if values.size else (np.nan, np.nan)
    edges, counts = counted(SAMPLES[name]).binned(low, high, bins)
    if not values.size:
        assert (edges, counts) == ([], [])
        return
    assert len(edges) == len(counts) + 1 <= bins + 1
    assert sum(counts) == values.size
    assert np.all(np.diff(edges) > 0)
    if low != high:
        assert (edges[0], edges[-1]) == (low, high)
    if name != "beyond FP32":  # all that is in the bucket at its end
        assert counts == np.histogram(values, edges)[0].tolist()


def test_bins_are_about_as_wide_as_one_another() -> None:
    low, high = float(NORMAL.min()), float(NORMAL.max())
    edges, counts = counted(NORMAL).binned(low, high, 20)
    assert len(counts) == 20
    np.testing.assert_allclose(np.diff(edges), (high - low) / 20, rtol=0.03)


@settings(max_examples=100, deadline=None)
@given(values=arrays(np.float32, st.integers(1, 300), elements=st.floats(width=32)), cuts=st.integers(1, 9))
def test_pieces_and_merged_pieces_are_the_whole(values: np.ndarray, cuts: int) -> None:
    finite = values[np.isfinite(values)].astype(np.float64)
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
    whole = counted(values).binned(low, high, 20)
    pieces = np.array_split(values, cuts)
    merged = Histogram()
    for piece in reversed(pieces):
        merged.merge(counted(piece))
    assert counted(*pieces).binned(low, high, 20) == merged.binned(low, high, 20) == whole
    assert sum(whole[1]) == finite.size


def test_block_after_block_is_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = counted(SAMPLES["normal"]).binned(-4.0, 4.0, 20)
    monkeypatch.setattr(histogram, "BLOCK", 7)
    assert counted(SAMPLES["normal"].reshape(10, 500)).binned(-4.0, 4.0, 20) == whole


@pytest.mark.parametrize("name", SAMPLES)
def test_fine_pieces_add_up_to_the_same_in_coarse_buckets(name: str) -> None:
    values = SAMPLES[name]
    low, high = (float(values.min()), float(values.max())) if values.size else (np.nan, np.nan)
    merged = counted(shift=COARSE)
    for piece in np.array_split(values, 7):
        merged.merge(counted(piece))
    edges, counts = merged.binned(low, high, 20)
    assert (edges, counts) == counted(values, shift=COARSE).binned(low, high, 20)
    assert sum(counts) == values.size
    if name != "beyond FP32" and low < high:  # all that is in the bucket at its end
        assert counts == np.histogram(values.astype(np.float64), edges)[0].tolist()


def test_coarse_buckets_are_a_quarter_as_many() -> None:
    values = np.linspace(1, 2, 10_000, endpoint=False)
    sizes = [counted(values, shift=shift).filled()[0].size for shift in (COARSE, FINE)]
    assert sizes == [128, 512]
