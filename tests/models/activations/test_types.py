"""FP16 and BF16: every one of the 65,536 inputs correctly rounded. FP64: as close as the catalogue says."""

import ml_dtypes
import numpy as np
import pytest
from onnx import TensorProto

from models.activations import reference
from models.activations.run import evaluate

NAMES = sorted(reference.ELEMENTWISE)
SIXTEEN_BITS = {TensorProto.FLOAT16: np.float16, TensorProto.BFLOAT16: ml_dtypes.bfloat16}
LOSE_DIGITS = {"silu", "swish", "mish", "gelu"}  # their slopes in FP64, near where those are zero


def nearest(exact, dtype):
    """FP64 rounded once, to the nearest, a tie to the even one; and not by way of FP32, as a cast would."""
    guess = exact.astype(np.float32).astype(dtype)
    around = (guess.view(np.int16)[:, None] + np.int16([0, -1, 1])).view(dtype)
    distance = np.abs(around.astype(np.float64) - exact[:, None])
    odd = around.view(np.int16) & 1
    best = np.lexsort((odd, np.where(np.isnan(distance), np.inf, distance)))[:, 0]
    return np.where(np.isfinite(guess.astype(np.float32)), around[np.arange(len(guess)), best], guess)


@pytest.mark.parametrize("element", SIXTEEN_BITS)
@pytest.mark.parametrize("name", NAMES)
def test_every_16_bit_input_gives_the_correctly_rounded_result(name, element):
    x = np.arange(65536, dtype=np.uint16).view(SIXTEEN_BITS[element])
    x = x[np.isfinite(x.astype(np.float32))]
    for output, exact in zip(("y", "grad_x"), reference.ELEMENTWISE[name], strict=True):
        with np.errstate(all="ignore"):
            expected = nearest(exact(x.astype(np.longdouble)).astype(np.float64), x.dtype)
        np.testing.assert_array_equal(evaluate(name, x, output, element).astype(float), expected.astype(float))


@pytest.mark.parametrize("element", SIXTEEN_BITS)
@pytest.mark.parametrize("name", sorted(reference.ALONG_AXIS))
def test_16_bit_rows_are_correctly_rounded(name, element):
    random = np.random.default_rng(0)
    x = random.normal(0, 4, (500, 8)).astype(SIXTEEN_BITS[element])
    g = random.normal(size=evaluate(name, x, element=element).shape).astype(x.dtype)
    value, gradient = reference.ALONG_AXIS[name]
    pairs = [
        (evaluate(name, x, "y", element), value(x.astype(np.longdouble))),
        (
            evaluate(name, x, "grad_x", element, grad_output=g),
            gradient(x.astype(np.longdouble), g.astype(np.longdouble)),
        ),
    ]
    for got, exact in pairs:
        expected = nearest(exact.astype(np.float64).ravel(), x.dtype)
        np.testing.assert_array_equal(got.ravel().astype(float), expected.astype(float))


@pytest.mark.parametrize("name", NAMES)
def test_fp64_is_within_8_ulp(name):
    random = np.random.default_rng(1)
    x = np.concatenate([random.normal(0, 3, 30_000), random.uniform(-2, 2, 30_000), random.uniform(-700, 700, 30_000)])
    for output, exact in zip(("y", "grad_x"), reference.ELEMENTWISE[name], strict=True):
        if output == "grad_x" and name in LOSE_DIGITS:
            continue
        errors = reference.ulps(evaluate(name, x, output, TensorProto.DOUBLE), exact(x.astype(np.longdouble)))
        assert errors.max() <= 8
