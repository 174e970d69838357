import json

import numpy as np
import pytest

from benchmarks import faces
from benchmarks.cases import CASES, COLUMNS, TENSOR_COLUMNS, Case

SCORES = np.linspace(0, 1, 20, dtype=np.float32).reshape(2, 10)


def test_rows_are_pixels_and_the_same_for_every_kind_of_body():
    first, again = Case("json", 3, 1).batches(), Case("v2-binary", 3, 1).batches()
    assert all(np.array_equal(one, other) for one, other in zip(first, again, strict=True))
    assert first[0].shape == (3, COLUMNS)
    assert first[0].dtype == np.float32
    assert np.allclose(np.rint(first[0] * 255), first[0] * 255, atol=1e-4)  # k/255


def test_an_activation_is_asked_for_one_tensor_of_both_signs():
    (tensor,) = Case("relu", 3, 1).batches()
    assert tensor.shape == (3, TENSOR_COLUMNS)
    assert tensor.dtype == np.float32
    assert tensor.min() < -1
    assert tensor.max() > 1


def test_case_names_and_labels_are_told_apart():
    assert len({case.name for case in CASES}) == len(CASES)
    assert len({(case.group, case.label) for case in CASES}) == len(CASES)
    assert CASES[-1].name == "softmax of 64 MB"


def test_cases_of_one_group_stand_together():
    groups = [case.group for case in CASES]
    assert groups == sorted(groups, key=groups.index)


@pytest.mark.parametrize("face", [faces.ours("/"), faces.instances("/"), faces.bare("/"), faces.open_inference("/")])
def test_json_bodies_read_back_to_the_same_floats(face):
    (rows, *_) = Case("json", 2, 1).batches()
    message = face.write(rows)
    body = json.loads(message.body)
    values = body["instances"] if "instances" in body else body["inputs"][0]["data"]
    assert np.array_equal(np.array(values, np.float32).reshape(rows.shape), rows)
    assert message.headers == {"Content-Type": "application/json"}


def test_a_binary_tensor_stands_behind_as_much_json_as_the_header_says():
    (rows, *_) = Case("v2-binary", 2, 1).batches()
    message = faces.open_inference_binary("/").write(rows)
    end = int(message.headers["Inference-Header-Content-Length"])
    (tensor,) = json.loads(message.body[:end])["inputs"]
    assert tensor["shape"] == [2, COLUMNS]
    assert tensor["parameters"] == {"binary_data_size": len(message.body) - end}
    assert message.body[end:] == rows.tobytes()


@pytest.mark.parametrize(
    ("face", "answer"),
    [
        (
            faces.ours("/"),
            json.dumps({"predictions": [{"index": 9, "scores": row} for row in SCORES.tolist()]}).encode(),
        ),
        (faces.instances("/"), json.dumps({"predictions": SCORES.tolist()}).encode()),
        (faces.bare("/"), json.dumps(SCORES.tolist()).encode()),
        (faces.open_inference("/"), json.dumps({"outputs": [{"data": SCORES.ravel().tolist()}]}).encode()),
        (
            faces.open_inference_binary("/"),
            b'{"outputs": [{"parameters": {"binary_data_size": 80}}]}' + SCORES.tobytes(),
        ),
        (faces.raw("/"), SCORES.tobytes()),
        (faces.npy("/"), faces.npy("/").write(SCORES).body),
    ],
)
def test_values_are_found_in_every_kind_of_answer(face, answer):
    assert np.array_equal(face.read(answer), SCORES)


def test_a_binary_answer_of_another_size_than_it_says_is_refused():
    answer = b'{"outputs": [{"parameters": {"binary_data_size": 40}}]}' + SCORES.tobytes()
    with pytest.raises(ValueError, match="promises 40"):
        faces.open_inference_binary("/").read(answer)
