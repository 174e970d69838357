"""Every activation against the reference in 80-bit floats, over a million FP32 numbers each; ranges, limits, NaN."""

import numpy as np
import pytest
from onnx import TensorProto

from models.activations import reference
from models.activations.graph import DOUBLE, FLOAT
from models.activations.run import evaluate
from models.activations.samples import PARAMETERS, rows, samples
from models.activations.table import ACTIVATIONS

X = samples(1_000_000)
SOME = samples(100_000, seed=1)
NAMES = sorted(reference.ELEMENTWISE)
SPECIAL = np.float32([0.0, -0.0, np.inf, -np.inf, np.nan])
LIMITS = {  # value at 0, +inf, -inf
    "relu": (0, np.inf, 0),
    "relu2": (0, np.inf, 0),
    "relu6": (0, 6, 0),
    "leaky_relu": (0, np.inf, -np.inf),
    "prelu": (0, np.inf, -np.inf),
    "rrelu": (0, np.inf, -np.inf),
    "hardtanh": (0, 1, -1),
    "hardsigmoid": (0.5, 1, 0),
    "hardswish": (0, np.inf, 0),
    "threshold": (0, np.inf, 0),
    "thresholded_relu": (0, np.inf, 0),
    "hardshrink": (0, np.inf, -np.inf),
    "softshrink": (0, np.inf, -np.inf),
    "elu": (0, np.inf, -1),
    "selu": (0, np.inf, np.float32(-1.7580993408473766)),
    "celu": (0, np.inf, -1),
    "sigmoid": (0.5, 1, 0),
    "logsigmoid": (np.float32(-np.log(2)), 0, -np.inf),
    "softplus": (np.float32(np.log(2)), np.inf, 0),
    "tanh": (0, 1, -1),
    "tanhshrink": (0, np.inf, -np.inf),
    "softsign": (0, 1, -1),
    "silu": (0, np.inf, 0),
    "swish": (0, np.inf, 0),
    "mish": (0, np.inf, 0),
    "gelu": (0, np.inf, 0),
}


def worst(name, x, which, **parameters):
    """The largest error in ULP of the value (0) or the slope (1)."""
    output = ("y", "grad_x")[which]
    exact = reference.ELEMENTWISE[name][which](x.astype(np.longdouble), **parameters)
    return reference.ulps(evaluate(name, x, output, **parameters), exact).max()


@pytest.fixture(autouse=True)
def quiet():
    with np.errstate(all="ignore"):  # the reference overflows where the exact value does
        yield


@pytest.mark.parametrize("name", NAMES)
def test_value_is_within_4_ulp(name):
    assert worst(name, X, 0) <= 4


@pytest.mark.parametrize("name", NAMES)
def test_gradient_is_within_4_ulp(name):
    assert worst(name, X, 1) <= 4


@pytest.mark.parametrize("name", NAMES)
def test_moderate_inputs_alone_are_within_4_ulp(name):
    moderate = SOME[np.abs(SOME) < 80]  # silu, gate and others take a shorter way then
    assert max(worst(name, moderate, which) for which in (0, 1)) <= 4


@pytest.mark.parametrize(("name", "parameters"), [(name, p) for name, several in PARAMETERS.items() for p in several])
def test_parameters_keep_value_and_gradient_within_4_ulp(name, parameters):
    assert max(worst(name, SOME, which, **parameters) for which in (0, 1)) <= 4


@pytest.mark.parametrize("name", sorted(reference.ALONG_AXIS))
def test_value_along_an_axis_is_within_4_ulp(name):
    for x in rows():
        exact = reference.ALONG_AXIS[name][0](x.astype(np.longdouble))
        assert reference.ulps(evaluate(name, x), exact).max() <= 4


@pytest.mark.parametrize("name", sorted(reference.ALONG_AXIS))
def test_gradient_along_an_axis_is_within_4_ulp(name):
    for x in rows():
        x = x[:1000]
        shape = evaluate(name, x).shape
        g = np.random.default_rng(2).normal(size=shape).astype(np.float32)
        exact = reference.ALONG_AXIS[name][1](x.astype(np.longdouble), g.astype(np.longdouble))
        assert reference.ulps(evaluate(name, x, "grad_x", grad_output=g), exact).max() <= 4


def test_log_softmax_adds_up_powers_too_small_for_fp32():
    for top in (0, 50):
        x = np.float32([[top] + [top - 92] * 100_000])
        exact = reference.ALONG_AXIS["log_softmax"][0](x.astype(np.longdouble))
        assert reference.ulps(evaluate("log_softmax", x), exact).max() <= 4


@pytest.mark.parametrize("element", [FLOAT, DOUBLE, TensorProto.FLOAT16])
def test_log_softmax_of_minus_infinity_is_minus_infinity_and_leaves_the_rest(element):
    y = evaluate("log_softmax", [[-np.inf, 1000, 1000 - 8, -1000], [-np.inf, 0, -8, -200]], element=element)
    np.testing.assert_allclose(y[0, :3].astype(float), [-np.inf, -3.354e-4, -8.0003354], rtol=1e-3)
    np.testing.assert_allclose(y[1].astype(float), [-np.inf, -3.354e-4, -8.0003354, -200], rtol=1e-3)


@pytest.mark.parametrize("name", ["softmax", "softmin"])
def test_softmax_rows_sum_to_one_within_4_ulp(name):
    for x in [*rows(), np.random.default_rng(3).normal(size=(2, 300_000)).astype(np.float32)]:
        sums = evaluate(name, x).astype(np.longdouble).sum(-1)
        assert np.abs(sums - 1).max() <= 4 * 2.0**-23


def test_softmax_of_shifted_input_is_the_same():
    x = np.random.default_rng(4).integers(-40, 40, (100, 20)).astype(np.float32)
    unshifted, shifted = evaluate("softmax", x), evaluate("softmax", x + 1000)
    assert reference.ulps(shifted, unshifted.astype(np.longdouble)).max() <= 8  # each is within 4 of the exact one


@pytest.mark.parametrize("name", NAMES)
def test_value_at_zero_and_infinity_is_the_limit(name):
    at_zero, at_inf, at_minus_inf = LIMITS[name]
    expected = np.float32([at_zero, at_zero, at_inf, at_minus_inf, np.nan])
    np.testing.assert_array_equal(evaluate(name, SPECIAL), expected)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("leaky_relu", {"negative_slope": 0}), ("prelu", {"weight": 0}), ("rrelu", {"lower": 0, "upper": 0})],
)
def test_slope_of_zero_gives_zero_at_minus_infinity_as_relu(name, parameters):
    np.testing.assert_array_equal(evaluate(name, SPECIAL, **parameters), evaluate("relu", SPECIAL))


def test_swish_with_alpha_zero_is_half_of_x_at_infinity_too():
    np.testing.assert_array_equal(evaluate("swish", SPECIAL, alpha=0), SPECIAL / 2)
    np.testing.assert_array_equal(evaluate("swish", SPECIAL, "grad_x", alpha=0), np.float32([0.5] * 4 + [np.nan]))


@pytest.mark.parametrize("name", NAMES)
def test_gradient_at_infinity_is_finite_and_at_nan_is_nan(name):
    gradient = evaluate(name, SPECIAL, "grad_x")
    assert np.isnan(gradient).tolist() == [False] * 4 + [True]
    assert np.isfinite(gradient[3])


@pytest.mark.parametrize("name", ["tanh", "softsign", "leaky_relu", "elu", "silu", "gelu", "hardtanh"])
def test_negative_zero_stays_negative_zero(name):
    assert np.signbit(evaluate(name, np.float32([-0.0, 0.0]))).tolist() == [True, False]


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_nan_in_is_nan_out_and_leaves_its_neighbours(name):
    x = np.ones((3, 8), np.float32)
    x[1, 2] = np.nan
    y, grad = evaluate(name, x), evaluate(name, x, "grad_x")
    assert np.isnan(y[1, 2])
    assert np.isnan(grad[1, 2]) or name == "glu"  # there the slope of the first half does not depend on it
    assert not np.isnan(y[[0, 2]]).any()
    assert not np.isnan(grad[[0, 2]]).any()


@pytest.mark.parametrize(("name", "low", "high"), [("sigmoid", 0, 1), ("tanh", -1, 1), ("softsign", -1, 1)])
def test_range_holds(name, low, high):
    y = evaluate(name, X)
    assert y.min() >= low
    assert y.max() <= high


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "gelu", "elu", "softplus", "leaky_relu"])
@pytest.mark.parametrize("output", ["y", "grad_x"])
def test_result_does_not_depend_on_the_place_in_the_tensor(name, output):
    x = np.random.default_rng(5).normal(0, 4, 40).astype(np.float32)
    whole = evaluate(name, x, output)
    for size in range(1, 41):
        np.testing.assert_array_equal(evaluate(name, x[:size], output), whole[:size])


def test_exact_relations_hold_between_activations():
    y = evaluate("relu", SOME)
    np.testing.assert_array_equal(evaluate("relu", y), y)
    np.testing.assert_array_equal(evaluate("celu", SOME), evaluate("elu", SOME))
    np.testing.assert_array_equal(evaluate("swish", SOME), evaluate("silu", SOME))
    np.testing.assert_array_equal(evaluate("leaky_relu", SOME, negative_slope=0), y)
