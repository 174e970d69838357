"""Reference statistics: read with all that can be wrong in them, and drift against a formula written apart."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.reference import Found, beside, find, read

LAYER = {"node": "relu", "zero_share": 0.5, "edges": [0.0, 1.0], "counts": [50, 30, 20]}
GOOD = {"rows": 100, "source": "made up", "layers": [LAYER]}
EDGES = ": expected 1 to 256 finite numbers for edges."
ORDER = ": expected each edge to be greater than the one before."
COUNTS = ": expected 3 counts from 0 on, one more than edges."
UNITS = [[[0.0], [60, 40]], [[1.0, 2.0], [10, 0, 90]]]


def by_hand(counts: list[int], others: list[int]) -> float:
    """Bin by bin, as the definition has it."""
    found = []
    for each in (counts, others):
        raised = [max(count / sum(each), 1e-4) for count in each]
        found.append([one / sum(raised) for one in raised])
    return sum((p - q) * math.log(p / q) for p, q in zip(*found, strict=True))


def test_drift_of_a_layer_is_that_of_the_definition() -> None:
    bins = read(GOOD).layers["relu"]
    at_most = np.array([[10], [30]])  # 10, 20 and 70 of 100
    assert bins.drift(at_most, np.array([60, 40])) == pytest.approx(by_hand([10, 20, 70], LAYER["counts"]))
    assert bins.drift(np.array([[100], [160]]), np.array([200])) == pytest.approx(0, abs=1e-12)
    assert bins.drift(np.array([[0], [0]]), np.array([9])) == pytest.approx(by_hand([0, 0, 9], LAYER["counts"]))


def test_drift_of_units_is_the_mean_over_those_that_were_seen() -> None:
    bins = read({**GOOD, "layers": [LAYER | {"units": UNITS}]}).layers["relu"]
    assert bins.is_by_unit
    at_most = np.array([[30, 50], [100, 100]])  # the first unit has one edge; all of its values are below infinity
    one, two = by_hand([30, 70], [60, 40]), by_hand([50, 50, 0], [10, 0, 90])
    assert bins.drift(at_most, np.array([100, 100])) == pytest.approx((one + two) / 2)
    assert bins.drift(np.array([[30, 0], [100, 0]]), np.array([100, 0])) == pytest.approx(one)


def test_nothing_seen_or_other_units_have_no_drift() -> None:
    bins = read({**GOOD, "layers": [LAYER | {"units": UNITS}]}).layers["relu"]
    assert bins.drift(np.zeros((2, 2), int), np.zeros(2, int)) is None
    assert bins.drift(np.zeros((2, 2), int), np.ones(3, int)) is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "expected an object with a list `layers`."),
        ({"rows": 1, "layers": {}}, "expected an object with a list `layers`."),
        (GOOD | {"rows": 0}, "`rows`: expected a whole number above 0."),
        (GOOD | {"rows": True}, "`rows`: expected a whole number above 0."),
        (GOOD | {"layers": [{"edges": [0]}]}, "`layers[0].node`: expected the name of a node."),
        (GOOD | {"layers": [LAYER | {"edges": []}]}, "`layers[0]`" + EDGES),
        (GOOD | {"layers": [LAYER | {"edges": ["0"]}]}, "`layers[0]`" + EDGES),
        (GOOD | {"layers": [LAYER | {"edges": [1e39, 2e39]}]}, "`layers[0]`" + EDGES),
        (GOOD | {"layers": [LAYER | {"edges": [math.nan, 1.0]}]}, "`layers[0]`" + EDGES),
        (GOOD | {"layers": [LAYER | {"edges": [1, 1]}]}, "`layers[0]`" + ORDER),
        (GOOD | {"layers": [LAYER | {"counts": [1, 2]}]}, "`layers[0]`" + COUNTS),
        (GOOD | {"layers": [LAYER | {"counts": [1, 2, -1]}]}, "`layers[0]`" + COUNTS),
        (GOOD | {"layers": [LAYER | {"units": [[1]]}]}, "`layers[0].units`: expected a list of [edges, counts]."),
        (
            GOOD | {"layers": [LAYER | {"units": [UNITS[0], [[0], [1]]]}]},
            "`layers[0].units[1]`: expected 2 counts from 0 on, one more than edges.",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(given: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        read(given)
    assert str(caught.value) == said
    assert find(tmp_path / "reference.json", given).told() == {
        "from": "metadata `activation_reference`",
        "problem": said,
    }


def test_file_beside_the_versions_wins_over_the_metadata(tmp_path: Path) -> None:
    file = beside(tmp_path / "model.toml")
    assert find(file, None) == Found()
    assert find(file, GOOD).told()["rows"] == 100
    file.write_text(json.dumps(GOOD | {"rows": 7, "unknown": "is passed over"}))
    assert find(file, GOOD).told() == {"from": "`reference.json`", "rows": 7, "source": "made up", "layers": ["relu"]}
    file.write_text("{")
    assert find(file, GOOD).told() == {"from": "`reference.json`", "problem": "it is not JSON."}
    assert find(tmp_path, GOOD).told() == {
        "from": f"`{tmp_path.name}`",
        "problem": "it cannot be read (Is a directory).",
    }
    assert beside(tmp_path / "plain.toml").name == "plain.reference.json"
