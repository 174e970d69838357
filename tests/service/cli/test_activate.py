"""`actserve activate` in this process, whole and in pieces."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from click.testing import CliRunner, Result

from service.cli import files, main


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["activate", *map(str, arguments)])


@pytest.mark.parametrize(
    ("name", "shape", "gradient"),
    [
        ("relu", (30,), False),
        ("softmax", (7, 4), True),
        ("prelu", (3, 2, 4), False),
        ("elu", (), True),
        ("tanh", (0,), False),
        ("sigmoid", (2, 0), True),
        ("softmax", (5,), False),
    ],
)
@pytest.mark.parametrize("chunk", [1 << 23, 16])
def test_file_gives_the_graphs_own_bits_whole_or_in_pieces(
    tmp_path: Path,
    shipped: Path,
    oracle: Any,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    shape: tuple[int, ...],
    chunk: int,
    gradient: bool,
) -> None:
    monkeypatch.setattr(files, "CHUNK_BYTES", chunk)
    x = np.random.default_rng(1).normal(0, 2, shape).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    (expected,) = oracle(shipped / name / "1" / "model.onnx", {"x": x}, "grad_x" if gradient else "y")
    done = run(name, tmp_path / "x.npy", "-o", tmp_path / "y.npy", *["--gradient"] * gradient)
    assert done.exit_code == 0, done.output
    found = np.load(tmp_path / "y.npy")
    assert found.shape == shape
    assert found.tobytes() == expected.tobytes()
    answer = json.loads(run(name, tmp_path / "x.npy", *["--gradient"] * gradient).stdout)
    assert answer["shape"] == list(shape)
    assert np.array(answer["tensor"], np.float32).reshape(shape).tobytes() == expected.tobytes()


def test_softmax_along_the_first_axis_is_not_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "CHUNK_BYTES", 8)
    np.save(tmp_path / "x.npy", np.zeros((4, 2)))
    for axis in ("0", "-2"):
        assert run("softmax", tmp_path / "x.npy", "-o", tmp_path / "y.npy", "-p", f"dim={axis}").exit_code == 0
        assert np.load(tmp_path / "y.npy").tolist() == [[0.25, 0.25]] * 4


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float64, ">f4"])
def test_type_of_the_file_is_kept(tmp_path: Path, dtype: Any) -> None:
    np.save(tmp_path / "x.npy", np.array([[-1, 2]]).astype(dtype))
    assert run("leaky_relu", tmp_path / "x.npy", "-o", tmp_path / "y.npy", "-p", "negative_slope=0.5").exit_code == 0
    found = np.load(tmp_path / "y.npy")
    if dtype == ml_dtypes.bfloat16:
        found = found.view(ml_dtypes.bfloat16)
    assert found.dtype == np.dtype(dtype).newbyteorder("=")
    assert found.tolist() == [[-0.5, 2]]


def test_fortran_order_is_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "CHUNK_BYTES", 8)
    x = np.arange(-6, 6, dtype=np.float32).reshape(3, 4)
    np.save(tmp_path / "x.npy", np.asfortranarray(x))
    assert run("relu", tmp_path / "x.npy", "-o", tmp_path / "y.npy").exit_code == 0
    assert np.array_equal(np.load(tmp_path / "y.npy"), np.maximum(x, 0))


def test_json_file_is_answered_in_json(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"tensor": [[-1, 2]]}')
    answer = json.loads(run("LeakyRelu", tmp_path / "x.json", "-p", "negative_slope=0.2").stdout)
    assert answer == {"activation": "leaky_relu", "datatype": "FP32", "shape": [1, 2], "tensor": [[-0.2, 2.0]]}
    assert run("relu", tmp_path / "x.json", "-o", tmp_path / "y.json").exit_code == 0
    assert json.loads((tmp_path / "y.json").read_text())["tensor"] == [[0, 2]]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("relu", "integers.npy"), "FP16, BF16, FP32 or FP64"),
        (("relu", "empty.json"), "tensor"),
        (("relu", "picture.png"), ".npy or a .json"),
        (("nothing", "good.json"), "no activation"),
        (("leaky_relu", "good.json", "-p", "negative_slope"), "NAME=VALUE"),
        (("leaky_relu", "good.json", "-p", "slope=1"), "slope"),
        (("leaky_relu", "good.json", "-p", "negative_slope=x"), "finite number"),
    ],
)
def test_mistake_is_one_sentence(tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    np.save(tmp_path / "integers.npy", np.zeros(2, np.int64))
    (tmp_path / "empty.json").write_text("{}")
    (tmp_path / "good.json").write_text('{"tensor": 1}')
    (tmp_path / "picture.png").write_bytes(b"")
    name, file, *rest = arguments
    done = run(name, tmp_path / file, *rest)
    assert done.exit_code in (1, 2)
    assert says in done.stderr
    assert "Traceback" not in done.output


def test_input_is_never_written_over(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones(3, np.float32))
    before = (tmp_path / "x.npy").read_bytes()
    done = run("relu", tmp_path / "x.npy", "-o", tmp_path / "x.npy")
    assert (done.exit_code, "the file that is read" in done.stderr) == (2, True)
    assert (tmp_path / "x.npy").read_bytes() == before
