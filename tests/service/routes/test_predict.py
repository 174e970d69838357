"""`POST /predict` in this process, against onnxruntime called directly on the same file."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper
from PIL import Image
from starlette.testclient import TestClient

JSON, NPY, RAW = "application/json", "application/x-npy", "application/octet-stream"
Npy = Callable[[np.ndarray], bytes]
Oracle = Callable[..., list[np.ndarray]]
IsError = Callable[..., dict[str, Any]]


def post(client: TestClient, path: str, body: bytes | str, content_type: str = JSON, **headers: str) -> Any:
    content = body.encode() if isinstance(body, str) else body
    return client.post(path, content=content, headers={"content-type": content_type} | headers)


def loaded(response: Any) -> np.ndarray:
    assert response.status_code == 200, response.text
    return np.load(io.BytesIO(response.content), allow_pickle=False)


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    """32 rows as Fashion-MNIST has them: bytes over 255, mostly black."""
    dice = np.random.default_rng(3)
    levels = dice.integers(0, 256, (32, 784)) * (dice.random((32, 784)) < 0.4)
    return (levels / 255).astype(np.float32)


@pytest.fixture(scope="module")
def scores(rows: np.ndarray, shipped: Path, oracle: Oracle) -> np.ndarray:
    (found,) = oracle(shipped / "fashion_mnist" / "1" / "model.onnx", {"input": rows}, "probabilities")
    assert found.shape == (32, 10)
    return found


# --- the shipped network, every kind of body --------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/predict", "/predict/fashion_mnist"])
@pytest.mark.parametrize("shape", [(32, 784), (32, 28, 28), (32, 1, 28, 28)])
def test_json_rows_give_the_runtimes_own_bits(
    client: TestClient, rows: np.ndarray, scores: np.ndarray, path: str, shape: tuple[int, ...]
) -> None:
    answer = client.post(path, json={"instances": rows.reshape(shape).tolist()})
    body = answer.json()
    assert body.keys() == {"model", "version", "predictions"}
    assert (body["model"], body["version"]) == ("fashion_mnist", "1")
    assert len(body["predictions"]) == 32
    for prediction, expected in zip(body["predictions"], scores, strict=True):
        assert np.array(prediction["scores"], np.float32).tobytes() == expected.tobytes()
        assert prediction["index"] == int(expected.argmax())
        assert np.float32(prediction["score"]) == expected.max()
        assert isinstance(prediction["label"], str)


def test_columnar_json_gives_the_same_classes(client: TestClient, rows: np.ndarray) -> None:
    by_rows = client.post("/predict", json={"instances": rows.tolist()}).json()
    assert client.post("/predict", json={"inputs": rows.tolist()}).json() == by_rows
    assert client.post("/predict", json={"inputs": {"input": rows.tolist()}}).json() == by_rows
    assert client.post("/predict", json={"instances": [{"input": row} for row in rows.tolist()]}).json() == by_rows


def test_binary_bodies_are_answered_in_kind(client: TestClient, rows: np.ndarray, scores: np.ndarray, npy: Npy) -> None:
    answer = post(client, "/predict", npy(rows), NPY)
    assert answer.headers["content-type"] == NPY
    assert loaded(answer).tobytes() == scores.tobytes()
    assert loaded(answer).shape == (32, 10)
    fortran = io.BytesIO()
    np.save(fortran, np.asfortranarray(rows.reshape(32, 28, 28)))
    assert loaded(post(client, "/predict", fortran.getvalue(), NPY)).tobytes() == scores.tobytes()
    assert loaded(post(client, "/predict", npy(rows.astype(">f4")), NPY)).tobytes() == scores.tobytes()
    answer = post(client, "/predict", rows.astype("<f4").tobytes(), RAW)
    assert answer.headers["content-type"] == RAW
    assert answer.content == scores.astype("<f4").tobytes()


@pytest.mark.parametrize("body_type", [JSON, NPY, RAW])
@pytest.mark.parametrize("wanted", [JSON, NPY, RAW])
def test_accept_chooses_the_answer(
    client: TestClient, rows: np.ndarray, scores: np.ndarray, npy: Npy, body_type: str, wanted: str
) -> None:
    bodies = {JSON: json.dumps({"instances": rows.tolist()}).encode(), NPY: npy(rows), RAW: rows.tobytes()}
    answer = post(client, "/predict", bodies[body_type], body_type, accept=wanted)
    assert answer.headers["content-type"] == wanted
    if wanted == JSON:
        found = np.array([prediction["scores"] for prediction in answer.json()["predictions"]], np.float32)
    else:
        found = loaded(answer) if wanted == NPY else np.frombuffer(answer.content, "<f4")
    assert found.tobytes() == scores.tobytes()


def test_picture_is_answered_in_json(
    client: TestClient, rows: np.ndarray, scores: np.ndarray, encoded: Callable[..., bytes]
) -> None:
    levels = np.rint(rows[0] * 255).astype(np.uint8).reshape(28, 28)
    answer = post(client, "/predict", encoded(Image.fromarray(levels)), "image/png")
    (prediction,) = answer.json()["predictions"]
    assert np.array(prediction["scores"], np.float32).tobytes() == scores[0].tobytes()
    blurred = post(client, "/predict", encoded(Image.fromarray(levels), "JPEG"), "image/jpeg", accept=NPY)
    assert loaded(blurred).shape == (1, 10)


def test_form_of_a_class_follows_the_query(client: TestClient, rows: np.ndarray, scores: np.ndarray) -> None:
    body = json.dumps({"instances": rows[:1].tolist()})
    (short,) = post(client, "/predict?scores=false", body).json()["predictions"]
    assert short.keys() == {"index", "label", "score"}
    (best,) = post(client, "/predict?top_k=3&scores=0", body).json()["predictions"]
    order = np.argsort(-scores[0], kind="stable")[:3]
    assert [entry["index"] for entry in best["top"]] == order.tolist()
    assert [np.float32(entry["score"]) for entry in best["top"]] == scores[0][order].tolist()
    (all_of_them,) = post(client, "/predict?top_k=999999999", body).json()["predictions"]
    assert len(all_of_them["top"]) == 10


@pytest.mark.parametrize(
    "query",
    [
        *("scores=maybe", "scores=", "top_k=-1", "top_k=1.5", "top_k=x", "top_k=9999999999", "top_k=%C2%B2", "top_k="),
        *("colour=red", "top_k=1&top_k=2"),
    ],
)
def test_wrong_query_is_422(client: TestClient, is_error: IsError, query: str) -> None:
    is_error(post(client, f"/predict?{query}", '{"instances": []}'), 422)


def test_no_rows_are_answered_with_none(client: TestClient, npy: Npy) -> None:
    assert client.post("/predict", json={"instances": []}).json()["predictions"] == []
    assert loaded(post(client, "/predict", npy(np.zeros((0, 784), np.float32)), NPY)).shape == (0, 10)
    assert loaded(post(client, "/predict", npy(np.zeros((0, 3, 2**40), np.float32)), NPY)).shape == (0, 10)
    assert post(client, "/predict", b"", RAW).content == b""


# --- models of other kinds --------------------------------------------------------------------------------------------

VALUES = {
    "bool": [[True, False], [False, True]],
    "uint8": [[0, 255], [1, 2]],
    "uint16": [[0, 65535], [1, 2]],
    "uint32": [[0, 2**32 - 1], [1, 2]],
    "uint64": [[2**64 - 1, 2**63], [2**53 + 1, 0]],
    "int8": [[-128, 127], [0, 1]],
    "int16": [[-32768, 32767], [0, 1]],
    "int32": [[-(2**31), 2**31 - 1], [0, 1]],
    "int64": [[-(2**63), 2**63 - 1], [2**53 + 1, -(2**53) - 1]],
    "fp16": [[1.5, -65504.0], ["NaN", "Infinity"]],
    "bf16": [[1.5, -2.0], ["NaN", "-Infinity"]],
    "fp32": [[0.1, -3.4028235e38], ["-Infinity", 1e-45]],
    "fp64": [[0.1, 1.7976931348623157e308], [5e-324, "NaN"]],
    "bytes": [["a", "é\0"], ["", "NaN"]],
}


@pytest.mark.parametrize("kind", VALUES)
def test_every_datatype_goes_through_json_unchanged(client: TestClient, kind: str) -> None:
    answer = client.post(f"/predict/same_{kind}", json={"instances": VALUES[kind]})
    assert answer.json()["predictions"] == VALUES[kind], answer.text
    columns = client.post(f"/predict/same_{kind}", json={"inputs": {"x": VALUES[kind]}})
    assert columns.json()["outputs"] == VALUES[kind]
    by_name = client.post(f"/predict/same_{kind}", json={"instances": [{"x": row} for row in VALUES[kind]]})
    assert by_name.json()["predictions"] == VALUES[kind]


@pytest.mark.parametrize("kind", ["bool", "uint8", "int64", "uint64", "fp16", "fp32", "fp64"])
def test_every_datatype_goes_through_npy_and_raw_unchanged(client: TestClient, npy: Npy, kind: str) -> None:
    dtype = {"bool": "?", "fp16": "f2", "fp32": "f4", "fp64": "f8"}.get(kind, kind)
    array = np.array([[0, 1], [1, 0]], dtype)
    assert loaded(post(client, f"/predict/same_{kind}", npy(array), NPY)).tobytes() == array.tobytes()
    assert post(client, f"/predict/same_{kind}", array.tobytes(), RAW).content == array.tobytes()


def test_strings_are_answered_in_json_only(client: TestClient, is_error: IsError) -> None:
    body = '{"instances": [["a", "b"]]}'
    is_error(post(client, "/predict/same_bytes", body, accept=NPY), 406)
    is_error(post(client, "/predict/same_bytes", body, accept=RAW), 406)
    is_error(post(client, "/predict/same_bytes", b"abcd", RAW), 415)


def test_several_inputs_and_outputs_go_by_name(client: TestClient) -> None:
    rows = {"instances": [{"a": [1, 2], "b": [10, 20]}, {"b": [30, 40], "a": [3, 4]}]}
    assert client.post("/predict/adder", json=rows).json()["predictions"] == [[11, 22], [33, 44]]
    columns = {"inputs": {"a": [[1, 2], [3, 4]], "b": [[10, 20], [30, 40]]}}
    assert client.post("/predict/adder", json=columns).json()["outputs"] == [[11, 22], [33, 44]]
    answer = client.post("/predict/two_outputs", json={"instances": [[0, 0], [-1, 0]]})
    expected = [np.exp(np.float32(-1)), np.float32(1)]
    assert answer.json()["predictions"][0] == {"negated": [0, 0], "power": [1, 1]}
    assert np.allclose(answer.json()["predictions"][1]["power"], expected, rtol=1e-6)
    columns = client.post("/predict/two_outputs", json={"inputs": [[0, 0]]}).json()["outputs"]
    assert columns == {"negated": [[0, 0]], "power": [[1, 1]]}


def test_several_outputs_are_answered_in_json_only(client: TestClient, is_error: IsError, npy: Npy) -> None:
    body = npy(np.zeros((1, 2), np.float32))
    assert post(client, "/predict/two_outputs", body, NPY).headers["content-type"] == JSON
    is_error(post(client, "/predict/two_outputs", body, NPY, accept=NPY), 406)
    is_error(post(client, "/predict/adder", body, NPY), 415)


def test_symbol_that_differs_between_inputs_is_422(client: TestClient, is_error: IsError) -> None:
    answer = client.post("/predict/adder", json={"inputs": {"a": [[1, 2]], "b": [[1, 2], [3, 4], [5, 6]]}})
    body = is_error(answer, 422)
    assert body["details"] == [{"path": "b", "expected": "FP32 [n=1, 2] with `n` as in `a`", "got": "FP32 [3, 2]"}]


def test_scalars_fixed_shapes_and_unknown_ranks_are_served(client: TestClient, npy: Npy) -> None:
    assert client.post("/predict/scalar", json={"inputs": 2.5}).json()["outputs"] == 2.5
    assert client.post("/predict/scalar", json={"instances": [2.5]}).json()["outputs"] == 2.5
    assert loaded(post(client, "/predict/scalar", npy(np.float32(2.5)), NPY)) == 2.5
    assert post(client, "/predict/scalar", np.float32(2.5).tobytes(), RAW).content == np.float32(2.5).tobytes()
    fixed = [[1, 2, 3], [4, 5, 6]]
    for sent in (fixed, [1, 2, 3, 4, 5, 6]):
        assert client.post("/predict/fixed", json={"inputs": sent}).json()["outputs"] == fixed
    assert client.post("/predict/row", json={"instances": [1, 2, 3]}).json()["predictions"] == [1, 2, 3]
    for deep in (1, [], [[[1], [2]]]):
        assert client.post("/predict/unranked", json={"inputs": deep}).json()["outputs"] == deep
    assert client.post("/predict/total", json={"instances": [[1, 2], [3, 4]]}).json()["outputs"] == 10
    assert client.post("/predict/cube", json={"instances": [[1, 2, 3, 4]]}).json()["predictions"] == [[[1, 2], [3, 4]]]
    assert client.post("/predict/hollow", json={"instances": [[], []]}).json()["predictions"] == [[], []]
    assert loaded(post(client, "/predict/hollow", npy(np.zeros((3, 0, 2), np.float32)), NPY)).shape == (3, 0)


@pytest.mark.parametrize("length", [0, 4, 20, 48])
def test_raw_body_of_another_size_than_a_fixed_shape_is_400(client: TestClient, is_error: IsError, length: int) -> None:
    is_error(post(client, "/predict/fixed", bytes(length), RAW), 400)


def test_parameter_in_the_graph_may_be_overridden(client: TestClient) -> None:
    body = {"inputs": {"x": [[1, 2]], "bias": [10, 20]}}
    assert client.post("/predict/offset", json=body).json()["outputs"] == [[11, 22]]
    assert client.post("/predict/offset", json={"instances": [[1, 2]]}).json()["predictions"] == [[1, 2]]


def test_versions_are_addressed_and_the_highest_is_the_default(client: TestClient, is_error: IsError) -> None:
    body = {"instances": [[1, 2]]}
    assert client.post("/predict/versions", json=body).json()["version"] == "10"
    assert client.post("/predict/versions?version=2", json=body).json()["version"] == "2"
    is_error(client.post("/predict/versions?version=3", json=body), 404)
    is_error(client.post("/predict/versions?version=", json=body), 404)


@pytest.mark.parametrize(("model", "shape"), [("colour", (3, 2, 4)), ("grey", (2, 4, 1))])
def test_picture_fills_the_row_of_any_layout(
    client: TestClient, encoded: Callable[..., bytes], model: str, shape: tuple[int, ...]
) -> None:
    answer = post(client, f"/predict/{model}", encoded(Image.new("L", (9, 5), 255)), "image/png", accept=NPY)
    assert np.array_equal(loaded(answer), np.ones((1, *shape), np.float32))


def test_picture_for_a_model_that_takes_none_is_415(
    client: TestClient, is_error: IsError, encoded: Callable[..., bytes]
) -> None:
    picture = encoded(Image.new("L", (4, 2)))
    body = is_error(post(client, "/predict/row", picture, "image/png"), 415)
    assert "image" not in body["error"].partition(";")[0]
    is_error(post(client, "/predict/too_small", picture, "image/png"), 422)


def test_values_that_the_graph_refuses_are_422_without_a_path(client: TestClient, is_error: IsError) -> None:
    assert client.post("/predict/lookup", json={"instances": [4, 0]}).json()["predictions"] == [40, 0]
    body = is_error(client.post("/predict/lookup", json={"instances": [1, 99]}), 422)
    assert "99" in body["error"]


@pytest.mark.parametrize(
    "properties",
    [{"labels": "[]"}, {"labels": '["only one"]'}],
)
def test_classes_without_labels_have_an_index(
    start: Callable[..., TestClient], graphs: Any, tmp_path: Path, properties: dict[str, str]
) -> None:
    graphs.classifier(tmp_path / "own.onnx", **properties)
    client = start(models=tmp_path)
    (found,) = client.post("/predict/own?top_k=1", json={"instances": [[0.1, 0.2, 0.7]]}).json()["predictions"]
    assert found == {
        "index": 2,
        "score": 0.7,
        "scores": [0.1, 0.2, 0.7],
        "top": [{"index": 2, "score": 0.7}],
    }


def test_scores_that_are_not_finite_are_strings(client: TestClient) -> None:
    (found,) = client.post("/predict/classifier", json={"instances": [["NaN", 1, "Infinity"]]}).json()["predictions"]
    assert found["scores"] == ["NaN", 1, "Infinity"]
    assert found["score"] in ("NaN", "Infinity")


# --- hostile bodies ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "body", "path"),
    [
        ("fashion_mnist", {"instances": [[1, 2, 3]]}, "input"),
        ("fashion_mnist", {"instances": [[0] * 784, [0] * 783]}, "instances[1]"),
        ("fashion_mnist", {"instances": [0] * 784}, "input"),
        ("fashion_mnist", {"instances": 5}, "instances"),
        ("fashion_mnist", {"instances": {"input": [[0] * 784]}}, "instances"),
        ("fashion_mnist", {"instances": None}, "instances"),
        ("fashion_mnist", {"instances": "abc"}, "instances"),
        ("fashion_mnist", {"inputs": None}, "inputs.input"),
        ("fashion_mnist", {"inputs": {"wrong": [[0] * 784]}}, "inputs.wrong"),
        ("fashion_mnist", {"inputs": {}}, "input"),
        ("fashion_mnist", {}, "body"),
        ("fashion_mnist", {"instances": [], "inputs": []}, "body"),
        ("fashion_mnist", {"rows": []}, "body"),
        ("fashion_mnist", {"instances": [], "extra": 1}, "extra"),
        ("fashion_mnist", {"instances": [{"input": [0] * 784}, [0] * 784]}, "instances[1]"),
        ("fashion_mnist", {"instances": [[0] * 784, {"input": [0] * 784}]}, "instances[1]"),
        ("fashion_mnist", {"instances": [{"input": [0] * 784}, {"input": [0]}]}, "instances[].input"),
        ("fashion_mnist", {"instances": [{"input": [0] * 784, "other": 1}]}, "instances[].other"),
        ("fashion_mnist", {"instances": [{}]}, "instances[0].input"),
        ("adder", {"instances": [[1, 2]]}, "instances[0]"),
        ("adder", {"instances": [{"a": [1, 2]}]}, "instances[0].b"),
        ("adder", {"inputs": [[1, 2]]}, "inputs"),
        ("adder", {"inputs": {"a": [[1, 2]]}}, "b"),
        ("same_int64", {"instances": [[1.5, 2]]}, "instances[0][0]"),
        ("same_int64", {"instances": [[1, 2**63]]}, "instances[0][1]"),
        ("same_int64", {"instances": [[1, 10**30]]}, "instances[0][1]"),
        ("same_uint8", {"instances": [[1, 256]]}, "instances[0][1]"),
        ("same_fp32", {"instances": [[1, 1e39]]}, "instances[0][1]"),
        ("same_bool", {"instances": [[0, 1]]}, "instances[0][0]"),
        ("same_bytes", {"instances": [["a", 1]]}, "instances[0][1]"),
        ("scalar", {"inputs": [1, 2]}, "x"),
        ("fixed", {"inputs": [[1, 2], [3, 4]]}, "x"),
    ],
)
def test_what_does_not_fit_is_422_at_its_path(
    client: TestClient, is_error: IsError, model: str, body: dict[str, Any], path: str
) -> None:
    found = is_error(client.post(f"/predict/{model}", json=body), 422)
    assert found["details"][0]["path"] == path


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"instances": [[1,2]] trailing',
        b'{"instances": [], "instances": []}',
        b'{"instances": [NaN]}',
        b'{"instances": [123456789012345678901], "\\ud800": 1}',
        b'{"instances": [{"a": 1, "a": 2}]}',
        b'{"instances": ' + b"[" * 100_000,
        b'{"instances": [' + b"9" * 5000 + b"]",
    ],
)
@pytest.mark.parametrize("model", ["fashion_mnist", "adder", "same_bytes"])
def test_what_cannot_be_parsed_is_400(client: TestClient, is_error: IsError, model: str, body: bytes) -> None:
    is_error(post(client, f"/predict/{model}", body), 400)


@pytest.mark.parametrize("content_type", [NPY, RAW, "image/png", "image/jpeg"])
@pytest.mark.parametrize("body", [b"x", b"\x93NUMPY", b"\x89PNG\r\n\x1a\n", b"{}", bytes(3137)])
def test_broken_binary_body_is_400(client: TestClient, is_error: IsError, content_type: str, body: bytes) -> None:
    is_error(post(client, "/predict", body, content_type), 400)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.zeros((1, 784)), "FP32"),
        (np.zeros((1, 784), np.int64), "FP32"),
        (np.zeros((1, 785), np.float32), "784"),
        (np.zeros(784, np.float32), "784"),
        (np.float32(1), "784"),
        (np.zeros((1,) * 64, np.float32), "784"),
        (np.zeros((784, 0), np.float32), "784"),
    ],
)
def test_array_that_does_not_fit_is_422(
    client: TestClient, is_error: IsError, npy: Npy, array: np.ndarray, expected: str
) -> None:
    body = is_error(post(client, "/predict", npy(array), NPY), 422)
    assert expected in body["details"][0]["expected"]


def test_media_types_that_cannot_be_read_or_written_are_415_and_406(client: TestClient, is_error: IsError) -> None:
    is_error(post(client, "/predict", "a=1", "application/x-www-form-urlencoded"), 415)
    is_error(client.post("/predict", content=b'{"instances": []}'), 415)
    is_error(post(client, "/predict", '{"instances": []}', **{"content-encoding": "br"}), 415)
    is_error(post(client, "/predict", '{"instances": []}', accept="text/html"), 406)
    is_error(post(client, "/predict", '{"instances": []}', accept="application/json;q=x"), 400)


@pytest.mark.parametrize("model", ["nothing", "%2e%2e%2fetc", "a%00b", "%ff", "x" * 300, "<script>"])
def test_unknown_model_is_404(client: TestClient, is_error: IsError, model: str) -> None:
    is_error(client.post(f"/predict/{model}", json={"instances": []}), 404)
    is_error(client.get(f"/models/{model}"), 404)


@pytest.mark.parametrize("properties", [{}, {"task": "classification"}, {"task": "regression", "scores": "scores"}])
def test_scores_without_the_task_are_rows(
    start: Callable[..., TestClient], graphs: Any, tmp_path: Path, properties: dict[str, str]
) -> None:
    graphs.identity(tmp_path / "plain.onnx", 1, ["n", 3], task=properties.get("task", ""))
    client = start(models=tmp_path, default_model="plain")
    assert client.post("/predict", json={"instances": [[1, 2, 3]]}).json()["predictions"] == [[1, 2, 3]]


def test_first_example_a_batch_of_32_gives_32_by_10(client: TestClient, npy: Npy) -> None:
    rows = np.random.default_rng(0).random((32, 784), np.float32)
    assert loaded(post(client, "/predict/fashion_mnist", npy(rows), NPY)).shape == (32, 10)


def test_large_json_body_gives_the_runtimes_own_bits(
    client: TestClient, npy: Npy, shipped: Path, oracle: Oracle
) -> None:
    rows = np.random.default_rng(1).random((400, 784), np.float32)
    (expected,) = oracle(shipped / "fashion_mnist" / "1" / "model.onnx", {"input": rows}, "probabilities")
    body = json.dumps({"instances": rows.tolist()}).encode()
    assert len(body) > 1 << 20
    assert loaded(post(client, "/predict", body, accept=NPY)).tobytes() == expected.tobytes()


def test_input_without_rows_holds_for_all_instances(
    start: Callable[..., TestClient], graphs: Any, tmp_path: Path, is_error: IsError
) -> None:
    node = helper.make_node("Mul", ["x", "factor"], ["y"])
    ends = ([("x", 1, ["n", 2]), ("factor", 1, [])], [("y", 1, ["n", 2])])
    graphs.write(tmp_path / "scaled.onnx", [node], *ends)
    client = start(models=tmp_path)
    rows = [{"x": [1, 2], "factor": 3}, {"x": [4, 5], "factor": 3}]
    assert client.post("/predict/scaled", json={"instances": rows}).json()["predictions"] == [[3, 6], [12, 15]]
    assert client.post("/predict/scaled", json={"instances": rows[:1]}).json()["predictions"] == [[3, 6]]
    columns = {"x": [[1, 2]], "factor": 3}
    assert client.post("/predict/scaled", json={"inputs": columns}).json()["outputs"] == [[3, 6]]
    rows[1]["factor"] = 4
    body = is_error(client.post("/predict/scaled", json={"instances": rows}), 422)
    assert body["details"][0]["path"] == "instances[1].factor"


def test_parameter_in_instances_holds_for_all_of_them(client: TestClient, is_error: IsError) -> None:
    rows = [{"x": [1, 2], "bias": [10, 20]}, {"x": [3, 4], "bias": [10, 20]}]
    assert client.post("/predict/offset", json={"instances": rows}).json()["predictions"] == [[11, 22], [13, 24]]
    rows[1]["bias"] = [0, 0]
    is_error(client.post("/predict/offset", json={"instances": rows}), 422)


def test_batch_of_a_fixed_size_is_taken_and_answered_by_instance(client: TestClient, is_error: IsError) -> None:
    rows = [[1, 2, 3], [4, 5, 6]]
    assert client.post("/predict/fixed", json={"instances": rows}).json()["predictions"] == rows
    named = [{"x": row} for row in rows]
    assert client.post("/predict/fixed", json={"instances": named}).json()["predictions"] == rows
    is_error(client.post("/predict/fixed", json={"instances": rows[:1]}), 422)
    is_error(client.post("/predict/fixed", json={"instances": [*named, named[0]]}), 422)


def test_several_instances_for_a_model_without_rows_are_refused(client: TestClient, is_error: IsError) -> None:
    is_error(client.post("/predict/scalar", json={"instances": [1, 2]}), 422)
    body = is_error(client.post("/predict/scalar", json={"instances": [{"x": 1}, {"x": 1}]}), 422)
    assert "no input of `scalar` has rows" in body["error"]
    assert client.post("/predict/scalar", json={"instances": [{"x": 1}]}).json()["outputs"] == 1


def test_strings_of_several_inputs_and_outputs_are_answered_by_row(
    start: Callable[..., TestClient], graphs: Any, tmp_path: Path
) -> None:
    nodes = [helper.make_node("Identity", [name], [f"{name}_out"]) for name in "ab"]
    inputs, outputs = [("a", 8, ["n"]), ("b", 8, ["n", 2])], [("a_out", 8, ["n"]), ("b_out", 8, ["n", 2])]
    graphs.write(tmp_path / "words.onnx", nodes, inputs, outputs)
    client = start(models=tmp_path)
    rows = [{"a": "é", "b": ["x", ""]}, {"a": "", "b": ["y", "z"]}]
    predictions = client.post("/predict/words", json={"instances": rows}).json()["predictions"]
    assert predictions == [{f"{name}_out": row[name] for name in row} for row in rows]
    told = client.get("/openapi.json").json()["paths"]["/predict/words"]["post"]["requestBody"]["content"]
    assert client.post("/predict/words", json=told["application/json"]["example"]).status_code == 200


def test_classifier_of_scikit_learn_answers_label_and_scores_by_row(
    start: Callable[..., TestClient], tmp_path: Path
) -> None:
    (tmp_path / "iris.onnx").write_bytes((Path(__file__).parents[2] / "assets" / "iris_classifier.onnx").read_bytes())
    rows = [[5.1, 3.5, 1.4, 0.2], [6, 3, 5, 2]]
    predictions = start(models=tmp_path).post("/predict/iris", json={"instances": rows}).json()["predictions"]
    assert [row["output_label"] for row in predictions] == ["setosa", "virginica"]
    assert [np.argmax(row["output_probability"]) for row in predictions] == [0, 2]
