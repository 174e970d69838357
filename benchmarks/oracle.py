"""The right answers, computed here: the network by onnxruntime itself, an activation by its formula in float64."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from benchmarks.cases import Case, Rows
from benchmarks.peers import ROOT

MODEL = ROOT / "models" / "repository" / "fashion_mnist" / "1" / "model.onnx"

Row = npt.NDArray[np.float64]


class Oracle:
    """Answers each case's first body, once computed and then kept."""

    def __init__(self, model: Path = MODEL) -> None:
        self._session = onnxruntime.InferenceSession(model)
        self._known: dict[Case, Rows] = {}

    def expected(self, case: Case) -> Rows:
        if case not in self._known:
            rows = case.batches()[0]
            self._known[case] = _applied(FORMULAS[case.kind], rows) if case.is_activation else self._scores(rows)
        return self._known[case]

    def _scores(self, rows: Rows) -> Rows:
        scores: Rows = self._session.run(["probabilities"], {"input": rows})[0]
        return scores


def _applied(formula: Callable[[Row], Any], rows: Rows) -> Rows:
    """Row by row, so that a large tensor does not stand in memory as float64."""
    answer = np.empty_like(rows)
    for number, row in enumerate(rows):
        answer[number] = formula(row.astype(np.float64))
    return answer


def _relu(row: Row) -> Any:
    return np.maximum(row, 0)


def _gelu(row: Row) -> Any:
    return row * [1 + math.erf(value) for value in (row / math.sqrt(2)).tolist()] / 2


def _softmax(row: Row) -> Any:
    exponentials = np.exp(row - row.max())
    return exponentials / exponentials.sum()


FORMULAS: dict[str, Callable[[Row], Any]] = {"relu": _relu, "gelu": _gelu, "softmax": _softmax}
