"""The best classes of an output."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from service import classification, metadata

NONE = metadata.read({})


@pytest.mark.parametrize(
    ("values", "datatype", "expected"),
    [
        ([1.5, float("nan"), 2.0, float("-inf")], np.float32, ["2.0:2", "1.5:0", "-Infinity:3", "NaN:1"]),
        ([1.0, 3.0, 3.0], ml_dtypes.bfloat16, ["3.0:1", "3.0:2", "1.0:0"]),
        # Equal as float64, and the least of them has no negative.
        ([2**63 - 2, 2**63 - 1, -(2**63)], np.int64, [f"{2**63 - 1}:1", f"{2**63 - 2}:0", f"-{2**63}:2"]),
        ([0, 2**64 - 2, 2**64 - 1], np.uint64, [f"{2**64 - 1}:2", f"{2**64 - 2}:1", "0:0"]),
        ([False, True, True], np.bool_, ["true:1", "true:2", "false:0"]),
        ([], np.float32, []),
    ],
)
def test_the_highest_comes_first_and_equals_stay_in_order(values: Any, datatype: Any, expected: list[str]) -> None:
    array = np.array(values, datatype)
    assert classification.best(array, 10, NONE).tolist() == expected
    assert classification.best(array.reshape(1, -1), 2, NONE).tolist() == [expected[:2]]


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0,)])
def test_output_without_elements_has_no_classes(shape: tuple[int, ...]) -> None:
    found = classification.best(np.zeros(shape, np.float32), 2, NONE)
    assert (found.size, found.dtype) == (0, np.object_)


def test_scalar_is_one_class() -> None:
    assert classification.best(np.array(0.5, np.float32), 2, NONE).tolist() == ["0.5:0"]
