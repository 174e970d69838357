"""Runs whose inputs and outputs are bound beforehand: to staging buffers on the host, or to a device's own memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime

from benchmarks.cases import Rows

CUDA_OPTIONS = {"use_tf32": "0", "arena_extend_strategy": "kSameAsRequested"}
Empty = Callable[[Sequence[int]], Rows]


def ordinary(shape: Sequence[int]) -> Rows:
    """Memory as NumPy has it."""
    return np.empty(shape, np.float32)


def value_alone(path: Path) -> bytes:
    """An activation's graph without its gradients: they are switched off by initializers, which cannot be bound."""
    model = onnx.load(path)
    kept = [node for node in model.graph.node if not any(name.startswith("grad_") for name in node.output)]
    outputs = [output for output in model.graph.output if output.name == "y"]
    del model.graph.node[:], model.graph.output[:]
    model.graph.node.extend(kept)
    model.graph.output.extend(outputs)
    return bytes(model.SerializeToString())


def opened(source: Path | bytes, device: str) -> Any:
    """A session of onnxruntime's own on `cpu` or `cuda`."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    provider = ("CUDAExecutionProvider", CUDA_OPTIONS) if device == "cuda" else "CPUExecutionProvider"
    return onnxruntime.InferenceSession(source, options, providers=[provider], enable_fallback=0)


class Bound:
    """A network of which so many rows go in and out by buffers that stay. `empty` makes them: pinned ones for CUDA."""

    def __init__(self, session: Any, rows: int, output: str, empty: Empty = ordinary) -> None:
        self._session = session
        (given,) = session.get_inputs()
        self._name = given.name
        shape = next(end.shape for end in session.get_outputs() if end.name == output)
        self._in = empty((rows, *given.shape[1:]))
        self._out = empty((rows, *shape[1:]))
        self._binding = session.io_binding()
        self._binding.bind_output(output, "cpu", 0, np.float32, self._out.shape, self._out.ctypes.data)

    def run(self, *parts: Rows) -> Rows:
        """The answer, copied out, since the next one overwrites it. An input is copied to the device when it is bound,
        so it is bound for each run."""
        np.concatenate(parts, out=self._in)
        self._binding.bind_cpu_input(self._name, self._in)
        self._session.run_with_iobinding(self._binding)
        return self._out.copy()


class OnDevice:
    """An activation whose tensor is on the device before and after, so that nothing but its computation is timed."""

    def __init__(self, session: Any, x: Rows, device: str, shape: Sequence[int] | None = None) -> None:
        self._session = session
        values = onnxruntime.OrtValue
        self._y = values.ortvalue_from_shape_and_type(list(shape or x.shape), np.float32, device)
        self._binding = session.io_binding()
        self._binding.bind_ortvalue_input("x", values.ortvalue_from_numpy(x, device))
        self._binding.bind_ortvalue_output("y", self._y)

    def run(self) -> None:
        """Once, to its end."""
        self._session.run_with_iobinding(self._binding)
        self._binding.synchronize_outputs()

    def y(self) -> Rows:
        """What the last run gave."""
        found: Rows = self._y.numpy()
        return found
