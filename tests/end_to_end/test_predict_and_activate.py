"""Real bodies over HTTP give what onnxruntime gives when it is run directly, to the bit."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

JSON, NPY, RAW = "application/json", "application/x-npy", "application/octet-stream"
FASHION = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
Oracle = Callable[..., np.ndarray]


def test_first_example_32_by_784_gives_32_by_10_as_json(server: Any, oracle: Oracle, rows: np.ndarray) -> None:
    answer = server.post("/predict", {"instances": rows.tolist()})
    assert answer.status == 200
    found = answer.json()
    assert (found["model"], found["version"]) == ("fashion_mnist", "1")
    expected = oracle("fashion_mnist", "probabilities", input=rows)
    scores = np.array([prediction["scores"] for prediction in found["predictions"]], np.float32)
    assert scores.shape == (32, 10)
    assert scores.tobytes() == expected.tobytes()
    for prediction, row in zip(found["predictions"], expected, strict=True):
        assert prediction["index"] == row.argmax()
        assert prediction["label"] == FASHION[row.argmax()]
        assert np.float32(prediction["score"]) == row.max()


@pytest.mark.parametrize("model", ["fashion_mnist", "digits"])
def test_npy_rows_give_the_bits_of_onnxruntime(
    server: Any, oracle: Oracle, rows: np.ndarray, npy: Callable[..., bytes], model: str
) -> None:
    answer = server.post(f"/predict/{model}", npy(rows), NPY)
    assert answer.headers["content-type"] == NPY
    scores = answer.array()
    assert (scores.shape, scores.dtype) == ((32, 10), np.float32)
    assert scores.tobytes() == oracle(model, "probabilities", input=rows).tobytes()


def test_raw_rows_give_the_bits_of_onnxruntime(server: Any, oracle: Oracle, rows: np.ndarray) -> None:
    answer = server.post("/predict", rows.tobytes(), RAW)
    assert answer.headers["content-type"] == RAW
    assert answer.body == oracle("fashion_mnist", "probabilities", input=rows).tobytes()


@pytest.mark.parametrize("shape", [(32, 784), (32, 28, 28), (32, 1, 28, 28)])
def test_rows_of_any_shape_give_the_same_bits(
    server: Any, oracle: Oracle, rows: np.ndarray, npy: Callable[..., bytes], shape: tuple[int, ...]
) -> None:
    expected = oracle("fashion_mnist", "probabilities", input=rows).tobytes()
    assert server.post("/predict", npy(rows.reshape(shape)), NPY).array().tobytes() == expected
    answer = server.post("/predict", {"inputs": rows.reshape(shape).tolist()}, Accept=NPY)
    assert answer.array().tobytes() == expected


def test_fortran_order_and_big_endian_files_give_the_same_bits(
    server: Any, oracle: Oracle, rows: np.ndarray, npy: Callable[..., bytes]
) -> None:
    expected = oracle("fashion_mnist", "probabilities", input=rows).tobytes()
    for array in (np.asfortranarray(rows), rows.astype(">f4")):
        assert server.post("/predict", npy(array), NPY).array().tobytes() == expected


def test_png_gives_the_bits_of_its_pixels(
    server: Any, oracle: Oracle, pictures: np.ndarray, rows: np.ndarray, picture_file: Callable[..., bytes]
) -> None:
    expected = oracle("fashion_mnist", "probabilities", input=rows[:8])
    for picture, row in zip(pictures[:8], expected, strict=True):
        answer = server.post("/predict", picture_file(picture), "image/png")
        assert answer.headers["content-type"] == JSON
        (prediction,) = answer.json()["predictions"]
        assert np.array(prediction["scores"], np.float32).tobytes() == row.tobytes()


def test_jpeg_gives_the_bits_of_its_decoded_pixels(
    server: Any, oracle: Oracle, pictures: np.ndarray, picture_file: Callable[..., bytes]
) -> None:
    file = picture_file(pictures[3], "JPEG", quality=90)
    with Image.open(io.BytesIO(file)) as opened:
        pixels = np.asarray(opened, np.float32).reshape(1, 784) / np.float32(255)
    answer = server.post("/predict", file, "image/jpeg", Accept=RAW)
    assert answer.body == oracle("fashion_mnist", "probabilities", input=pixels).tobytes()


def test_large_batch_gives_the_same_bits_as_its_rows_alone(
    server: Any, oracle: Oracle, rows: np.ndarray, npy: Callable[..., bytes]
) -> None:
    many = np.tile(rows, (63, 1))
    together = server.post("/predict", npy(many), NPY).array()
    alone = np.concatenate([server.post("/predict", npy(row[None]), NPY).array() for row in rows])
    assert together.tobytes() == np.tile(alone, (63, 1)).tobytes()
    assert alone.tobytes() == oracle("fashion_mnist", "probabilities", input=rows).tobytes()


def test_scores_and_top_k_shape_the_answer(server: Any, rows: np.ndarray) -> None:
    answer = server.post("/predict?scores=false&top_k=3", {"instances": rows[:2].tolist()})
    for prediction in answer.json()["predictions"]:
        assert prediction.keys() == {"index", "label", "score", "top"}
        scores = [best["score"] for best in prediction["top"]]
        assert len(scores) == 3
        assert scores == sorted(scores, reverse=True)
        assert prediction["top"][0] == {name: prediction[name] for name in ("index", "label", "score")}


def test_example_of_each_model_and_activation_is_accepted_as_it_stands(server: Any) -> None:
    listed = server.get("/models").json()
    examples = [server.get(f"/models/{model['name']}").json()["example"] for model in listed["models"]]
    examples += [activation["example"] for activation in server.get("/activations").json()["activations"]]
    assert len(examples) >= 9
    for example in examples:
        answer = server.ask(example["method"], example["path"], json.dumps(example["body"]), {"Content-Type": JSON})
        assert answer.status == 200, answer.body


def test_activation_of_the_contract_is_applied(server: Any) -> None:
    answer = server.post("/activate/leaky_relu", {"tensor": [[-1, 2]], "parameters": {"negative_slope": 0.2}})
    expected = {"activation": "leaky_relu", "datatype": "FP32", "shape": [1, 2], "tensor": [[-0.2, 2.0]]}
    assert answer.json() == expected


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "prelu", "elu", "sigmoid", "tanh", "softmax"])
@pytest.mark.parametrize(("path", "output"), [("", "y"), ("/gradient", "grad_x")])
def test_activations_give_the_bits_of_their_graphs(
    server: Any, oracle: Oracle, npy: Callable[..., bytes], name: str, path: str, output: str
) -> None:
    x = np.linspace(-20, 20, 4 * 51, dtype=np.float32).reshape(4, 51)
    expected = oracle(name, output, x=x)
    answer = server.post(f"/activate/{name}{path}", npy(x), NPY)
    assert answer.status == 200, answer.body
    assert answer.array().tobytes() == expected.tobytes()
    as_json = server.post(f"/activate/{name}{path}", {"tensor": x.tolist()}).json()
    assert np.array(as_json["tensor"], np.float32).tobytes() == expected.tobytes()


@pytest.mark.parametrize("tensor", [0.5, [], [[], []], [[[[1.5]]]], [[-1, "NaN", "Infinity", "-Infinity"]]])
def test_tensors_of_any_rank_keep_their_shape(server: Any, tensor: Any) -> None:
    answer = server.post("/activate/relu", {"tensor": tensor})
    assert answer.status == 200, answer.body
    assert answer.json()["shape"] == list(np.shape(np.array(tensor, object)))


def test_special_numbers_are_strings_both_ways(server: Any) -> None:
    answer = server.post("/activate/leaky_relu", {"tensor": ["NaN", "Infinity", "-Infinity", -0.0]})
    assert b'["NaN","Infinity","-Infinity",-0.0]' in answer.body


@pytest.mark.parametrize("datatype", ["FP16", "BF16", "FP32", "FP64"])
def test_each_datatype_is_computed_as_asked(server: Any, datatype: str) -> None:
    answer = server.post("/activate/tanh", {"tensor": [0.5, -1.0], "datatype": datatype})
    assert answer.json()["datatype"] == datatype
    assert answer.json()["tensor"] == pytest.approx(np.tanh([0.5, -1.0]), rel=2**-8)


def test_every_answer_carries_request_id_and_timings(server: Any) -> None:
    for method, path in (("GET", "/"), ("GET", "/health/live"), ("GET", "/nowhere"), ("PUT", "/predict")):
        answer = server.ask(method, path)
        assert len(answer.headers["x-request-id"]) == 32
        assert answer.headers["server-timing"].count(";dur=") == 4
    echoed = server.get("/health/live", {"X-Request-Id": "mine-7"})
    assert echoed.headers["x-request-id"] == "mine-7"
    forged = server.get("/health/live", {"X-Request-Id": "x" * 1000})
    assert len(forged.headers["x-request-id"]) == 32


@pytest.mark.parametrize(
    ("method", "path", "body", "media_type", "status"),
    [
        ("GET", "/nowhere", None, JSON, 404),
        ("GET", "/predict", None, JSON, 405),
        ("DELETE", "/models/fashion_mnist", None, JSON, 405),
        ("POST", "/predict/none", b'{"instances": []}', JSON, 404),
        ("POST", "/predict?version=7", b'{"instances": []}', JSON, 404),
        ("POST", "/activate/none", b'{"tensor": 1}', JSON, 404),
        ("POST", "/predict", b"{", JSON, 400),
        ("POST", "/predict", b"abc", RAW, 400),
        ("POST", "/predict", b"abc", "text/csv", 415),
        ("POST", "/predict", b'{"instances": [[1, 2]]}', JSON, 422),
        ("POST", "/activate/relu", b'{"tensor": [1], "parameters": {"slope": 1}}', JSON, 422),
        ("POST", "/activate/elu", b'{"tensor": ["x"]}', JSON, 422),
    ],
)
def test_refusals_have_one_shape(server: Any, method: str, path: str, body: Any, media_type: str, status: int) -> None:
    answer = server.ask(method, path, body, {"Content-Type": media_type})
    assert answer.status == status
    assert answer.headers["content-type"] == JSON
    found = answer.json()
    assert found.keys() == {"error", "details"}
    assert found["error"].endswith((".", "`"))
    if status == 422:
        assert found["details"][0].keys() == {"path", "expected", "got"}
    if status == 405:
        assert answer.headers["allow"]


def test_accept_that_cannot_be_met_is_refused(server: Any) -> None:
    assert server.post("/activate/relu", {"tensor": [1]}, Accept="text/html").status == 406
