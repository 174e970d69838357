"""Which of onnxruntime's execution providers computes on this machine."""

from __future__ import annotations

import io
import logging
from contextlib import redirect_stdout
from functools import cache
from importlib import metadata

import numpy as np
import onnxruntime as ort

from service import device, graph
from service.errors import ModelError
from service.session.library import CPU, CUDA, FAILURES, LEFT_TO_THE_CPU, Runtime, made, options, redact

log = logging.getLogger("actserve.session")

WHEELS = ("onnxruntime", "onnxruntime-gpu")  # they share an import name, and each overwrites the other's files


class ProviderError(ModelError):
    """The provider that was demanded does not work here, whatever the model."""


def usable_provider(providers: str) -> str:
    """The provider that `--providers` comes to on this machine.

    Raises ProviderError when CUDA was demanded and does not work, or when both builds of onnxruntime are installed."""
    if installed := _both_wheels():
        raise ProviderError(
            f"{installed} are both installed and overwrite each other's files: uninstall both, then install one again."
        )
    if providers == "cpu":
        return CPU
    problem = cuda_problem()
    if problem is None:
        return CUDA
    if providers == "cuda":
        raise ProviderError(f"`--providers cuda` {problem} (`--providers auto` would run models on the CPU).")
    return CPU


@cache
def cuda_problem() -> str | None:
    """Why CUDA computes nothing here; None where it does. It is tried once in a process, on a graph of one node."""
    if CUDA not in ort.get_available_providers():
        return "needs onnxruntime-gpu, and the onnxruntime installed here was built without CUDA"
    with redirect_stdout(io.StringIO()) as said:  # it prints which libraries it does not find
        ort.preload_dlls()
    problem = _problem(CUDA)
    if problem is not None and said.getvalue():
        log.warning("CUDA's libraries: %s", redact(said.getvalue()))
    return problem


def _problem(provider: str) -> str | None:
    """Why a provider cannot add two numbers, all by itself."""
    try:
        session = made(graph.doubling(), options(Runtime(), None, is_strict=True), [provider])
        (y,) = session.run(None, {"x": np.array([1.5], np.float32)})
    except (*FAILURES, ValueError) as error:
        if LEFT_TO_THE_CPU in str(error):
            return "does not start here: driver, device, or the libraries of CUDA and cuDNN are missing"
        return f"does not start here: {redact(device.plain(str(error)))}"
    return None if y.tolist() == [3] else "computes wrongly here"


@cache
def _both_wheels() -> str:
    """The names of onnxruntime's distributions where there are several, else nothing."""
    found = [name for name in WHEELS if _is_installed(name)]
    return " and ".join(found) if len(found) > 1 else ""


def _is_installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True
