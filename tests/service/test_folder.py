"""What a look at the folder finds, and by which signs it sees a change."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from onnx import TensorProto, helper

from service.folder import Candidate, Folders


def look(folder: Path) -> dict[str, dict[str, Candidate]]:
    return Folders(folder, with_networks=False).look().candidates


def with_external_data(path: Path, location: str) -> Path:
    """A graph whose one tensor of three floats lies at `location`."""
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[3], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [3])
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, [3])
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "graph", [value], [result], [tensor])
    path.parent.mkdir(parents=True, exist_ok=True)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path.write_bytes(model.SerializeToString())
    return path


def test_nothing_changes_while_nobody_writes(graphs: Any, tmp_path: Path) -> None:
    graphs.identity(tmp_path / "one.onnx", 1, ["n"])
    (tmp_path / "two" / "3").mkdir(parents=True)
    with_external_data(tmp_path / "two" / "3" / "model.onnx", "w.bin").with_name("w.bin").write_bytes(bytes(12))
    assert look(tmp_path) == look(tmp_path)
    assert look(tmp_path)["two"]["3"].has_external_data
    assert not look(tmp_path)["one"]["1"].has_external_data


@pytest.mark.parametrize("file", ["1/model.onnx", "model.toml", "reference.json", "1/w.bin"])
def test_each_file_that_a_version_is_made_of_is_seen_to_change(tmp_path: Path, file: str) -> None:
    with_external_data(tmp_path / "own" / "1" / "model.onnx", "w.bin")
    folders = Folders(tmp_path, with_networks=False)
    for name in ("model.toml", "reference.json", "1/w.bin"):
        (tmp_path / "own" / name).write_bytes(b"")
    before = folders.look().candidates["own"]["1"]
    path = tmp_path / "own" / file
    path.write_bytes(path.read_bytes() + b"\n")
    after = folders.look().candidates["own"]["1"]
    assert after != before
    assert not before.is_unchanged()
    assert not after.is_same_as(before)
    path.unlink()
    assert folders.look().candidates.get("own", {}).get("1") != after


def test_file_renamed_over_another_of_its_size_and_time_is_seen(graphs: Any, tmp_path: Path) -> None:
    path = graphs.identity(tmp_path / "own.onnx", 1, ["n"])
    before = look(tmp_path)
    draft = tmp_path / "draft"
    draft.write_bytes(path.read_bytes())
    os.utime(draft, ns=(0, path.stat().st_mtime_ns))
    draft.replace(path)
    assert look(tmp_path) != before


def test_candidate_survives_the_way_to_another_worker(tmp_path: Path) -> None:
    with_external_data(tmp_path / "own.onnx", "w.bin")
    candidate = look(tmp_path)["own"]["1"]
    assert Candidate.from_dict(json.loads(json.dumps(candidate.as_dict()))) == candidate


def test_copy_is_the_same_as_its_original_only_until_that_changes(graphs: Any, tmp_path: Path) -> None:
    path = graphs.identity(tmp_path / "own.onnx", 1, ["n"])
    candidate = look(tmp_path)["own"]["1"]
    (tmp_path / "copies").mkdir()
    (tmp_path / "copies" / "own.onnx").write_bytes(path.read_bytes())
    moved = candidate.moved(tmp_path / "copies")
    assert moved != candidate
    assert moved.is_unchanged()
    assert candidate.is_same_as(moved)
    path.write_bytes(path.read_bytes() + b"\n")
    assert not look(tmp_path)["own"]["1"].is_same_as(moved)


def test_data_outside_of_the_folder_is_not_even_looked_at(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(bytes(12))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "link").symlink_to(tmp_path / "secret")
    for location in ("../secret", str(tmp_path / "secret"), "link"):
        with_external_data(tmp_path / "models" / "own.onnx", location)
        assert [file for file, _ in look(tmp_path / "models")["own"]["1"].files] == [
            *("own.onnx", "own.toml", "own.reference.json")
        ]


def test_folder_that_cannot_be_read_is_one_broken_version(
    graphs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graphs.identity(tmp_path / "own" / "1" / "model.onnx", 1, ["n"])
    listed = os.listdir

    def refuse(path: Any) -> Any:  # a right that root has always
        if str(path).endswith("own"):
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(os, "listdir", refuse)
    assert list(look(tmp_path)["own"]) == ["1"]
    assert not look(tmp_path)["own"]["1"].path.exists()


LAYOUTS = {
    "file": ["model.onnx"],
    "file of another name": ["boots.onnx"],
    "versions": ["1/model.onnx", "2/model.onnx"],
    "own folder": ["boots/model.onnx"],
    "versions in its own folder": ["boots/1/model.onnx", "boots/2/model.onnx"],
    "among others, under its name": ["asked/1/model.onnx", "asked/2/model.onnx", "other.onnx"],
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_model_name_names_the_one_model_of_a_folder(graphs: Any, tmp_path: Path, layout: str) -> None:
    for file in LAYOUTS[layout]:
        graphs.identity(tmp_path / file, 1, ["n"])
    found = Folders(tmp_path, with_networks=False, model_name="asked").look()
    own = [file for file in LAYOUTS[layout] if file != "other.onnx"]
    assert [str(one.path.relative_to(tmp_path)) for one in found.candidates["asked"].values()] == own
    assert {one.name for one in found.candidates["asked"].values()} == {"asked"}
    assert list(found.candidates["asked"]) == [str(number + 1) for number in range(len(own))]
    assert found.refused == []
    assert found.candidates.keys() - {"asked"} == ({"other"} if "other.onnx" in LAYOUTS[layout] else set())


def test_model_name_keeps_what_stands_beside_the_file(graphs: Any, tmp_path: Path) -> None:
    graphs.identity(tmp_path / "boots.onnx", 1, ["n"])
    found = Folders(tmp_path, with_networks=False, model_name="asked").look().candidates["asked"]["1"]
    assert found.toml_path == tmp_path / "boots.toml"
    assert [file for file, _ in found.files] == ["boots.onnx", "boots.toml", "boots.reference.json"]


@pytest.mark.parametrize(("files", "got"), [([], "got none."), (["one.onnx", "two/1/model.onnx"], "got `one`, `two`.")])
def test_model_name_that_fits_no_single_model_is_refused(
    graphs: Any, tmp_path: Path, files: list[str], got: str
) -> None:
    for file in files:
        graphs.identity(tmp_path / file, 1, ["n"])
    found = Folders(tmp_path, with_networks=False, model_name="asked").look()
    assert len(found.refused) == 1
    assert found.refused[0].startswith("Model `asked` (`--model-name`): expected one model in the folder")
    assert found.refused[0].endswith(got)


def test_model_name_of_an_activation_is_refused(graphs: Any, tmp_path: Path) -> None:
    graphs.identity(tmp_path / "model.onnx", 1, ["n"])
    found = Folders(tmp_path, {"relu"}, with_networks=False, model_name="relu").look()
    assert found.candidates == {}
    assert "those are reserved" in found.refused[0]


@pytest.mark.parametrize("name", ["lost+found", "..data"])
def test_what_volumes_have_at_their_root_is_no_model(
    graphs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    graphs.identity(tmp_path / "own.onnx", 1, ["n"])
    (tmp_path / name).mkdir()
    listed = os.listdir

    def refuse(path: Any) -> Any:  # it belongs to root, which this test may be
        if str(path).endswith(name):
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(os, "listdir", refuse)
    found = Folders(tmp_path, with_networks=False).look()
    assert (list(found.candidates), found.refused) == (["own"], [])
