"""Arrays against declared tensors."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from service.errors import Unfit
from service.signature import check, fit_rows
from service.tensors import BY_DTYPE, BY_NAME, BY_ONNX, DATATYPES, Dimension, TensorSpec, datatype_name, describe


def spec(name: str, shape: tuple[Dimension, ...] | None, datatype: str = "FP32") -> TensorSpec:
    return TensorSpec(name, BY_NAME[datatype], shape)


def zeros(*shape: int, dtype: object = np.float32) -> np.ndarray:
    return np.zeros(shape, dtype)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("shape", "given"),
    [
        (("n", 2), (5, 2)),
        ((None, 2), (0, 2)),
        (None, ()),
        (None, (1, 2, 3)),
        ((), ()),
        (("n", "n"), (3, 3)),
        ((2, "m"), (2, 9)),
    ],
)
def test_what_fits_passes(shape: tuple[Dimension, ...] | None, given: tuple[int, ...]) -> None:
    check({"x": zeros(*given)}, [spec("x", shape)])


@pytest.mark.parametrize(
    ("shape", "given", "expected"),
    [
        (("n", 2), (5, 3), "FP32 [n, 2]"),
        (("n", 2), (5,), "FP32 [n, 2]"),
        ((), (1,), "FP32 []"),
        (("n", "n"), (3, 4), "FP32 [n, n]"),
        ((None, 2), (1, 1), "FP32 [any, 2]"),
    ],
)
def test_other_shape_is_422_with_both_shapes(
    shape: tuple[Dimension, ...], given: tuple[int, ...], expected: str
) -> None:
    with pytest.raises(Unfit) as caught:
        check({"x": zeros(*given)}, [spec("x", shape)])
    (detail,) = caught.value.details
    assert (detail.path, detail.expected) == ("x", expected)
    assert detail.got == f"FP32 {describe(given)}"


def test_symbol_must_be_equal_on_all_inputs() -> None:
    specs = [spec("a", ("n", 2)), spec("b", ("n",)), spec("c", ("m", "n"))]
    check({"a": zeros(3, 2), "b": zeros(3), "c": zeros(9, 3)}, specs)
    with pytest.raises(Unfit) as caught:
        check({"a": zeros(3, 2), "b": zeros(4), "c": zeros(9, 5)}, specs)
    assert [(detail.path, detail.expected) for detail in caught.value.details] == [
        ("b", "FP32 [n=3] with `n` as in `a`"),
        ("c", "FP32 [m, n=3] with `n` as in `a`"),
    ]
    assert "1 more" in caught.value.message


def test_missing_unknown_and_wrong_types_are_all_named() -> None:
    given = {"b": zeros(1, dtype=np.float64), "z": zeros(1), "d": zeros(1, dtype=np.complex64)}
    with pytest.raises(Unfit) as caught:
        check(given, [spec("a", ("n",)), spec("b", ("n",)), spec("d", None)])
    found = {detail.path: detail.got for detail in caught.value.details}
    assert found == {"z": "an unknown name", "a": "nothing", "b": "FP64 [1]", "d": "complex64 [1]"}


@pytest.mark.parametrize(
    ("shape", "given", "fitted"),
    [
        (("n", 784), (3, 28, 28), (3, 784)),
        (("n", 28, 28), (3, 784), (3, 28, 28)),
        (("n", 4), (3, 4), (3, 4)),
        (("n",), (3, 1), (3,)),
        (("n", 1), (3,), (3, 1)),
        (("n", 4), (0,), (0, 4)),
        (("n", 4), (0, 9, 9), (0, 4)),
        (("n", 0), (3, 2, 0), (3, 0)),
        (("n", 4), (4,), (4,)),
        (("n", 4), (), ()),
        (("n", 4), (2, 8), (2, 8)),
        (("n", "m"), (2, 8), (2, 8)),
        ((2, 4), (8,), (8,)),
        (None, (8,), (8,)),
    ],
)
def test_rows_are_reshaped_only_where_their_size_agrees(
    shape: tuple[Dimension, ...] | None, given: tuple[int, ...], fitted: tuple[int, ...]
) -> None:
    array = np.arange(np.prod(given, dtype=int), dtype=np.float32).reshape(given)
    found = fit_rows(array, spec("x", shape))
    assert found.shape == fitted
    assert found.ravel().tolist() == array.ravel().tolist()


def test_tables_of_datatypes_agree_with_onnx() -> None:
    from onnx import TensorProto, helper

    assert len(DATATYPES) == len(BY_NAME) == len(BY_ONNX) == len(BY_DTYPE) == 14
    for datatype in DATATYPES:
        wanted = helper.tensor_dtype_to_np_dtype(datatype.onnx_code)
        assert np.dtype(datatype.dtype) == wanted or datatype.name in ("BYTES",)
        assert datatype.onnx == {"FP32": "float", "FP64": "double", "BYTES": "string"}.get(
            datatype.name, TensorProto.DataType.Name(datatype.onnx_code).lower()
        )
    assert datatype_name(np.dtype(ml_dtypes.bfloat16)) == "BF16"


def test_shapes_are_told_in_words_and_as_the_protocol_has_them() -> None:
    assert describe(None) == "any shape"
    assert describe(("n", 2, None)) == "[n, 2, any]"
    assert spec("x", None).as_dict() == {"name": "x", "datatype": "FP32", "shape": None}
    assert spec("x", (2, None)).as_dict() == {"name": "x", "datatype": "FP32", "shape": [2, -1]}
    assert spec("x", ("n",)).as_dict()["dimensions"] == ["n"]
