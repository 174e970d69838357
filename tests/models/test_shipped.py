"""The files in `models/repository/`, measured again: what they claim of themselves is so."""

import json
import os
import re
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from models.data import LOADERS, split
from models.evaluate import REPOSITORY, measurements, networks
from models.export import single_thread
from models.measurement import Measurement
from models.recipe import SEEDS, SHIPPED, find
from models.reference import reference

FILES = networks(REPOSITORY)
PROPERTIES = {
    "task", "description", "labels", "scores", "image", "batching", "data", "recipe", "metrics", "seed",
    "activation_reference",
}  # fmt: skip


@pytest.fixture(scope="module")
def all_measured() -> dict[str, Measurement]:
    return {each.model: each for each in measurements(REPOSITORY)}


@pytest.fixture(params=FILES)
def measured(request: pytest.FixtureRequest, all_measured: dict[str, Measurement]) -> Measurement:
    return all_measured[request.param]


def test_fashion_mnist_its_family_and_digits_are_shipped() -> None:
    assert set(FILES) == set(SHIPPED)
    assert set(FILES) == {"fashion_mnist", "digits"} | {
        f"fashion_mnist_{name}" for name in ("leaky_relu", "prelu", "elu", "selu", "gelu", "silu", "sigmoid", "tanh")
    }


def test_fashion_mnist_recognises_the_official_test_images(all_measured: dict[str, Measurement]) -> None:
    measured = all_measured["fashion_mnist"]
    assert len(measured.labels) == 10_000
    assert measured.accuracy >= 0.898
    assert measured.metrics["test_accuracy_mean"] >= 0.898
    assert measured.reliability.error <= 0.015


def test_digits_recognises_the_held_out_images(all_measured: dict[str, Measurement]) -> None:
    assert all_measured["digits"].accuracy >= 0.97


def test_figures_in_the_file_are_those_measured_again(measured: Measurement) -> None:
    assert measured.metrics["test_accuracy"] == pytest.approx(measured.accuracy, abs=1e-9)
    assert measured.metrics["test_ece"] == pytest.approx(measured.reliability.error, abs=1e-4)


def test_metadata_is_complete(measured: Measurement) -> None:
    assert set(measured.metadata) == PROPERTIES
    assert measured.metadata["task"] == "classification"
    assert measured.metadata["scores"] == "probabilities"
    assert measured.metadata["batching"] == "rows"
    assert json.loads(measured.metadata["image"]) == {"width": 28, "height": 28, "mode": "L", "divisor": 255}
    assert len(measured.class_names) == 10
    assert int(measured.metadata["seed"]) in SEEDS
    assert measured.metrics["seeds"] == len(SEEDS)


def test_reference_in_the_file_is_what_the_held_out_images_give(measured: Measurement) -> None:
    recipe, activation = find(measured.model)
    _, held = split(LOADERS[recipe.data]().train, recipe.held_out)
    told = json.loads(measured.metadata["activation_reference"])
    model = onnx.load_model(FILES[measured.model])
    counted = json.loads(reference(model, held.images.numpy(), told["source"]))
    (layer,), (again,) = told.pop("layers"), counted.pop("layers")
    assert told == counted
    assert layer["node"] == again["node"] == activation
    # Another processor may round a sum otherwise: a value beside an edge then falls on its other side.
    np.testing.assert_allclose(layer["edges"], again["edges"], atol=1e-4)
    assert np.abs(np.subtract(layer["counts"], again["counts"])).sum() <= 0.001 * sum(layer["counts"])


def test_file_is_small_whole_and_old_enough_to_load_anywhere(measured: Measurement) -> None:
    model = onnx.load_model(FILES[measured.model], load_external_data=False)
    onnx.checker.check_model(model, full_check=True)
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 20)]
    assert model.ir_version == 9
    assert not any(weight.external_data for weight in model.graph.initializer)
    assert FILES[measured.model].stat().st_size < 500_000


def test_file_tells_nothing_of_the_machine_it_was_made_on(measured: Measurement) -> None:
    content = FILES[measured.model].read_bytes()
    for telltale in (
        b".py",
        b"site-packages",
        b"/home",
        b"/root",
        b"/work",
        b"/usr",
        b"Traceback",
        os.fsencode(Path.cwd()),
    ):
        assert telltale not in content
    assert not re.search(rb"/\w+/\w+/\w+/", content)
    model = onnx.load_model(FILES[measured.model])
    assert not any(node.doc_string or node.metadata_props for node in model.graph.node)
    assert not model.doc_string
    assert not model.graph.doc_string


def test_input_and_outputs_are_named_and_shaped_as_agreed(measured: Measurement) -> None:
    session = onnxruntime.InferenceSession(FILES[measured.model], providers=["CPUExecutionProvider"])
    tensors = [*session.get_inputs(), *session.get_outputs()]
    expected = [("input", ["batch", 784]), ("logits", ["batch", 10]), ("probabilities", ["batch", 10])]
    assert [(tensor.name, tensor.shape) for tensor in tensors] == expected
    assert {tensor.type for tensor in tensors} == {"tensor(float)"}


def test_batch_of_32_images_gives_32_rows_of_probabilities(measured: Measurement) -> None:
    session = onnxruntime.InferenceSession(FILES[measured.model], providers=["CPUExecutionProvider"])
    (probabilities,) = session.run(["probabilities"], {"input": np.random.default_rng(0).random((32, 784), np.float32)})
    assert probabilities.shape == (32, 10)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)


def test_joined_rows_have_the_bits_of_single_ones(measured: Measurement) -> None:
    dataset = LOADERS[find(measured.model)[0].data]()
    images = dataset.test.images.numpy()
    options = single_thread()
    session = onnxruntime.InferenceSession(FILES[measured.model], options, providers=["CPUExecutionProvider"])
    single = np.concatenate(
        [session.run(["logits"], {"input": images[row : row + 1]})[0] for row in range(len(images))]
    )
    for count in (2, 3, 4, 5, 7, 8, 13, 16, 31, 32, 64, 100, 1000, len(images)):
        np.testing.assert_array_equal(session.run(["logits"], {"input": images[:count]})[0], single[:count])
