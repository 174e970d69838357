"""Raw little-endian values."""

from __future__ import annotations

import numpy as np
import pytest

from service.codecs import raw
from service.errors import BadBody, UnsupportedMedia
from service.tensors import BY_NAME, TensorSpec


def spec(shape: tuple[int | str | None, ...] | None, datatype: str = "FP32") -> TensorSpec:
    return TensorSpec("x", BY_NAME[datatype], shape)


@pytest.mark.parametrize("datatype", [name for name in BY_NAME if name not in ("BYTES", "BOOL")])
def test_rows_are_read_in_the_models_own_type(datatype: str) -> None:
    expected = np.arange(12).reshape(3, 2, 2).astype(BY_NAME[datatype].dtype)
    found = raw.read(expected.tobytes(), spec(("n", 2, 2), datatype))
    assert found.dtype == expected.dtype
    assert found.shape == (3, 2, 2)
    assert found.tobytes() == expected.tobytes()
    assert raw.write(found) == expected.tobytes()
    assert raw.write(found[:, ::-1]) == np.ascontiguousarray(expected[:, ::-1]).tobytes()


def test_empty_body_has_no_rows() -> None:
    assert raw.read(b"", spec(("n", 4))).shape == (0, 4)


def test_row_of_one_value_needs_no_more() -> None:
    assert raw.read(np.array([1, 2], "<f4").tobytes(), spec(("n",))).tolist() == [1, 2]


def test_free_size_may_stand_anywhere() -> None:
    assert raw.read(bytes(24), spec((1, "m", 2))).shape == (1, 3, 2)
    with pytest.raises(BadBody):
        raw.read(bytes(20), spec((1, "m", 2)))


def test_fixed_shape_takes_exactly_one() -> None:
    assert raw.read(bytes(24), spec((2, 3))).shape == (2, 3)
    assert raw.read(bytes(4), spec(())).shape == ()
    for length in (0, 4, 20, 25, 48):
        with pytest.raises(BadBody):
            raw.read(bytes(length), spec((2, 3)))


@pytest.mark.parametrize("length", [1, 15, 17, 31])
def test_part_of_a_row_is_400(length: int) -> None:
    with pytest.raises(BadBody, match="16 bytes"):
        raw.read(bytes(length), spec(("n", 4)))


def test_row_without_values_is_400() -> None:
    for body in (b"", bytes(4)):
        with pytest.raises(BadBody):
            raw.read(body, spec(("n", 0)))


def test_boolean_other_than_0_and_1_is_400() -> None:
    assert raw.read(b"\x00\x01", spec(("n",), "BOOL")).tolist() == [False, True]
    with pytest.raises(BadBody, match="0 or 1"):
        raw.read(b"\x00\x02", spec(("n",), "BOOL"))


@pytest.mark.parametrize(
    "unreadable", [spec(("n", "m")), spec(None), spec(("n", None)), spec(("n", 2), "BYTES"), spec((2, "m", None))]
)
def test_rows_without_a_fixed_size_are_415(unreadable: TensorSpec) -> None:
    with pytest.raises(UnsupportedMedia):
        raw.read(bytes(16), unreadable)


def test_strings_cannot_be_written() -> None:
    with pytest.raises(UnsupportedMedia):
        raw.write(np.array(["a"], object))
