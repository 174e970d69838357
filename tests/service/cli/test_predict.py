"""`actserve predict` in this process, against onnxruntime called directly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from service.cli import files, main


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["predict", *map(str, arguments)])


@pytest.fixture
def rows(tmp_path: Path) -> tuple[Path, np.ndarray]:
    array = np.random.default_rng(2).random((50, 28, 28), np.float32)
    np.save(tmp_path / "rows.npy", array)
    return tmp_path / "rows.npy", array


@pytest.mark.parametrize("chunk", [1 << 23, 784 * 4 * 7])
def test_npy_in_pieces_gives_the_runtimes_own_bits(
    rows: tuple[Path, np.ndarray], shipped: Path, oracle: Any, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(files, "CHUNK_BYTES", chunk)
    file, array = rows
    path = shipped / "fashion_mnist" / "1" / "model.onnx"
    (expected,) = oracle(path, {"input": array.reshape(50, 784)}, "probabilities")
    target = file.with_name("out.npy")
    done = run("fashion_mnist", file, "-o", target)
    assert done.exit_code == 0, done.output
    assert np.load(target).tobytes() == expected.tobytes()
    assert np.load(target).shape == (50, 10)
    done = run("fashion_mnist", file, "--top-k", "2", "-o", target.with_suffix(".json"))
    assert done.exit_code == 0, done.output
    answer = json.loads(target.with_suffix(".json").read_text())
    assert answer["model"] == "fashion_mnist"
    found = np.array([prediction["scores"] for prediction in answer["predictions"]], np.float32)
    assert found.tobytes() == expected.tobytes()
    assert [len(prediction["top"]) for prediction in answer["predictions"]] == [2] * 50
    assert run(path, file, "-o", target).exit_code == 0
    assert np.load(target).tobytes() == expected.tobytes()


def test_json_and_pictures_are_answered_on_stdout(tmp_path: Path, shipped: Path) -> None:
    (tmp_path / "body.json").write_text(json.dumps({"instances": [[0] * 784] * 2}))
    answer = json.loads(run("digits", tmp_path / "body.json", "--no-scores").stdout)
    assert len(answer["predictions"]) == 2
    assert "scores" not in answer["predictions"][0]
    Image.new("L", (28, 28)).save(tmp_path / "black.png")
    again = json.loads(run("digits", tmp_path / "black.png", "--no-scores").stdout)
    assert again["predictions"] == answer["predictions"][:1]


def test_model_that_may_mix_rows_gets_them_at_once(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "CHUNK_BYTES", 8)
    x = np.array([[0, 0], [1, 2], [5, 4]], np.float32)
    np.save(tmp_path / "x.npy", x)
    assert run("mean", tmp_path / "x.npy", "--models", folder, "-o", tmp_path / "y.npy").exit_code == 0
    assert np.array_equal(np.load(tmp_path / "y.npy"), x - x.mean(0))
    assert run("total", tmp_path / "x.npy", "--models", folder, "-o", tmp_path / "y.npy").exit_code == 0
    assert np.load(tmp_path / "y.npy") == 12
    assert json.loads(run("total", tmp_path / "x.npy", "--models", folder).stdout)["outputs"] == 12


def test_several_outputs_are_written_as_json_only(folder: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((1, 2), np.float32))
    done = run("two_outputs", tmp_path / "x.npy", "--models", folder, "-o", tmp_path / "y.npy")
    assert done.exit_code == 1
    assert "several outputs" in done.stderr
    answer = json.loads(run("two_outputs", tmp_path / "x.npy", "--models", folder).stdout)
    assert answer["predictions"] == [{"negated": [0, 0], "power": [1, 1]}]


def test_strings_are_written_as_json_only(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"instances": [["a", "b"]]}')
    done = run("same_bytes", tmp_path / "x.json", "--models", folder, "-o", tmp_path / "y.npy")
    assert done.exit_code == 1
    assert json.loads(run("same_bytes", tmp_path / "x.json", "--models", folder).stdout)["predictions"] == [["a", "b"]]


def test_no_rows_are_answered_with_none(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((0, 784), np.float32))
    assert json.loads(run("digits", tmp_path / "x.npy").stdout)["predictions"] == []
    assert run("digits", tmp_path / "x.npy", "-o", tmp_path / "y.npy").exit_code == 0
    assert np.load(tmp_path / "y.npy").shape == (0, 10)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("x.npy", b"no npy", "not a .npy file"),
        ("x.npy", None, "784"),
        ("x.json", b"{", "not JSON"),
        ("x.png", b"no picture", "PNG"),
        ("x.jpeg", b"", "JPEG"),
        ("x.txt", b"", ".npy, .json"),
    ],
)
def test_file_that_cannot_be_read_is_one_sentence(tmp_path: Path, name: str, content: bytes | None, says: str) -> None:
    if content is None:
        np.save(tmp_path / name, np.zeros((2, 3), np.float32))
    else:
        (tmp_path / name).write_bytes(content)
    done = run("digits", tmp_path / name)
    assert done.exit_code in (1, 2)
    assert says in done.stderr
    assert "Traceback" not in done.output


def test_truncated_npy_is_refused_before_it_is_answered(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((4, 784), np.float32))
    file = tmp_path / "x.npy"
    file.write_bytes(file.read_bytes()[:-4])
    done = run("digits", file)
    assert done.exit_code == 1
    assert "promises 12544 bytes" in done.stderr


def test_unknown_model_is_one_sentence(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((4, 784), np.float32))
    done = run("nothing", tmp_path / "x.npy")
    assert done.exit_code == 1
    assert "no model `nothing`" in done.stderr


def test_picture_for_a_model_that_takes_none_is_one_sentence(folder: Path, tmp_path: Path) -> None:
    Image.new("L", (28, 28)).save(tmp_path / "black.png")
    done = run("row", tmp_path / "black.png", "--models", folder)
    assert done.exit_code == 1
    assert "takes no pictures" in done.stderr


@pytest.mark.parametrize("suffix", [".npy", ".json"])
def test_mistake_leaves_the_file_that_was_there(tmp_path: Path, suffix: str) -> None:
    np.save(tmp_path / "narrow.npy", np.zeros((3, 5), np.float32))
    output = (tmp_path / "output").with_suffix(suffix)
    output.write_bytes(b"from yesterday")
    assert run("fashion_mnist", tmp_path / "narrow.npy", "-o", output).exit_code == 1
    assert output.read_bytes() == b"from yesterday"


def test_input_is_never_written_over(rows: tuple[Path, np.ndarray]) -> None:
    file, _ = rows
    before = file.read_bytes()
    done = run("fashion_mnist", file, "-o", file)
    assert (done.exit_code, "the file that is read" in done.stderr) == (2, True)
    assert file.read_bytes() == before
