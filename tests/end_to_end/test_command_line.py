"""`actserve predict | activate | models | check` as a person runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

MIB = 1 << 20
Command = Callable[..., subprocess.CompletedProcess[bytes]]
Oracle = Callable[..., np.ndarray]

# Runs a command and prints, at the end, the most memory it had resident, in KiB.
WATCHED = "import resource, subprocess, sys; status = subprocess.call(sys.argv[1:]); \
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr); sys.exit(status)"


def peak_kib(command: Command, *arguments: object) -> int:
    """The peak of resident memory of a run of `actserve`."""
    actserve = str(Path(sys.executable).with_name("actserve"))
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    run = subprocess.run(
        [sys.executable, "-c", WATCHED, actserve, *map(str, arguments)],
        env=plain,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return int(run.stderr.splitlines()[-1])


def sentence(run: subprocess.CompletedProcess[bytes]) -> str:
    """What a run that failed says."""
    text = run.stderr.decode()
    assert "Traceback" not in text
    return text.strip().splitlines()[-1]


def test_predict_writes_the_bits_of_onnxruntime(
    command: Command, oracle: Oracle, rows: np.ndarray, tmp_path: Path
) -> None:
    np.save(tmp_path / "rows.npy", rows)
    run = command("predict", "fashion_mnist", tmp_path / "rows.npy", "-o", tmp_path / "scores.npy")
    assert run.returncode == 0, run.stderr
    assert b"rows.npy" in run.stderr  # the progress bar
    scores = np.load(tmp_path / "scores.npy")
    assert scores.tobytes() == oracle("fashion_mnist", "probabilities", input=rows).tobytes()


def test_predict_writes_the_json_of_the_server(
    command: Command, server: Any, rows: np.ndarray, pictures: np.ndarray, picture_file: Any, tmp_path: Path
) -> None:
    (tmp_path / "rows.json").write_text(json.dumps({"instances": rows[:5].tolist()}))
    np.save(tmp_path / "rows.npy", rows[:5])
    (tmp_path / "picture.png").write_bytes(picture_file(pictures[0]))
    expected = server.post("/predict?top_k=2", {"instances": rows[:5].tolist()}).json()
    for name in ("rows.json", "rows.npy"):
        run = command("predict", "fashion_mnist", tmp_path / name, "--top-k", "2")
        assert json.loads(run.stdout) == expected
    run = command("predict", "fashion_mnist", tmp_path / "picture.png", "--top-k", "2")
    assert json.loads(run.stdout)["predictions"] == expected["predictions"][:1]


def test_predict_takes_an_onnx_file(
    command: Command, oracle: Oracle, rows: np.ndarray, shipped: Path, tmp_path: Path
) -> None:
    np.save(tmp_path / "rows.npy", rows)
    file = shipped / "digits" / "1" / "model.onnx"
    run = command("predict", file, tmp_path / "rows.npy", "-o", tmp_path / "scores.npy")
    assert run.returncode == 0, run.stderr
    assert np.load(tmp_path / "scores.npy").tobytes() == oracle("digits", "probabilities", input=rows).tobytes()


@pytest.mark.parametrize("suffix", [".npy", ".json"])
def test_activate_writes_the_bits_of_onnxruntime(command: Command, oracle: Oracle, suffix: str, tmp_path: Path) -> None:
    x = np.linspace(-9, 9, 60, dtype=np.float32).reshape(3, 4, 5)
    np.save(tmp_path / "x.npy", x)
    (tmp_path / "x.json").write_text(json.dumps({"tensor": x.tolist()}))
    output = tmp_path / "y.npy"
    run = command("activate", "leaky_relu", tmp_path / f"x{suffix}", "-o", output, "-p", "negative_slope=0.25")
    assert run.returncode == 0, run.stderr
    expected = oracle("leaky_relu", "y", x=x, negative_slope=np.array(0.25, np.float32))
    assert np.load(output).shape == (3, 4, 5)
    assert np.load(output).tobytes() == expected.tobytes()
    run = command("activate", "softmax", tmp_path / f"x{suffix}", "--gradient")
    found = json.loads(run.stdout)
    assert found["shape"] == [3, 4, 5]
    assert np.array(found["tensor"], np.float32).tobytes() == oracle("softmax", "grad_x", x=x).tobytes()


def test_activate_keeps_memory_flat_on_a_large_file(command: Command, tmp_path: Path) -> None:
    np.save(tmp_path / "small.npy", np.zeros((10, 1000), np.float32))
    large = np.lib.format.open_memmap(tmp_path / "large.npy", "w+", np.float32, (100_000, 1000))  # 400 MB, mostly holes
    large[-1] = np.arange(-500, 500)
    large.flush()
    small_peak = peak_kib(command, "activate", "relu", tmp_path / "small.npy", "-o", tmp_path / "y.npy")
    large_peak = peak_kib(command, "activate", "relu", tmp_path / "large.npy", "-o", tmp_path / "y.npy")
    assert large_peak - small_peak < 128 * 1024
    y = np.load(tmp_path / "y.npy", mmap_mode="r")
    assert y.shape == (100_000, 1000)
    assert y[-1].tolist() == [0.0] * 500 + list(range(500))


def test_predict_keeps_memory_flat_on_a_large_file(command: Command, oracle: Oracle, tmp_path: Path) -> None:
    np.save(tmp_path / "small.npy", np.zeros((10, 784), np.float32))
    large = np.lib.format.open_memmap(tmp_path / "large.npy", "w+", np.float32, (64_000, 784))  # 200 MB
    large[-1] = 0.5
    large.flush()
    small_peak = peak_kib(command, "predict", "digits", tmp_path / "small.npy", "-o", tmp_path / "y.npy")
    large_peak = peak_kib(command, "predict", "digits", tmp_path / "large.npy", "-o", tmp_path / "y.npy")
    assert large_peak - small_peak < 128 * 1024
    y = np.load(tmp_path / "y.npy")
    assert y.shape == (64_000, 10)
    assert y[-1:].tobytes() == oracle("digits", "probabilities", input=np.full((1, 784), 0.5, np.float32)).tobytes()


def test_models_lists_what_would_be_served(command: Command, slow_models: Path) -> None:
    (slow_models / "broken.onnx").write_bytes(b"no")
    run = command("models", "--models", slow_models)
    text = run.stdout.decode()
    assert run.returncode == 0
    for found in ("fashion_mnist", "digits", "slow", "[batch, 784]", "broken: ", "leaky_relu", "CPUExecutionProvider"):
        assert found in text


def test_check_tells_a_good_file_from_a_bad_one(command: Command, shipped: Path, tmp_path: Path) -> None:
    good = command("check", shipped / "fashion_mnist" / "1" / "model.onnx")
    assert good.returncode == 0, good.stderr
    for found in ("FP32 [batch, 784]", "probabilities", "opset", "curl"):
        assert found in good.stdout.decode()
    (tmp_path / "bad.onnx").write_bytes(b"\x08\x07not a model")
    bad = command("check", tmp_path / "bad.onnx")
    assert bad.returncode == 1
    assert "not an ONNX file" in bad.stdout.decode() + sentence(bad)


MISTAKES = (
    ("predict", "fashion_mnist", "{}/short.npy"),
    ("predict", "fashion_mnist", "{}/wrong.npy", "-o", "{}/out.npy"),
    ("predict", "fashion_mnist", "{}/broken.png"),
    ("predict", "no_such_model", "{}/good.npy"),
    ("predict", "{}/broken.onnx", "{}/good.npy"),
    ("predict", "fashion_mnist", "{}/good.npy", "--providers", "cuda"),
    ("predict", "fashion_mnist", "{}/good.npy", "-o", "{}/no/such/folder.npy"),
    ("activate", "no_such_activation", "{}/good.npy"),
    ("activate", "relu", "{}/integers.npy"),
    ("activate", "relu", "{}/broken.png"),
    ("activate", "leaky_relu", "{}/good.npy", "-p", "slope=1"),
    ("activate", "softmax", "{}/good.npy", "-p", "dim=7"),
)
MISUSE = (
    ("predict",),
    ("predict", "fashion_mnist", "/nowhere.npy"),
    ("predict", "fashion_mnist", "{}/rows.csv"),
    ("activate", "relu", "{}/rows.npy", "-p", "novalue"),
    ("check", "/nowhere.onnx"),
    ("unheard-of",),
)


def test_mistakes_are_one_sentence_and_status_1(command: Command, tmp_path: Path) -> None:
    np.save(tmp_path / "good.npy", np.zeros((2, 784), np.float32))
    np.save(tmp_path / "wrong.npy", np.zeros((2, 5), np.float32))
    np.save(tmp_path / "integers.npy", np.zeros(3, np.int64))
    (tmp_path / "short.npy").write_bytes((tmp_path / "good.npy").read_bytes()[:-5])
    for name in ("broken.npy", "broken.json", "broken.png", "broken.onnx"):
        (tmp_path / name).write_bytes(b"\x93 this is nothing")
    for arguments, run in all_of(command, MISTAKES, tmp_path):
        assert run.returncode == 1, arguments
        assert sentence(run).startswith("Error: "), arguments


def test_misuse_is_told_with_status_2(command: Command, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("1,2")
    np.save(tmp_path / "rows.npy", np.zeros(2, np.float32))
    for arguments, run in all_of(command, MISUSE, tmp_path):
        assert run.returncode == 2, arguments
        assert sentence(run).startswith("Error: "), arguments


def all_of(
    command: Command, runs: tuple[tuple[str, ...], ...], folder: Path
) -> Iterator[tuple[tuple[str, ...], subprocess.CompletedProcess[bytes]]]:
    """Runs them side by side."""
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        yield from zip(
            runs, threads.map(lambda run: command(*(part.format(folder) for part in run)), runs), strict=True
        )


def test_service_module_is_the_command(server: Any) -> None:
    run = subprocess.run([sys.executable, "-m", "service", "--version"], capture_output=True, timeout=60, check=False)
    assert run.stdout.startswith(b"actserve")
