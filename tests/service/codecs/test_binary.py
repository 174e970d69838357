"""The bytes of one tensor, against struct."""

import struct

import numpy as np
import pytest

from service.codecs import binary
from service.errors import BadBody
from service.tensors import BY_NAME, DATATYPES


@pytest.mark.parametrize("datatype", [datatype for datatype in DATATYPES if datatype.name != "BYTES"])
def test_read_gives_back_what_write_wrote(datatype) -> None:
    array = np.array([[0, 1, 1], [1, 0, 1]]).astype(datatype.dtype)
    data = binary.write(array)
    assert data == array.tobytes()
    found = binary.read(data, datatype, (2, 3), "x")
    assert (found.dtype, found.tobytes(), found.shape) == (array.dtype, data, (2, 3))


def test_strings_have_their_length_before_them() -> None:
    data = struct.pack("<I", 2) + "é".encode() + struct.pack("<I", 0)
    found = binary.read(data, BY_NAME["BYTES"], (2,), "x")
    assert found.tolist() == ["é", ""]
    assert binary.write(found) == data
    assert binary.write(np.array([b"\xff"], np.object_)) == struct.pack("<I", 1) + b"\xff"


@pytest.mark.parametrize(
    ("name", "data", "shape"),
    [
        ("FP32", b"\0" * 7, (2,)),
        ("FP32", b"\0" * 9, (2,)),
        ("BOOL", b"\2", (1,)),
        ("BYTES", struct.pack("<I", 5) + b"abc", (1,)),
        ("BYTES", b"\1\0", (1,)),
        ("BYTES", struct.pack("<I", 1) + b"\xff", (1,)),
        ("BYTES", struct.pack("<I", 1) + b"a", (2,)),
    ],
)
def test_bytes_that_are_not_the_tensor_are_refused(name: str, data: bytes, shape: tuple[int, ...]) -> None:
    with pytest.raises(BadBody, match="`x`"):
        binary.read(data, BY_NAME[name], shape, "x")


def test_an_empty_tensor_has_no_bytes() -> None:
    assert binary.read(b"", BY_NAME["BOOL"], (0, 3), "x").shape == (0, 3)
    assert binary.read(b"", BY_NAME["BYTES"], (0,), "x").shape == (0,)


@pytest.mark.parametrize("values", [16, 1 << 14])
@pytest.mark.parametrize("start", [0, 1, 4, 8, 16])
def test_values_are_laid_where_the_kernels_give_the_same_bits(values: int, start: int) -> None:
    array = np.arange(values, dtype=np.float32)
    data = memoryview(bytes(start) + array.tobytes())[start:]
    found = binary.read(data, BY_NAME["FP32"], (values,), "x")
    assert found.ctypes.data % 16 == 0
    assert found.tobytes() == array.tobytes()
