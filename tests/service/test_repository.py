"""What a folder of models becomes: names, versions, reasons, `model.toml`, metadata."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from service.errors import ModelError, NotCarried, NotFound, NotReady, Unfit
from service.repository import Entry, Repository, Version
from service.session import Runtime
from service.tensors import BY_NAME


def names(repository: Repository) -> set[str]:
    return {model.name for model in repository.networks()}


def test_every_layout_is_found(graphs: Any, tmp_path: Path, cpu: Runtime) -> None:
    graphs.identity(tmp_path / "plain.onnx", 1, ["n"])
    graphs.identity(tmp_path / "folder" / "model.onnx", 1, ["n"])
    graphs.identity(tmp_path / "versions" / "2" / "model.onnx", 1, ["n"])
    graphs.identity(tmp_path / "versions" / "10" / "model.onnx", 1, ["n"])
    graphs.identity(tmp_path / "versions" / "draft" / "model.onnx", 1, ["n"])
    graphs.identity(tmp_path / ".hidden.onnx", 1, ["n"])
    graphs.identity(tmp_path / "..data" / "1" / "model.onnx", 1, ["n"])
    (tmp_path / "notes.txt").write_text("not a model")
    (tmp_path / "empty").mkdir()
    found = Repository(tmp_path, cpu, with_networks=False)
    assert names(found) == {"plain", "folder", "versions"}
    assert found.model("versions").version == "10"
    assert found.model("versions", "2").version == "2"
    assert found.model("plain").version == found.model("folder").version == "1"
    assert found.problems() == []


@pytest.mark.parametrize("name", ["bad name", "x" * 129, "ü"])
def test_name_that_cannot_be_served_is_told(graphs: Any, tmp_path: Path, cpu: Runtime, name: str) -> None:
    graphs.identity(tmp_path / f"{name}.onnx", 1, ["n"])
    found = Repository(tmp_path, cpu)
    (problem,) = found.problems()
    assert name[:128] in problem
    assert found.refused == [problem]


def test_shipped_models_are_there_unless_told_otherwise(cpu: Runtime) -> None:
    everything = Repository(None, cpu, "fashion_mnist")
    assert names(everything) >= {"fashion_mnist", "digits"}
    assert everything.model().name == "fashion_mnist"
    without = Repository(None, cpu, with_networks=False)
    assert names(without) == set()
    assert {model.name for model in without.activations()} >= {"relu", "softmax"}
    assert without.problems() == ["No model is loaded."]


def test_own_model_takes_the_place_of_a_shipped_network(graphs: Any, tmp_path: Path, cpu: Runtime) -> None:
    graphs.identity(tmp_path / "fashion_mnist.onnx", 1, ["n", 2])
    found = Repository(tmp_path, cpu, "fashion_mnist")
    assert found.model().inputs[0].name == "x"


def test_name_of_an_activation_is_reserved(
    graphs: Any, tmp_path: Path, cpu: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    graphs.identity(tmp_path / "relu.onnx", 1, ["n", 2])
    with caplog.at_level(logging.ERROR):
        found = Repository(tmp_path, cpu)
    assert found.activation("relu").metadata.is_activation
    (problem,) = found.problems()
    assert "reserved" in problem
    assert "reserved" in caplog.text


def test_broken_model_keeps_its_reason_and_stops_no_other(graphs: Any, tmp_path: Path, cpu: Runtime) -> None:
    graphs.identity(tmp_path / "good.onnx", 1, ["n"])
    graphs.sequence(tmp_path / "sequence.onnx")
    (tmp_path / "broken.onnx").write_bytes(b"x")
    found = Repository(tmp_path, cpu)
    assert found.model("good").name == "good"
    with pytest.raises(NotReady, match="broken"):
        found.model("broken")
    with pytest.raises(NotReady, match="broken"):
        found.model("broken", "1")
    with pytest.raises(NotCarried, match="sequence"):
        found.model("sequence")
    assert len(found.problems()) == 2
    assert not any(str(tmp_path) in problem for problem in found.problems())


@pytest.mark.parametrize("version", ["3", "", "0", "01", "x", "../1"])
def test_unknown_version_is_404_and_names_those_there_are(cpu: Runtime, version: str) -> None:
    with pytest.raises(NotFound, match="it has 1"):
        Repository(None, cpu).model("digits", version)


def test_unknown_name_is_404(cpu: Runtime) -> None:
    found = Repository(None, cpu, "nothing")
    for name in ("", "nothing", "x"):
        with pytest.raises(NotFound):
            found.model(name)
    with pytest.raises(NotFound):
        found.activation("digits")
    assert found.activation("LeakyRelu").name == found.model("LeakyRelu").name == "leaky_relu"


def test_missing_folder_is_refused(tmp_path: Path, cpu: Runtime) -> None:
    with pytest.raises(ModelError, match="no folder"):
        Repository(tmp_path / "nothing", cpu)


@pytest.mark.parametrize("layout", ["own.onnx", "own/1/model.onnx", "own/model.onnx"])
def test_model_toml_says_what_the_graph_does_not(graphs: Any, tmp_path: Path, cpu: Runtime, layout: str) -> None:
    graphs.write(
        tmp_path / layout,
        [__import__("onnx").helper.make_node("Identity", ["x"], ["p"])],
        [("x", 1, ["n", 2])],
        [("p", 1, ["n", 2])],
        properties={"description": "from the graph", "author": "me"},
    )
    text = 'task = "classification"\nscores = "p"\nlabels = ["no", "yes"]\nbatching = "rows"\ndescription = "mine"\n'
    text += "[image]\nwidth = 2\nheight = 1\nmode = 'L'\ndivisor = 255\n"
    toml = tmp_path / ("own.toml" if layout == "own.onnx" else "own/model.toml")
    toml.write_text(text)
    found = Repository(tmp_path, cpu).model("own").metadata
    assert found.is_classifier
    assert found.joinable
    assert found.labels == ("no", "yes")
    assert found.label(1) == "yes"
    assert found.label(2) is None
    assert found.description == "mine"
    assert found.image is not None
    assert found.notes == {"author": "me"}


@pytest.mark.parametrize(
    ("properties", "toml"),
    [
        ({}, "this is not toml"),
        ({}, "\xff"),
        ({}, "image = 5"),
        ({}, "labels = 5"),
        ({}, "scores = 'nothing'"),
        ({"image": "[1, 2"}, ""),
        ({"image": "{}"}, ""),
        ({"image": json.dumps({"width": 0, "height": 1, "mode": "L", "divisor": 1})}, ""),
        ({"image": json.dumps({"width": 1.5, "height": 1, "mode": "L", "divisor": 1})}, ""),
        ({"image": json.dumps({"width": 1, "height": 1, "mode": "CMYK", "divisor": 1})}, ""),
        ({"image": json.dumps({"width": 1, "height": 1, "mode": "L", "divisor": 0})}, ""),
        ({"image": json.dumps({"width": 1, "height": 1, "mode": "L", "divisor": "x"})}, ""),
        ({"image": json.dumps({"width": 1, "height": 1, "mode": "L", "divisor": 1, "depth": 1})}, ""),
        ({"scores": "nothing"}, ""),
        ({"catalogue": "text"}, ""),
        ({"labels": "{"}, ""),
        ({"task": "activation"}, ""),
        ({"task": "activation", "catalogue": '{"aliases": 5, "parameters": [5]}'}, ""),
    ],
)
def test_metadata_that_cannot_be_read_breaks_that_model_alone(
    graphs: Any, tmp_path: Path, cpu: Runtime, properties: dict[str, str], toml: str
) -> None:
    graphs.identity(tmp_path / "own.onnx", 1, ["n", 2], **properties)
    (tmp_path / "own.toml").write_bytes(toml.encode("latin-1"))
    found = Repository(tmp_path, cpu, "digits")
    assert found.model().name == "digits"
    (problem,) = found.problems()
    assert "own" in problem
    assert str(tmp_path) not in problem


def test_notes_that_look_like_json_and_are_none_stay_text(graphs: Any, tmp_path: Path, cpu: Runtime) -> None:
    graphs.identity(tmp_path / "own.onnx", 1, ["n", 2], remark="[not json", table='{"a": [1]}')
    assert Repository(tmp_path, cpu).model("own").metadata.notes == {"remark": "[not json", "table": {"a": [1]}}


def test_activation_is_loaded_in_another_datatype_when_asked(cpu: Runtime) -> None:
    model = Repository(None, cpu).activation("tanh")
    assert model.datatypes == ["BF16", "FP16", "FP32", "FP64"]
    double = model.in_datatype(BY_NAME["FP64"])
    assert double.inputs[0].datatype.name == "FP64"
    assert model.in_datatype(BY_NAME["FP64"]) is double
    assert model.in_datatype(BY_NAME["FP32"]) is model.session
    with pytest.raises(Unfit, match="FP16"):
        model.in_datatype(BY_NAME["INT8"])


def test_network_has_one_datatype(cpu: Runtime) -> None:
    model = Repository(None, cpu).model("digits")
    assert model.datatypes == ["FP32"]
    with pytest.raises(Unfit):
        model.in_datatype(BY_NAME["FP64"])


def test_scores_that_are_no_floats_break_that_model_alone(graphs: Any, tmp_path: Path, cpu: Runtime) -> None:
    graphs.classifier(tmp_path / "own.onnx", kind=2)
    (problem,) = Repository(tmp_path, cpu).problems()
    assert "no float output" in problem


def test_default_that_was_demanded_is_never_another_model(graphs: Any, tmp_path: Path, cpu: Runtime) -> None:
    graphs.identity(tmp_path / "own.onnx", 1, ["n"])
    found = Repository(tmp_path, cpu, "other", with_networks=False)
    assert found.model().name == "own"
    assert found.problems() == []
    found = Repository(tmp_path, cpu, "other", with_networks=False, is_default_demanded=True)
    with pytest.raises(NotFound, match="other"):
        found.model()
    (problem,) = found.problems()
    assert "--default-model" in problem


def test_swap_gives_what_is_gone_and_keeps_what_is_not_named(graphs: Any, tmp_path: Path, cpu: Runtime) -> None:
    for name in ("one", "two"):
        graphs.identity(tmp_path / f"{name}.onnx", 1, ["n"])
    found = Repository(tmp_path, cpu, with_networks=False)
    one, two = found.model("one"), found.model("two")
    assert found.swap({"one": found.entry("one")}) == []
    assert found.swap({"one": None}) == [one]
    assert names(found) == {"two"}
    refused = Version("1", None, two, ModelError("a newer file is broken"))
    assert found.swap({"two": Entry("two", {"1": refused})}) == []
    assert found.model("two") is two
    assert found.problems() == []
    assert found.entry("two").refused.keys() == {"1"}


def test_only_what_is_required_holds_readiness_down(tmp_path: Path, cpu: Runtime) -> None:
    for name in ("needed", "other"):
        (tmp_path / f"{name}.onnx").write_bytes(b"no")
    (tmp_path / "other.toml").write_text("required = false")
    found = Repository(tmp_path, cpu)
    (problem,) = found.problems()
    assert "needed" in problem
    found.demanded = ["absent"]
    found.swap({"absent": Entry("absent")})
    (problem,) = found.problems()
    assert "absent" in problem
    with pytest.raises(NotFound):
        found.model("absent")
