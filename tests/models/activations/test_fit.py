"""The tables for gelu are what the fit gives."""

import mpmath as mp
import numpy as np

from models.activations import fit, gaussian_tables


def test_committed_tables_equal_fitted_ones():
    for fitted, committed in zip(fit.both_types(), (gaussian_tables.SINGLE, gaussian_tables.DOUBLE), strict=True):
        assert set(fitted) == set(committed)
        for name, values in fitted.items():
            np.testing.assert_allclose([float(value) for value in values], committed[name], rtol=1e-12)


def test_tail_from_the_tables_is_that_of_the_normal_distribution():
    line, *_ = gaussian_tables.DOUBLE["CONSTANTS"]
    top, bottom = (gaussian_tables.DOUBLE[f"BEND_{part}"][::-1] for part in ("TOP", "BOTTOM"))
    for a in np.linspace(0, 38, 77):
        tail = mp.exp(-(mp.mpf(a) ** 2) / 2) / (2 + line * a - a * mp.polyval(top, a) / mp.polyval(bottom, a))
        assert abs(tail / mp.ncdf(-a) - 1) < 1e-14
