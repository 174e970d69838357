"""What must hold of the activations whatever is posted, over HTTP, bit by bit."""

import io
import json
from collections.abc import Iterator
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from starlette.testclient import TestClient

from service.app import create_app
from service.settings import Settings

DTYPES = {"FP16": np.float16, "BF16": ml_dtypes.bfloat16, "FP32": np.float32, "FP64": np.float64}
ELEMENTWISE = ["relu", "leaky_relu", "elu", "gelu", "silu", "mish", "sigmoid", "tanh", "softplus", "hardswish"]
SHAPES = npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
TENSORS = npst.arrays(np.float32, SHAPES, elements=st.floats(width=32, allow_subnormal=False))
# Nested lists cannot tell [0, 2] from [0], so where JSON is compared no dimension is empty.
FULL = npst.arrays(np.float32, npst.array_shapes(min_dims=0, max_dims=4, max_side=4), elements=st.floats(width=32))
ROWS = npst.arrays(np.float32, (3, 5), elements=st.floats(-80, 80, width=32))

# One application serves every example, so the fixture is meant to outlive them.
quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with TestClient(create_app(Settings())) as client:
        yield client


def apply(client: TestClient, name: str, x: np.ndarray, **parameters: Any) -> np.ndarray:
    """The answer to an `.npy` body."""
    file = io.BytesIO()
    np.save(file, x)
    headers = {"Content-Type": "application/x-npy"}
    answer = client.post(f"/activate/{name}", params=parameters, content=file.getvalue(), headers=headers)
    assert answer.status_code == 200, answer.text
    found = np.load(io.BytesIO(answer.content))
    return found.view(ml_dtypes.bfloat16) if found.dtype.kind == "V" else found


def written(x: np.ndarray) -> Any:
    """Nested lists as JSON has them, with strings for what is not finite."""
    if x.ndim:
        return [written(inner) for inner in x]
    value = float(x)
    return value if np.isfinite(value) else "NaN" if np.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def read(value: Any, dtype: Any) -> np.ndarray:
    return np.array(value, np.float64).astype(dtype) if np.size(value) else np.array(value, dtype)


def ulps(found: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """Distance in units in the last place of FP32, for normal numbers."""
    exact = exact.astype(np.longdouble)
    spacing = np.spacing(np.abs(exact.astype(np.float32))).astype(np.longdouble)
    return np.where(np.abs(exact) < np.finfo(np.float32).tiny, 0, np.abs(found - exact) / spacing)


@quick
@given(x=TENSORS, name=st.sampled_from(ELEMENTWISE), datatype=st.sampled_from(sorted(DTYPES)))
def test_shape_and_datatype_are_kept(client: TestClient, x: np.ndarray, name: str, datatype: str) -> None:
    with np.errstate(over="ignore"):
        posted = x.astype(DTYPES[datatype])
    found = apply(client, name, posted)
    assert (found.shape, found.dtype) == (posted.shape, posted.dtype)
    assert np.array_equal(np.isnan(found), np.isnan(posted))


@quick
@given(x=FULL, name=st.sampled_from([*ELEMENTWISE, "softmax", "log_softmax"]))
def test_json_npy_and_open_inference_hold_the_same_bits(client: TestClient, x: np.ndarray, name: str) -> None:
    by_npy = apply(client, name, x)
    body = json.dumps({"tensor": written(x)})
    by_json = client.post(f"/activate/{name}", content=body, headers={"Content-Type": "application/json"}).json()
    named = {"name": "x", "shape": list(x.shape), "datatype": "FP32", "data": written(x.reshape(-1))}
    call = json.dumps({"inputs": [named], "outputs": [{"name": "y"}]})
    (output,) = client.post(f"/v2/models/{name}/infer", content=call).json()["outputs"]
    for found in (read(by_json["tensor"], np.float32), read(output["data"], np.float32).reshape(x.shape)):
        same = (found.view(np.uint32) == by_npy.view(np.uint32)) | (np.isnan(found) & np.isnan(by_npy))
        assert np.all(same)
    assert by_json["shape"] == output["shape"] == list(x.shape)


@quick
@given(x=TENSORS)
def test_relu_twice_is_relu_and_leaky_relu_with_slope_0(client: TestClient, x: np.ndarray) -> None:
    once = apply(client, "relu", x)
    np.testing.assert_array_equal(apply(client, "relu", once), once)
    finite = np.where(np.isinf(x), np.float32(0), x)  # 0·∞ is no number, in torch neither
    np.testing.assert_array_equal(apply(client, "leaky_relu", finite, negative_slope=0), apply(client, "relu", finite))


@quick
@given(x=TENSORS)
def test_celu_with_alpha_1_is_elu(client: TestClient, x: np.ndarray) -> None:
    np.testing.assert_array_equal(apply(client, "celu", x, alpha=1), apply(client, "elu", x, alpha=1))


@quick
@given(x=npst.arrays(np.float32, 50, elements=st.floats(-85, 2.0**100, width=32)))
def test_silu_is_x_times_sigmoid_to_4_ulp(client: TestClient, x: np.ndarray) -> None:
    exact = x.astype(np.longdouble) / (1 + np.exp(-x.astype(np.longdouble)))
    assert ulps(apply(client, "silu", x), exact).max() <= 4


@quick
@given(x=ROWS, shift=st.integers(-64, 64))
def test_softmax_sums_to_1_and_does_not_see_a_shift(client: TestClient, x: np.ndarray, shift: int) -> None:
    found = apply(client, "softmax", x)
    one = np.spacing(np.float32(1))
    assert np.abs(found.astype(np.longdouble).sum(axis=-1) - 1).max() <= 4 * one
    whole = np.round(x)  # so that adding a whole number is exact
    moved = apply(client, "softmax", whole + np.float32(shift))
    assert ulps(moved, apply(client, "softmax", whole)).max() <= 4


@pytest.mark.parametrize("datatype", ["FP16", "BF16"])
@pytest.mark.parametrize("name", ["relu", "elu", "gelu", "silu", "mish", "sigmoid", "tanh", "softplus", "hardswish"])
def test_16_bit_results_are_the_rounded_fp64_results(client: TestClient, name: str, datatype: str) -> None:
    """Over all 65,536 inputs; a result of FP64 that lies on a tie to within its own error may go either way."""
    x = np.arange(1 << 16, dtype=np.uint16).view(DTYPES[datatype])
    found = apply(client, name, x)
    with np.errstate(all="ignore"):  # signalling NaNs and overflow are among the inputs on purpose
        wide = apply(client, name, x.astype(np.float64))
        allowed = [(wide * factor).astype(DTYPES[datatype]) for factor in (1 - 4e-16, 1, 1 + 4e-16)]
    same = np.isnan(found.astype(np.float64)) & np.isnan(wide)
    for rounded in allowed:
        same |= found == rounded
    assert x[~same].tolist() == []
