"""The committed files are what the formulas give, and the catalogue in them is complete and fits the formulas."""

import inspect
import json
from pathlib import Path

import pytest

from models.activations.__main__ import REPOSITORY, write_models
from models.activations.catalogue import entry
from models.activations.model import ELEMENT_TYPES, build
from models.activations.table import ACTIVATIONS

NAMES = sorted(ACTIVATIONS)
TEXTS = {"description", "formula", "formula_latex", "derivative", "derivative_latex", "range", "use", "promise"}
FACTS = {"monotone", "smooth", "zero_centred", "elementwise"}
KINDS = {"number", "integer", "axis", "choice", "tensor"}
TUTORIAL = ["relu", "leaky_relu", "prelu", "elu", "sigmoid", "tanh", "softmax"]


@pytest.mark.parametrize("name", NAMES)
def test_committed_files_equal_regenerated_ones(name, tmp_path):
    write_models(name, tmp_path)
    for file in ELEMENT_TYPES:
        assert (tmp_path / file).read_bytes() == (REPOSITORY / name / "1" / file).read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_model_has_a_version_that_runtimes_load(name):
    for element in ELEMENT_TYPES.values():
        model = build(name, element)
        assert model.ir_version <= 10
        assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 21)]


@pytest.mark.parametrize("name", NAMES)
def test_model_takes_its_parameters_and_gives_value_and_gradient(name):
    graph = build(name).graph
    outputs = ["y", "grad_x", *ACTIVATIONS[name].others]
    parameters = [parameter["name"] for parameter in entry(name)["parameters"]]
    switches = [f"compute_{output}" for output in outputs]
    assert [value.name for value in graph.output] == outputs
    assert [value.name for value in graph.input] == ["x", *parameters, "grad_output", *switches]
    assert not any(value.type.tensor_type.HasField("shape") for value in [*graph.input, *graph.output])


@pytest.mark.parametrize("name", NAMES)
def test_catalogue_lists_the_parameters_of_the_formula(name):
    formula = list(inspect.signature(ACTIVATIONS[name].value).parameters)
    assert formula == ["x", *(parameter["name"] for parameter in entry(name)["parameters"])]


@pytest.mark.parametrize("name", NAMES)
def test_catalogue_is_complete(name):
    about = entry(name)
    assert all(isinstance(about[text], str) and about[text] for text in TEXTS)
    assert all(isinstance(about[fact], bool) for fact in FACTS)
    assert about["paper"] is None or set(about["paper"]) == {"title", "authors", "year"}
    for parameter in about["parameters"]:
        assert {"name", "type", "default", "description"} <= set(parameter)
        assert parameter["type"] in KINDS


@pytest.mark.parametrize("name", NAMES)
def test_every_claim_has_its_evidence(name):
    claims = entry(name)["strengths"] + entry(name)["weaknesses"]
    for claim in claims:
        assert set(claim) == {"text", "evidence", "source"}
        assert claim["evidence"] in ("cited", "measured")
        if claim["source"].startswith("tests/"):
            assert (Path(__file__).parents[3] / claim["source"]).is_file()
    if name in TUTORIAL:
        assert len(entry(name)["strengths"]) >= 2
        assert len(entry(name)["weaknesses"]) >= 2


def test_names_and_aliases_are_unique():
    names = [*NAMES, *(alias for name in NAMES for alias in entry(name)["aliases"])]
    assert len(names) == len(set(names))


def test_metadata_carries_the_catalogue_as_json():
    metadata = {entry.key: entry.value for entry in build("prelu").metadata_props}
    assert metadata["task"] == "activation"
    assert metadata["description"] == entry("prelu")["description"]
    assert json.loads(metadata["catalogue"])["parameters"][0]["channels"] is True
