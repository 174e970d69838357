"""`actserve diagnose` in this process, against `POST /diagnose`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from starlette.testclient import TestClient

from service.cli import files, main


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["diagnose", *map(str, arguments)])


@pytest.fixture
def rows(tmp_path: Path) -> tuple[Path, np.ndarray]:
    array = np.random.default_rng(2).random((60, 28, 28), np.float32)
    np.save(tmp_path / "rows.npy", array)
    return tmp_path / "rows.npy", array


def test_report_is_that_of_the_server(rows: tuple[Path, np.ndarray], client: TestClient, shipped: Path) -> None:
    file, array = rows
    expected = client.post("/diagnose", json={"instances": array.reshape(60, 784).tolist()}).json()
    done = run("fashion_mnist", file, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == expected
    again = run(shipped / "fashion_mnist" / "1" / "model.onnx", file, "--json")
    assert json.loads(again.stdout) == expected | {"model": "model"}
    fewer = json.loads(run("fashion_mnist", file, "--json", "--bins", 5).stdout)
    assert [len(layer["histogram"]["counts"]) for layer in fewer["layers"]] == [5, 5]


def test_file_that_is_read_in_pieces_is_told_as_a_whole(
    rows: tuple[Path, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    file, _ = rows
    whole = json.loads(run("fashion_mnist", file, "--json").stdout)
    monkeypatch.setattr(files, "CHUNK_BYTES", 784 * 4 * 7)
    told = json.loads(run("fashion_mnist", file, "--json").stdout)
    for layer, expected in zip(told["layers"], whole["layers"], strict=True):
        for name, value in expected.items():
            assert layer[name] == (pytest.approx(value, rel=1e-9) if isinstance(value, float) else value) or name in (
                "pre_activation",
            )
    assert told["rows"] == 60


def test_table_is_for_people_and_the_page_has_the_same(rows: tuple[Path, np.ndarray], tmp_path: Path) -> None:
    file, _ = rows
    done = run("fashion_mnist", file, "--html", tmp_path / "report.html")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0] == "fashion_mnist, version 1, 60 rows"
    assert [line.split()[0] for line in lines[3:5]] == ["relu", "softmax"]
    assert "never fired on these 60 rows" in done.stdout.replace("\n  ", " ")
    text = (tmp_path / "report.html").read_text()
    assert "60 rows of rows.npy" in text
    assert text.count("<section>") == 2


def test_json_and_pictures_are_taken(tmp_path: Path) -> None:
    (tmp_path / "body.json").write_text(json.dumps({"instances": [[0] * 784] * 2}))
    assert json.loads(run("digits", tmp_path / "body.json", "--json").stdout)["rows"] == 2
    Image.new("L", (28, 28)).save(tmp_path / "black.png")
    assert json.loads(run("digits", tmp_path / "black.png", "--json").stdout)["rows"] == 1


def test_model_that_may_mix_rows_gets_them_at_once(folder: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(files, "CHUNK_BYTES", 8)
    np.save(tmp_path / "x.npy", np.ones((3, 2), np.float32))
    told = json.loads(run("mean", tmp_path / "x.npy", "--models", folder, "--json").stdout)
    assert (told["rows"], told["layers"]) == (3, [])


@pytest.mark.parametrize(
    ("model", "shape", "says"),
    [("digits", (2, 3), "784"), ("digits", (0, 784), "at least one row"), ("nothing", (2, 784), "no model `nothing`")],
)
def test_mistake_is_one_sentence_and_leaves_the_page_that_was_there(
    tmp_path: Path, model: str, shape: tuple[int, ...], says: str
) -> None:
    np.save(tmp_path / "x.npy", np.zeros(shape, np.float32))
    (tmp_path / "page.html").write_text("from yesterday")
    done = run(model, tmp_path / "x.npy", "--html", tmp_path / "page.html")
    assert done.exit_code == 1
    assert says in done.stderr
    assert "Traceback" not in done.output
    assert (tmp_path / "page.html").read_text() == "from yesterday"


def test_input_is_never_written_over(rows: tuple[Path, np.ndarray]) -> None:
    file, _ = rows
    before = file.read_bytes()
    assert run("fashion_mnist", file, "--html", file).exit_code == 2
    assert file.read_bytes() == before
