"""`.npy` against numpy.save and numpy.load, and headers that no honest program writes."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from service.codecs import npy as codec
from service.errors import BadBody, ServiceError, Unfit
from service.tensors import Array

Save = Callable[[Array], bytes]


def body(header: str | bytes, data: bytes = b"", version: int = 1) -> bytes:
    text = header.encode("latin-1") if isinstance(header, str) else header
    width = 2 if version == 1 else 4
    return b"\x93NUMPY" + bytes([version, 0]) + len(text).to_bytes(width, "little") + text + data


def described(descr: str = "'<f4'", shape: str = "(1,)", order: str = "False") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n"


DTYPES = st.sampled_from([order + code for order in "<>" for code in ("f2", "f4", "f8", "i2", "i8", "u4", "u8")]) | (
    st.sampled_from(["|b1", "|i1", "|u1"])
)
SHAPES = arrays.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4)


@settings(deadline=None, max_examples=120)
@given(st.data(), DTYPES, SHAPES, st.booleans())
def test_any_saved_array_is_read_to_the_same_bits(
    data: st.DataObject, dtype: str, shape: tuple[int, ...], fortran: bool
) -> None:
    array = data.draw(arrays.arrays(np.dtype(dtype), shape))
    buffer = io.BytesIO()
    np.save(buffer, np.array(array, order="F" if fortran else "C"))
    found = codec.read(buffer.getvalue())
    assert found.shape == array.shape
    assert found.dtype == array.dtype.newbyteorder("=")
    assert found.flags.c_contiguous
    assert found.tobytes() == array.astype(found.dtype).tobytes()


@settings(deadline=None, max_examples=80)
@given(st.data(), SHAPES)
def test_any_written_array_is_loaded_by_numpy(data: st.DataObject, shape: tuple[int, ...]) -> None:
    array = data.draw(arrays.arrays(data.draw(st.sampled_from([np.float32, np.float16, np.int64, np.bool_])), shape))
    again = np.load(io.BytesIO(b"".join(codec.write(array))), allow_pickle=False)
    assert again.dtype == array.dtype
    assert again.shape == array.shape
    assert again.tobytes() == array.tobytes()


def test_written_file_is_what_numpy_saves(npy: Save) -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert b"".join(codec.write(array)) == npy(array)
    assert b"".join(codec.write(array[:, ::-1])) == npy(np.ascontiguousarray(array[:, ::-1]))


def test_bfloat16_travels_as_two_raw_bytes(npy: Save) -> None:
    array = np.array([[1.5, -2.0], [np.inf, 0.0]], ml_dtypes.bfloat16)
    found = codec.read(npy(array))
    assert found.dtype == ml_dtypes.bfloat16
    assert found.tobytes() == array.tobytes()
    written = np.load(io.BytesIO(b"".join(codec.write(array))))
    assert written.dtype.itemsize == 2
    assert written.tobytes() == array.tobytes()


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_every_format_version_is_read(version: tuple[int, int]) -> None:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.arange(3.0), version=version)
    assert codec.read(buffer.getvalue()).tolist() == [0, 1, 2]


def test_body_is_not_copied_where_it_fits(npy: Save) -> None:
    found = codec.read(npy(np.zeros(100_000, np.float32)))
    assert found.base is not None
    assert not found.flags.writeable


@pytest.mark.parametrize("change", [-1, 1, -4, 4, -12, 100])
def test_wrong_length_is_400(npy: Save, change: int) -> None:
    good = npy(np.zeros(3, np.float32))
    bad = good[:change] if change < 0 else good + bytes(change)
    with pytest.raises(BadBody, match="promises 12 bytes"):
        codec.read(bad)


def test_every_truncation_is_400(npy: Save) -> None:
    good = npy(np.zeros((2, 2), np.float32))
    for length in range(len(good)):
        with pytest.raises(BadBody):
            codec.read(good[:length])


@pytest.mark.parametrize(
    "array",
    [
        np.array([object()], object),
        np.array(["a"]),
        np.array([b"a"]),
        np.array([1j]),
        np.array(["2020-01-01"], "M8[D]"),
        np.array([1], "m8[s]"),
        np.zeros(2, [("a", "f4"), ("b", "f4")]),
        np.zeros(1, np.longdouble),
        np.zeros(2, "V4"),
    ],
    ids=lambda array: str(array.dtype),
)
def test_type_of_no_tensor_is_422(array: Array) -> None:
    buffer = io.BytesIO()
    if array.dtype.kind == "O":
        buffer.write(body(described("'|O'"), pickle.dumps(array)))
    else:
        np.save(buffer, array)
    with pytest.raises((Unfit, BadBody)) as caught:
        codec.read(buffer.getvalue())
    assert array.dtype.kind == "O" or caught.type is Unfit


class Bomb:
    """Would create a file if anybody unpickled it."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (open, (self.path, "w"))


def test_pickled_objects_are_never_unpickled(tmp_path: Path) -> None:
    target = tmp_path / "made"
    data = pickle.dumps(np.array([Bomb(str(target))], object))
    for payload in (body(described("'|O'"), data), data):
        with pytest.raises(ServiceError):
            codec.read(payload)
    assert not target.exists()


@pytest.mark.parametrize(
    "shape",
    [
        "(-1,)",
        "(-1, -1)",
        "(2**62, 4)",
        "(4611686018427387904, 4)",
        "(0, 4611686018427387904, 4)",
        "(0, 18446744073709551616)",
        f"({2**70}, 0)",
        "(1.0,)",
        "(True,)",
        "('1',)",
        "1",
        "[1]",
        "None",
        "(1L,)",
        f"({'1,' * 65})",
        "((1,),)",
    ],
)
def test_impossible_shape_is_400(shape: str) -> None:
    for data in (b"", bytes(4)):
        with pytest.raises(BadBody):
            codec.read(body(described(shape=shape), data))


@pytest.mark.parametrize("order", ["2", "None", "'no'", "0"])
def test_impossible_order_is_400(order: str) -> None:
    with pytest.raises(BadBody):
        codec.read(body(described(order=order), bytes(4)))


@pytest.mark.parametrize(
    "descr",
    [
        *[
            "()",
            "[]",
            "{}",
            "5",
            "None",
            "('<f4',)",
            "('<f4', (2,))",
            "[('a',)]",
            "[('a', '<f4')]",
            "b'<f4'",
            "''",
            "'T'",
        ],
        *["'T'", "'(2,)f4'", "'f4,f4'", "'<U0'", "'|V0'", "'a4'", "'bfloat16'", "'<f4\\x00'", "'" + "x" * 5000 + "'"],
    ],
)
def test_descr_of_no_tensor_is_422(descr: str) -> None:
    with pytest.raises(Unfit):
        codec.read(body(described(descr), bytes(4)))


@pytest.mark.parametrize(
    "header",
    [
        "",
        "{",
        "{'descr': '<f4'}",
        "((((",
        "[" * 9000,
        "(" * 9000,
        "-" * 9000 + "1",
        "1",
        "[]",
        "'a'",
        "{[]: 1}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1",
        "__import__('os').abort()",
        "lambda: 0",
        "\x00" * 10,
        "\xff\xfe",
        "9" * 9000,
        "  x\n y\n",
    ],
)
@pytest.mark.parametrize("version", [1, 2, 3])
def test_header_that_is_no_header_is_400(header: str, version: int) -> None:
    with pytest.raises(BadBody):
        codec.read(body(header, bytes(4), version))


@pytest.mark.parametrize("version", [0, 4, 255])
def test_unknown_format_version_is_400(version: int) -> None:
    with pytest.raises(BadBody, match="version"):
        codec.read(body(described(), bytes(4), version))


def test_header_longer_than_the_limit_is_400_before_it_is_read() -> None:
    with pytest.raises(BadBody, match="10,000"):
        codec.read(body(described() + " " * 10_000, bytes(4)))
    with pytest.raises(BadBody, match="longer than the body"):
        codec.read(b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + bytes(40))


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=80), st.integers(0, 4))
def test_any_header_bytes_are_read_or_refused(header: bytes, version: int) -> None:
    with pytest.raises((BadBody, Unfit)):
        codec.read(body(header, bytes(4), version))


def test_strings_cannot_be_written() -> None:
    with pytest.raises(Unfit, match="application/json"):
        codec.write(np.array(["a"], object))
    with pytest.raises(Unfit):
        codec.start(np.dtype(object), (1,))


@pytest.mark.parametrize("padding", range(1, 17))
def test_values_behind_a_header_of_any_length_are_aligned(padding: int) -> None:
    array = np.arange(1 << 14, dtype=np.float32)
    found = codec.read(body(described(shape="(16384,)") + " " * padding, array.tobytes()))
    assert found.ctypes.data % 16 == 0
    assert found.tobytes() == array.tobytes()
