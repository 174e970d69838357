"""Bodies made from what the service says of its models are taken by the service, in every form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from service.bench.bodies import Body, from_file
from service.bench.examples import BODIES, COLUMNS, Example, made
from service.bench.target import BenchError

ROWS = 3


@pytest.fixture
def make(client: TestClient) -> Any:
    """Makes bodies for a path of the application."""

    def get(path: str) -> Any:
        response = client.get(path)
        assert response.status_code == 200, (path, response.text)
        return response.json()

    def make(path: str, form: str = "json", rows: int = 1, seed: int = 0) -> Example:
        return made(path, get, form, rows, seed)

    return make


def post(client: TestClient, path: str, body: Body) -> Any:
    headers = {"content-type": body.media_type, **dict(body.headers)}
    response = client.post(path, content=body.content, headers=headers)
    assert response.status_code == 200, (path, response.text)
    return response


WITH_ROWS = ("fashion_mnist", "digits", "adder", "two_outputs", "mean", "total", "lookup", "classifier", "offset")
WITH_ROWS += ("row", "cube", "free", "colour", "grey", "same_bool", "same_int64", "same_uint8", "same_fp16")
WITH_ROWS += ("same_bf16", "same_fp64", "same_bytes", "unranked", "hollow")
WITHOUT = ("scalar", "fixed", "loop")


@pytest.mark.parametrize("model", WITH_ROWS)
def test_bodies_in_json_are_taken_by_every_kind_of_model(client: TestClient, make: Any, model: str) -> None:
    for path in (f"/predict/{model}", f"/v2/models/{model}/infer", f"/v1/models/{model}:predict"):
        example = make(path, rows=ROWS)
        for body in example.bodies:
            assert body.rows == ROWS
            answer = post(client, path, body).json()
        if "predictions" in answer and model not in ("total", "fixed"):
            assert len(answer["predictions"]) == ROWS


@pytest.mark.parametrize("model", WITHOUT)
def test_models_without_rows_are_asked_with_their_example(client: TestClient, make: Any, model: str) -> None:
    for path in (f"/predict/{model}", f"/v2/models/{model}/infer"):
        (body, *_) = make(path).bodies
        assert body.rows is None
        post(client, path, body)
        with pytest.raises(BenchError, match="has rows"):
            make(path, rows=2)


@pytest.mark.parametrize("form", ["npy", "raw"])
@pytest.mark.parametrize("model", ["fashion_mnist", "same_int64", "same_fp16", "same_bf16", "same_bool", "cube"])
def test_bodies_in_binary_are_taken(client: TestClient, make: Any, model: str, form: str) -> None:
    for body in make(f"/predict/{model}", form, ROWS).bodies:
        assert post(client, f"/predict/{model}", body).content
    for body in make(f"/v2/models/{model}/infer", "raw", ROWS).bodies:
        assert post(client, f"/v2/models/{model}/infer", body).content


def test_strings_are_taken_in_the_binary_extension(client: TestClient, make: Any) -> None:
    post(client, "/v2/models/same_bytes/infer", make("/v2/models/same_bytes/infer", "raw", ROWS).bodies[0])


@pytest.mark.parametrize(
    "path", ["/activate/relu", "/activate/glu/gradient", "/activate/LeakyRelu", "/activate/softmax"]
)
@pytest.mark.parametrize("form", ["json", "npy"])
def test_activations_are_asked_with_rows_of_both_signs(client: TestClient, make: Any, path: str, form: str) -> None:
    example = make(path, form, ROWS)
    for body in example.bodies:
        assert body.rows == ROWS
        post(client, path, body)
    assert f"[{ROWS}, {COLUMNS}]" in example.about
    if form == "json":
        values = np.array(json.loads(example.bodies[0].content)["tensor"])
        assert values.shape == (ROWS, COLUMNS)
        assert (values < 0).any()
        assert (values > 0).any()


@pytest.mark.parametrize("path", ["/predict", "/invocations", "/predict?top_k=2&scores=false"])
def test_path_without_a_name_asks_the_default_model(client: TestClient, make: Any, path: str) -> None:
    example = make(path)
    assert "fashion_mnist" in example.about
    post(client, path, example.bodies[0])


@pytest.mark.parametrize("path", ["/predict/versions?version=2", "/v2/models/versions/versions/2/infer"])
def test_version_of_the_path_is_the_one_that_is_looked_at(client: TestClient, make: Any, path: str) -> None:
    example = make(path)
    assert example.about.endswith("for `versions` version 2")
    post(client, path, example.bodies[0])


def test_bodies_differ_and_are_the_same_for_the_same_seed(make: Any) -> None:
    one, again, other = (make("/predict/fashion_mnist", "raw", seed=seed).bodies for seed in (1, 1, 2))
    assert len({body.content for body in one}) == BODIES
    assert one == again
    assert one != other


def test_large_bodies_are_fewer(make: Any) -> None:
    assert len(make("/predict/fashion_mnist", "raw", 7000).bodies) == 3


def test_values_that_a_graph_wants_are_kept(make: Any, client: TestClient) -> None:
    """`lookup` takes indices below five and nothing else; `loop` a number of steps."""
    (body, *_) = make("/predict/lookup", rows=2).bodies
    assert json.loads(body.content) == {"instances": [0, 0]}


@pytest.mark.parametrize(
    ("path", "form", "rows", "says"),
    [
        ("/health/live", "json", 1, "--data"),
        ("/", "json", 1, "--data"),
        ("/predict/a/b", "json", 1, "--data"),
        ("/activate/relu", "raw", 1, "json or npy"),
        ("/v2/models/digits/infer", "npy", 1, "json or raw"),
        ("/predict/adder", "raw", 1, "2 inputs"),
        ("/predict/adder", "npy", 1, "2 inputs"),
        ("/predict/digits", "json", 1 << 20, "784 values"),
        ("/activate/relu", "npy", 1 << 20, "values"),
    ],
)
def test_what_cannot_be_made_is_refused(make: Any, path: str, form: str, rows: int, says: str) -> None:
    with pytest.raises(BenchError, match=says):
        make(path, form, rows)


@pytest.mark.parametrize("told", [{}, {"inputs": [{}]}, {"inputs": 5}, {"inputs": [], "example": None}])
def test_server_of_another_kind_is_told_apart(told: Any) -> None:
    with pytest.raises(BenchError, match="--data"):
        made("/predict/x", lambda path: told, "json", 1, 0)


@pytest.mark.parametrize(
    ("name", "content", "media_type", "rows"),
    [
        ("a.json", b'{"instances": [[1], [2]]}', "application/json", 2),
        ("b.json", b'{"inputs": [[1], [2]]}', "application/json", None),
        ("c.json", b"no JSON at all", "application/json", None),
        ("d.npy", None, "application/x-npy", 4),
        ("e.npy", b"no file of NumPy", "application/x-npy", None),
        ("f.bin", b"\0" * 8, "application/octet-stream", None),
        ("g.json", b'{"instances": 5}', "application/json", None),
    ],
)
def test_file_is_sent_as_it_is(tmp_path: Path, name: str, content: bytes | None, media_type: str, rows: int) -> None:
    file = tmp_path / name
    np.save(file, np.zeros((4, 2))) if content is None else file.write_bytes(content)
    assert from_file(file, media_type) == Body(file.read_bytes(), media_type, rows)
