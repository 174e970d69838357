import json

import numpy as np
import pytest

from benchmarks import faces
from benchmarks.cases import CASES, COLUMNS, Case

SCORES = np.linspace(0, 1, 20, dtype=np.float32).reshape(2, 10)


def test_rows_are_pixels_and_the_same_in_every_run():
    first, again = Case("json", 3, 1).batches(), Case("json", 3, 1).batches()
    assert all(np.array_equal(one, other) for one, other in zip(first, again, strict=True))
    assert first[0].shape == (3, COLUMNS)
    assert first[0].dtype == np.float32
    assert np.allclose(np.rint(first[0] * 255), first[0] * 255, atol=1e-4)  # k/255


def test_case_names_are_told_apart():
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("face", [faces.ours("/"), faces.instances("/"), faces.open_inference("/")])
def test_json_bodies_read_back_to_the_same_floats(face):
    (rows, *_) = Case("json", 2, 1).batches()
    body = json.loads(face.write(rows))
    values = body["instances"] if "instances" in body else body["inputs"][0]["data"]
    assert np.array_equal(np.array(values, np.float32).reshape(rows.shape), rows)


@pytest.mark.parametrize(
    ("face", "answer"),
    [
        (
            faces.ours("/"),
            json.dumps({"predictions": [{"index": 9, "scores": row} for row in SCORES.tolist()]}).encode(),
        ),
        (faces.instances("/"), json.dumps({"predictions": SCORES.tolist()}).encode()),
        (faces.open_inference("/"), json.dumps({"outputs": [{"data": SCORES.ravel().tolist()}]}).encode()),
        (faces.raw("/"), SCORES.tobytes()),
    ],
)
def test_scores_are_found_in_every_kind_of_answer(face, answer):
    assert np.array_equal(face.read(answer), SCORES)
