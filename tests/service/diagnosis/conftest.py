"""Graphs as onnx's own text form has them, and what is found in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import numpy_helper

from service.diagnosis.diagnosis import Diagnosis, counted
from service.diagnosis.observer import observer
from service.diagnosis.report import report
from service.model import Model
from service.session import Runtime

HEAD = '<ir_version: 9, opset_import: ["" : {opset}, "com.microsoft" : 1]>\n'
Written = Callable[..., Path]
Diagnosed = Callable[..., dict[str, Any]]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """A graph in a file. `text` is its signature, constants and body; `weights` are its other initializers."""

    def write(text: str, weights: dict[str, np.ndarray] | None = None, opset: int = 20, name: str = "model") -> Path:
        model = onnx.parser.parse_model(HEAD.format(opset=opset) + text)
        model.graph.initializer.extend(numpy_helper.from_array(array, key) for key, array in (weights or {}).items())
        path = tmp_path / f"{name}.onnx"
        onnx.save(model, path)
        return path

    return write


@pytest.fixture(scope="session")
def diagnosed() -> Diagnosed:
    """The report on rows in a model of one input, or on arrays by input."""

    def run(path: Path, x: np.ndarray | dict[str, np.ndarray], *, bins: int = 20) -> dict[str, Any]:
        model = Model(path.stem, "1", path, Runtime())
        feeds = x if isinstance(x, dict) else {model.inputs[0].name: x}
        looking = observer(model, model.runtime)
        found = Diagnosis(looking, model.inputs, model.metadata.joinable)
        found.add(feeds, counted(model, feeds), looking.stoppable()[0])
        return report(model.name, model.version, found, bins)

    return run
