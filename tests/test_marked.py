"""Tests that need a CUDA device and have none are told as not run, and never counted as passed or skipped."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from service.session import cuda_problem

ROOT = Path(__file__).parents[1]


def test_tests_of_cuda_are_told_as_not_run_where_there_is_none() -> None:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/cuda/test_device.py"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False).stdout
    count = (ROOT / "tests" / "cuda" / "test_device.py").read_text().count("\ndef test_")
    problem = cuda_problem()
    assert (f"cuda: {count} tests NOT RUN, since CUDA {problem}" in told) is (problem is not None)
    assert (f"{count} deselected" in told) is (problem is not None)
    assert ("passed" in told) is (problem is None)
    assert "skipped" not in told
