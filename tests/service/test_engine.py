"""What goes through the engine together: rows of several callers, and never what one of them says of a whole run."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from service.engine import Engine
from service.exchange import Request
from service.model import Model
from service.scheduler import Scheduler
from service.session import Runtime
from service.tensors import Array


def scaling(path: Path) -> Model:
    """`y = x * scale` by rows, where `scale` has a default and a free size, so that two of them could be joined."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 2]) for name in "xy")
    scale = helper.make_tensor_value_info("scale", TensorProto.FLOAT, ["k"])
    default = helper.make_tensor("scale", TensorProto.FLOAT, [1], [3.0])
    graph = helper.make_graph([helper.make_node("Mul", ["x", "scale"], ["y"])], "scaling", [x, scale], [y], [default])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    helper.set_model_props(model, {"batching": "rows"})
    onnx.save(model, path)
    return Model("scaling", "1", path, Runtime())


def test_overridden_initializer_is_never_joined_with_anothers(tmp_path: Path) -> None:
    model = scaling(tmp_path / "scaling.onnx")
    engine = Engine(Scheduler(max_batch_size=64, max_queue_rows=100))

    async def infer(**feeds: Array) -> list[list[float]]:
        request = Request("POST", "/predict", "", {}, "id")
        (y,) = await engine.infer(request, model, model.session, feeds, ("y",))
        found: list[list[float]] = y.tolist()
        return found

    async def main() -> None:
        x = np.ones((1, 2), np.float32)
        assert await infer(x=x) == [[3, 3]]
        ten, twenty = (np.array([value], np.float32) for value in (10, 20))
        found = await asyncio.gather(infer(x=x, scale=ten), infer(x=x), infer(x=x, scale=twenty), infer(x=x))
        assert found == [[[10, 10]], [[3, 3]], [[20, 20]], [[3, 3]]]

    asyncio.run(main())
