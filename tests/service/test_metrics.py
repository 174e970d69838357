"""What the metrics see of a model."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

from service.metrics import Metrics
from service.model import Model
from service.session import Runtime
from service.statistics import Run


def test_watched_model_that_has_run_goes_at_once_when_it_is_let_go(shipped: Path, cpu: Runtime) -> None:
    metrics = Metrics()
    model = Model("relu", "1", shipped / "relu" / "1" / "model.onnx", cpu)
    metrics.watch([model])
    model.tally.ran(Run(3, 0, 0, 0))
    gone = weakref.ref(model)
    gc.disable()
    try:
        del model
        assert gone() is None
    finally:
        gc.enable()
    metrics.hand_over()
    assert b'actserve_run_rows_sum{model="relu",version="1"} 3.0' in metrics.expose()
