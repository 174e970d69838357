"""What the two builds of onnxruntime bring: one of them only, and CUDA in one major version."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
CUDA_MAJOR = "13"
# Libraries whose own numbers do not follow CUDA's: what comes with CUDA 13.
OWN_NUMBERS = {"nvidia-cufft": "12", "nvidia-curand": "10", "nvidia-cudnn-cu13": "9"}


def pins(name: str) -> dict[str, str]:
    lines = [line for line in (ROOT / name).read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("==") for line in lines)


def extras() -> dict[str, list[Requirement]]:
    found = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    return {extra: [Requirement(text) for text in texts] for extra, texts in found.items()}


def test_no_extra_brings_both_builds_of_onnxruntime() -> None:
    builds = {
        extra: {one.name for one in wanted if one.name.startswith("onnxruntime")} for extra, wanted in extras().items()
    }
    assert builds.pop("cpu") == {"onnxruntime"}
    assert builds.pop("cuda") == {"onnxruntime-gpu"}
    assert not any(builds.values())


def test_cuda_is_pinned_with_all_its_wheels_to_one_major_version() -> None:
    found = pins("constraints-cuda.txt")
    (wanted,) = (one for one in extras()["cuda"] if one.name == "onnxruntime-gpu")
    assert wanted.extras == {"cuda", "cudnn"}
    assert wanted.specifier.contains(found.pop("onnxruntime-gpu"))
    assert {"nvidia-cuda-runtime", "nvidia-cuda-nvrtc", "nvidia-cublas", "nvidia-cudnn-cu13"} <= found.keys()
    for name, version in found.items():
        assert version.split(".")[0] == OWN_NUMBERS.get(name, CUDA_MAJOR), name
        assert re.findall(r"-cu(\d+)$", name) in ([], [CUDA_MAJOR])


def test_pins_of_cuda_stand_nowhere_else() -> None:
    assert not pins("constraints-cuda.txt").keys() & pins("constraints.txt").keys()
    assert "onnxruntime" in pins("constraints.txt")


def test_one_build_of_onnxruntime_is_installed() -> None:
    installed = {found.metadata["Name"] for found in metadata.distributions()}
    assert len(installed & {"onnxruntime", "onnxruntime-gpu"}) == 1


def test_image_is_built_with_the_pins_of_cuda() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert "-c constraints-cuda.txt" in text
    assert "!constraints-cuda.txt" in (ROOT / ".dockerignore").read_text().splitlines()
    assert "!constraints.txt" in (ROOT / ".dockerignore").read_text().splitlines()
