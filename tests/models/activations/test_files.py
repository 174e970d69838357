"""The committed files are what the formulas give, and the catalogue in them is complete and fits the formulas."""

import inspect
import json
import re
from functools import cache
from pathlib import Path

import pytest

from models.activations import report
from models.activations.__main__ import REPOSITORY, write_models
from models.activations.catalogue import entry
from models.activations.model import ELEMENT_TYPES, build
from models.activations.table import ACTIVATIONS

NAMES = sorted(ACTIVATIONS)
TEXTS = {"description", "formula", "formula_latex", "derivative", "derivative_latex", "range", "promise"}
FACTS = {"monotone", "smooth", "zero_centred", "elementwise"}
KINDS = {"number", "integer", "axis", "choice", "tensor"}
ROOT = Path(__file__).parents[3]
YEAR = re.compile(r"\((\d{4})\)")
PAPER = re.compile(
    r"[^:]+: .+ \(\d{4}\)(, (section|Table) [\d.]+)?, "
    r"(arXiv:\d{4}\.\d{4,5}|doi:10\.\S+|PMLR \d+:\d+-\d+|ISBN [\d-]+|ICML Workshop .+)"
)
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
    assert about["paper"] is None or set(about["paper"]) == {"title", "authors", "year", "where"}
    for parameter in about["parameters"]:
        assert {"name", "type", "default", "description"} <= set(parameter)
        assert parameter["type"] in KINDS


@pytest.mark.parametrize("name", NAMES)
def test_every_claim_has_its_evidence(name):
    about = entry(name)
    for claim in about["strengths"] + about["weaknesses"] + about["use"]:
        assert set(claim) == {"text", "evidence", "source"}
        if claim["evidence"] == "cited":
            assert PAPER.fullmatch(claim["source"]), claim
        else:
            assert claim["evidence"] == "measured"
            assert claim["source"] in measured_at(), claim
    if name in TUTORIAL:
        assert len(about["strengths"]) >= 2
        assert len(about["weaknesses"]) >= 2


@cache
def measured_at():
    """Where a claim may say it was measured: the tests of claims, and every heading of the two pages of figures."""
    pages = {page: (ROOT / page).read_text(encoding="utf-8") for page in ("docs/activations.md", "docs/study.md")}
    headings = [
        (page, heading) for page, text in pages.items() for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    ]
    anchors = {f"{page}#{re.sub(r'[^a-z0-9_-]', '', heading.lower().replace(' ', '-'))}" for page, heading in headings}
    return anchors | {"tests/models/activations/test_claims.py"}


def test_same_paper_is_cited_alike():
    sources = {
        claim["source"]
        for name in NAMES
        for claim in entry(name)["strengths"] + entry(name)["weaknesses"] + entry(name)["use"]
        if claim["evidence"] == "cited"
    }
    titles = {source.split(" (")[0]: set() for source in sources}
    for source in sources:
        titles[source.split(" (")[0]].add((YEAR.search(source)[1], source.rsplit(", ", 1)[1]))
    assert [title for title, found in titles.items() if len(found) > 1] == []


def test_page_of_the_activations_tells_what_the_catalogue_says():
    text = (ROOT / "docs" / "activations.md").read_text(encoding="utf-8")
    assert report.retold(text) == text


def test_names_and_aliases_are_unique():
    names = [*NAMES, *(alias for name in NAMES for alias in entry(name)["aliases"])]
    assert len(names) == len(set(names))


def test_metadata_carries_the_catalogue_as_json():
    metadata = {entry.key: entry.value for entry in build("prelu").metadata_props}
    assert metadata["task"] == "activation"
    assert metadata["description"] == entry("prelu")["description"]
    assert json.loads(metadata["catalogue"])["parameters"][0]["channels"] is True
