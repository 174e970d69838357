"""Whole models: what is told of their layers against NumPy and onnxruntime on the same tensors, computed apart."""

from __future__ import annotations

import shutil
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
import pytest

from service.diagnosis import diagnosis as diagnosis_module
from service.diagnosis.diagnosis import Diagnosis, counted
from service.diagnosis.observer import GraphObserver, observer
from service.errors import NotCarried, Unfit
from service.model import Model
from service.session import Runtime

ASSETS = Path(__file__).parents[2] / "assets"
RNG = np.random.default_rng(7)
START = RNG.bit_generator.state
DENSE = "g (float[n, 8] x) => (float[n, 5] y) { h = Gemm <transB = 1> (x, w, b) a = %s(h) y = MatMul(a, v) }"


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Whichever other tests run, each has the same numbers."""
    RNG.bit_generator.state = START


def dense(**changed: np.ndarray) -> dict[str, np.ndarray]:
    """Weights of DENSE: 8→16→5. Units 3 and 7 are dead, their bias being -1000."""
    bias = np.zeros(16, np.float32)
    bias[[3, 7]] = -1000
    normal = {"w": (16, 8), "v": (16, 5)}
    return {name: RNG.normal(size=shape).astype(np.float32) for name, shape in normal.items()} | {"b": bias} | changed


def compare(layer: dict[str, Any], x: np.ndarray, y: np.ndarray, slope: np.ndarray, axis: int = 1) -> None:
    """Everything in `layer` against the tensors before and after it and the slopes, in FP64."""
    y, slope = y.astype(np.float64), np.abs(slope)
    units = np.moveaxis(y, axis, 0).reshape(y.shape[axis], -1)
    slopes = np.moveaxis(slope, axis, 0).reshape(y.shape[axis], -1)
    before = np.moveaxis(x, axis, 0).reshape(y.shape[axis], -1)
    dead = (units == 0).all(1) & (before <= 0).all(1)
    assert layer["shape"] == list(y.shape)
    assert (layer["units"], layer["values"]) == (y.shape[axis], y.size)
    assert layer["zero_share"] == np.mean(y == 0)
    assert layer["dead_units"] == np.flatnonzero(dead).tolist()
    assert layer["dead_share"] == dead.mean()
    assert layer["saturated_units"] == np.flatnonzero((slopes < 0.01).all(1) & ~dead).tolist()
    assert layer["saturated_share"] == len(layer["saturated_units"]) / y.shape[axis]
    assert layer["slope_mean"] == pytest.approx(slope.mean(), rel=1e-5)
    assert (layer["min"], layer["max"]) == (y.min(), y.max())
    assert layer["mean"] == pytest.approx(y.mean(), rel=1e-6, abs=1e-9)
    assert layer["std"] == pytest.approx(y.std(), rel=1e-6)
    assert layer["non_finite"] == 0
    assert layer["pre_activation"]["mean"] == pytest.approx(x.mean(dtype=np.float64), rel=1e-6, abs=1e-9)
    edges, counts = layer["histogram"]["edges"], layer["histogram"]["counts"]
    assert counts == np.histogram(y, edges)[0].tolist()


@pytest.mark.parametrize("rows", [1, 2, 1000, 10_000])
def test_planted_dead_units_are_found_with_their_indices(written: Any, diagnosed: Any, oracle: Any, rows: int) -> None:
    weights, x = dense(), RNG.normal(size=(rows, 8)).astype(np.float32)
    (layer,) = diagnosed(written(DENSE % "Relu", weights), x)["layers"]
    inner = written(DENSE.replace("float[n, 5] y)", "float[n, 5] y, float[n, 16] h)") % "Relu", weights, name="inner")
    _, before = oracle(inner, {"x": x})
    compare(layer, before, np.maximum(before, 0), before > 0)
    assert {3, 7} <= set(layer["dead_units"])
    if rows >= 1000:
        assert layer["dead_units"] == [3, 7]


@pytest.mark.parametrize(("op", "kind"), [("Tanh", "tanh"), ("Sigmoid", "sigmoid")])
def test_planted_saturated_units_are_found_with_their_indices(
    written: Any, diagnosed: Any, oracle: Any, op: str, kind: str
) -> None:
    weights = dense()
    weights["w"][[2, 5]] *= 1e6
    weights["b"][:] = 0
    x = RNG.normal(size=(1000, 8)).astype(np.float32)
    (layer,) = diagnosed(written(DENSE % op, weights), x)["layers"]
    text = DENSE.replace("float[n, 5] y)", "float[n, 5] y, float[n, 16] h, float[n, 16] a)") % op
    _, before, after = oracle(written(text, weights, name="inner"), {"x": x})
    wide = after.astype(np.float64)
    compare(layer, before, after, 1 - wide**2 if op == "Tanh" else wide * (1 - wide))
    assert (layer["activation"], layer["saturated_units"], layer["dead_units"]) == (kind, [2, 5], [])


@pytest.mark.parametrize("op", ["LeakyRelu", "Elu", "Selu", "Celu", "Softplus", "Tanh", "Sigmoid", "Softsign", "PRelu"])
def test_units_that_are_merely_negative_are_not_dead(written: Any, diagnosed: Any, op: str) -> None:
    weights = dense()
    text = DENSE % op if op != "PRelu" else DENSE.replace("%s(h)", "PRelu(h, s)")
    weights |= {"s": np.full(16, 0.25, np.float32)} if op == "PRelu" else {}
    (layer,) = diagnosed(written(text, weights), RNG.normal(size=(200, 8)).astype(np.float32))["layers"]
    assert layer["dead_units"] == []
    straight = op in ("LeakyRelu", "PRelu")
    assert layer["saturated_units"] == ([] if straight else [3, 7])


@pytest.mark.parametrize("op", ["Gelu", "Mish", "HardSwish"])
def test_units_far_below_zero_of_what_vanishes_there_are_dead(written: Any, diagnosed: Any, op: str) -> None:
    (layer,) = diagnosed(written(DENSE % op, dense()), RNG.normal(size=(200, 8)).astype(np.float32))["layers"]
    assert (layer["dead_units"], layer["saturated_units"]) == ([3, 7], [])


def test_relu6_above_its_end_is_saturated_and_below_dead(written: Any, diagnosed: Any) -> None:
    weights = dense()
    weights["b"][5] = 1000
    text = DENSE.replace("a = %s(h)", "a = Clip(h, z, s)")
    weights |= {"z": np.zeros((), np.float32), "s": np.full((), 6, np.float32)}
    (layer,) = diagnosed(written(text, weights), RNG.normal(size=(200, 8)).astype(np.float32))["layers"]
    assert (layer["activation"], layer["dead_units"], layer["saturated_units"]) == ("relu6", [3, 7], [5])


CONVOLUTIONS = {
    "pictures": ([3, "h", "w"], "Conv <kernel_shape = [3, 3]>", (4, 3, 3, 3), (9, 3, 8, 10)),
    "rows": ([3, "t"], "Conv <kernel_shape = [3]>", (4, 3, 3), (9, 3, 12)),
    "volumes": ([2, "d", "h", "w"], "Conv <kernel_shape = [2, 2, 2]>", (4, 2, 2, 2, 2), (3, 2, 4, 5, 6)),
    "transposed": ([3, "h", "w"], "ConvTranspose <kernel_shape = [2, 2]>", (3, 4, 2, 2), (3, 3, 4, 4)),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
@pytest.mark.parametrize("cut", [1, 3, 1024])
def test_units_of_a_convolution_are_its_channels(
    written: Any, diagnosed: Any, oracle: Any, monkeypatch: pytest.MonkeyPatch, name: str, cut: int
) -> None:
    monkeypatch.setattr(diagnosis_module, "PIECE_ROWS", cut)
    sizes, op, kernel, shape = CONVOLUTIONS[name]
    free = ", ".join(map(str, sizes))
    weights = {"k": RNG.normal(size=kernel).astype(np.float32), "b": np.array([0, -1000, 0.5, 1000], np.float32)}
    weights |= {"scale": np.ones(4, np.float32), "mean": np.zeros(4, np.float32)}
    body = f"{{ c = {op}(x, k, b) h = BatchNormalization(c, scale, mean, mean, scale) y = Relu(h) }}"
    text = f"g (float[n, {free}] x) => (float[] y, float[] h) {body}"
    model = onnx.load(written(text, weights))
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    path = written(text, weights, name="free")
    onnx.save(model, path)
    x = RNG.normal(size=shape).astype(np.float32)
    (layer,) = diagnosed(path, x)["layers"]
    y, before = oracle(path, {"x": x})
    compare(layer, before, y, before > 0)
    assert (layer["units"], layer["dead_units"]) == (4, [1])


TURN = "Transpose <perm = [0, 2, 1]>"
AXES = {
    "dense on a sequence": ("h = MatMul(x, w) y = Relu(h)", [5, 3], 5, 2),
    "convolution turned to channels last": (f"t = {TURN}(x) c = Conv(t, k) h = {TURN}(c) y = Relu(h)", [6, 3], 4, 2),
    "dense turned to channels first": (f"m = MatMul(x, w) h = {TURN}(m) y = Relu(h)", [5, 3], 5, 1),
    "added to another": ("m = MatMul(x, w) p = Sigmoid(m) q = Mul(m, p) h = Add(q, m) y = Relu(h)", [5, 3], 5, 2),
    "rank of pictures": ("h = Reshape(x, picture) y = Relu(h)", [12], 3, 1),
    "rank of rows": ("h = Reshape(x, row) y = Relu(h)", [2, 3], 6, 1),
    "softmax along its axis": ("y = Softmax <axis = 1> (x)", [4, 3], 4, 1),
}  # fmt: skip


@pytest.mark.parametrize("name", AXES)
@pytest.mark.parametrize("rows", [1, 4])
def test_units_lie_along_the_axis_that_mixed_them(written: Any, diagnosed: Any, name: str, rows: int) -> None:
    body, sizes, units, axis = AXES[name]
    weights = {"w": RNG.normal(size=(3, 5)).astype(np.float32), "k": RNG.normal(size=(4, 3, 2)).astype(np.float32)}
    weights |= {"picture": np.array([0, 3, 2, 2]), "row": np.array([-1, 6])}
    rank = {"rank of pictures": 4, "rank of rows": 2}.get(name, 3)
    free = ", ".join(f"d{index}" for index in range(rank))
    text = f"g (float[n, {', '.join(map(str, sizes))}] x) => (float[{free}] y) {{ {body} }}"
    x = RNG.normal(size=(rows, *sizes)).astype(np.float32)
    layer = diagnosed(written(text, weights), x)["layers"][-1]
    assert (layer["units"], layer["shape"][axis]) == (units, units)


def test_layer_of_rows_alone_is_one_unit(written: Any, diagnosed: Any) -> None:
    text = "g (float[n, 8] x) => (float[n] y) { m = MatMul(x, w) y = Sigmoid(m) }"
    weights = {"w": np.ones(8, np.float32)}
    for rows in (1, 7):
        (layer,) = diagnosed(written(text, weights), np.ones((rows, 8), np.float32))["layers"]
        assert (layer["shape"], layer["units"]) == ([rows], 1)


def test_layer_after_a_recurrent_one_has_its_units_last(written: Any, diagnosed: Any) -> None:
    text = """g (float[t, n, 4] x) => (float[t, n, 6] y) {
        h = LSTM <hidden_size = 6> (x, w, r)
        o = Constant <value = int64[1] {1}> ()
        s = Squeeze(h, o)
        y = Relu(s) }"""
    weights = {"w": RNG.normal(size=(1, 24, 4)).astype(np.float32), "r": RNG.normal(size=(1, 24, 6)).astype(np.float32)}
    told = diagnosed(written(text, weights), RNG.normal(size=(5, 3, 4)).astype(np.float32))
    (layer,) = told["layers"]
    assert (layer["units"], layer["shape"]) == (6, [5, 3, 6])
    assert "(LSTM) has its activations inside one operator" in " ".join(found["text"] for found in told["findings"])


@pytest.mark.parametrize("slope", [(16,), (1,), ()])
def test_prelu_is_measured_with_the_slopes_of_its_tensor(written: Any, diagnosed: Any, oracle: Any, slope: Any) -> None:
    weights = dense(s=RNG.uniform(0.001, 0.5, slope).astype(np.float32))
    text = DENSE.replace("%s(h)", "PRelu(h, s)")
    x = RNG.normal(size=(50, 8)).astype(np.float32)
    (layer,) = diagnosed(written(text, weights), x)["layers"]
    inner = text.replace("float[n, 5] y)", "float[n, 5] y, float[n, 16] h, float[n, 16] a)")
    _, before, after = oracle(written(inner, weights, name="inner"), {"x": x})
    compare(layer, before, after, np.where(before > 0, 1.0, np.broadcast_to(weights["s"], before.shape)))


def test_prelu_of_channels_whose_slopes_a_caller_overrides_has_those(written: Any, diagnosed: Any) -> None:
    text = "g (float[n, 2, 3, 3] x, float[2, 1, 1] s) => (float[n, 2, 3, 3] y) { y = PRelu(x, s) }"
    path = written(text, {"s": np.full((2, 1, 1), 0.25, np.float32)})
    x = -np.ones((3, 2, 3, 3), np.float32)
    assert diagnosed(path, {"x": x})["layers"][0]["slope_mean"] == 0.25
    given = np.array([0.5, 0.75], np.float32).reshape(2, 1, 1)
    assert diagnosed(path, {"x": x, "s": given})["layers"][0]["slope_mean"] == 0.625


def test_bias_that_an_operator_adds_itself_is_before_the_activation(written: Any, diagnosed: Any) -> None:
    text = "g (float[n, 4] x) => (float[n, 4] y) { y = com.microsoft.BiasGelu(x, b) }"
    x, bias = RNG.normal(size=(30, 4)).astype(np.float32), np.array([0, 1, 2, -1000], np.float32)
    (layer,) = diagnosed(written(text, {"b": bias}), x)["layers"]
    assert layer["pre_activation"]["min"] == (x + bias).min()
    assert layer["dead_units"] == [3]


@pytest.mark.parametrize("kind", ["float16", "double"])
def test_other_float_types_are_measured(written: Any, diagnosed: Any, oracle: Any, kind: str) -> None:
    dtype = {"float16": np.float16, "double": np.float64}[kind]
    weights = {name: array.astype(dtype) for name, array in dense().items()}
    x = RNG.normal(size=(40, 8)).astype(dtype)
    text = (DENSE % "Relu").replace("float[", f"{kind}[")
    (layer,) = diagnosed(written(text, weights), x)["layers"]
    inner = text.replace("[n, 5] y)", f"[n, 5] y, {kind}[n, 16] h)")
    _, before = oracle(written(inner, weights, name="inner"), {"x": x})
    compare(layer, before, np.maximum(before, 0), before > 0)


def test_model_in_bfloat16_is_measured(written: Any, diagnosed: Any) -> None:
    """Its inner tensors are FP32, since onnxruntime computes nothing in BF16 on a CPU."""
    text = "g (bfloat16[n, 4] x) => (bfloat16[n, 4] y) { a = Cast <to = 1> (x) b = Relu(a) y = Cast <to = 16> (b) }"
    x = RNG.normal(size=(20, 4)).astype(ml_dtypes.bfloat16)
    (layer,) = diagnosed(written(text), x)["layers"]
    wide = x.astype(np.float32)
    compare(layer, wide, np.maximum(wide, 0), wide > 0)
    assert layer["is_output"]


def test_activation_of_whole_numbers_is_no_layer(written: Any, diagnosed: Any) -> None:
    text = (
        "g (float[n, 4] x) => (float[n, 4] y) { i = Cast <to = 6> (x) r = Relu(i) f = Cast <to = 1> (r) y = Tanh(f) }"
    )
    told = diagnosed(written(text), np.ones((2, 4), np.float32))
    assert [layer["activation"] for layer in told["layers"]] == ["tanh"]


def test_graph_without_activations_says_so(written: Any, diagnosed: Any) -> None:
    told = diagnosed(written("g (float[n, 4] x) => (float[n, 4] y) { y = Exp(x) }"), np.ones((3, 4), np.float32))
    assert (told["rows"], told["layers"]) == (3, [])
    assert told["findings"] == [
        {"node": None, "severity": "note", "text": "The graph has no activation that can be observed."}
    ]


def test_names_are_those_of_the_operators_where_they_are_unique(written: Any, diagnosed: Any, tmp_path: Path) -> None:
    path = written(
        "g (float[n, 4] x) => (float[n, 4] y) { a = Relu(x) b = Tanh(a) c = Relu(b) d = Tanh(c) y = Selu(d) }"
    )
    model = onnx.load(path)
    for node, name in zip(model.graph.node, ["first", "", "", "a", "y"], strict=True):
        node.name = name
    onnx.save(model, path)
    told = diagnosed(path, np.ones((1, 4), np.float32))
    # `a` is also a tensor, which another layer might be named by.
    assert [layer["node"] for layer in told["layers"]] == ["first", "b", "c", "d", "y"]


# --- pieces ---


@pytest.mark.parametrize("name", ["Relu", "Gelu", "Tanh"])
def test_pieces_are_the_whole(written: Any, diagnosed: Any, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    path, x = written(DENSE % name, dense()), RNG.normal(size=(101, 8)).astype(np.float32)
    whole = diagnosed(path, x)
    runs = Counter[int]()
    real = GraphObserver.observe
    monkeypatch.setattr(
        GraphObserver, "observe", lambda self, run, feeds: runs.update([len(feeds["x"])]) or real(self, run, feeds)
    )
    monkeypatch.setattr(diagnosis_module, "PIECE_ROWS", 20)
    in_pieces = diagnosed(path, x)
    assert runs == {20: 5, 1: 2}  # one of these is the look at the first row
    assert in_pieces["findings"].pop()["text"].startswith("The rows went through the graph in pieces of 20 at most")
    assert close(in_pieces, whole)


def close(one: Any, other: Any) -> bool:
    """Equal but for the last digits of floats: onnxruntime adds in another order for another number of rows."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(close(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(close, one, other))
    if isinstance(one, float):
        return bool(one == pytest.approx(other, rel=1e-5))
    return bool(one == other)


def test_pieces_are_so_small_that_what_is_observed_fits(
    written: Any, diagnosed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = []
    real = GraphObserver.observe
    monkeypatch.setattr(
        GraphObserver, "observe", lambda self, run, feeds: runs.append(len(feeds["x"])) or real(self, run, feeds)
    )
    monkeypatch.setattr(diagnosis_module, "PIECE_BYTES", 1000)  # a row is 16 values before and 16 after
    path = written(DENSE % "Relu", dense())
    told = diagnosed(path, np.ones((20, 8), np.float32))
    assert runs == [1, 7, 7, 6]
    monkeypatch.setattr(diagnosis_module, "PIECE_BYTES", 1)
    again = diagnosed(path, np.ones((20, 8), np.float32))
    assert again["layers"][0] == told["layers"][0]


def test_rows_are_found_where_they_are_not_the_first_axis(
    written: Any, diagnosed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = """g (float[n, 5, 3] x) => (float[5, n, 3] y) { t = Transpose <perm = [1, 0, 2]> (x) y = Relu(t) }"""
    x = RNG.normal(size=(11, 5, 3)).astype(np.float32)
    path = written(text)
    whole = diagnosed(path, x)["layers"]
    assert whole[0]["shape"] == [5, 11, 3]
    monkeypatch.setattr(diagnosis_module, "PIECE_ROWS", 4)
    assert close(diagnosed(path, x)["layers"][0], whole[0])


def test_layer_that_no_row_changes_is_measured_once(
    written: Any, diagnosed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = """g (float[n, 3] x) => (float[n, 3] y) {
        s = ReduceMax <keepdims = 0> (x) t = Tanh(s) r = Relu(x) y = Mul(r, t) }"""
    monkeypatch.setattr(diagnosis_module, "PIECE_ROWS", 4)
    scalar, rows = diagnosed(written(text), np.ones((9, 3), np.float32))["layers"]
    assert (scalar["shape"], scalar["values"], scalar["units"]) == ([], 1, 1)
    assert (rows["shape"], rows["values"]) == ([9, 3], 27)


def test_rows_that_touch_each_other_go_together_as_long_as_they_fit(
    written: Any, diagnosed: Any, monkeypatch: Any
) -> None:
    text = "g (float[n, 3] x) => (float[n, 3] y) { m = ReduceMean <axes = [0]> (x) d = Sub(x, m) y = Relu(d) }"
    x = RNG.normal(size=(30, 3)).astype(np.float32)
    path = written(text, opset=17)
    told = diagnosed(path, x)
    expected = np.maximum(x - x.mean(0), 0)
    assert told["layers"][0]["mean"] == pytest.approx(expected.mean(), rel=1e-5)
    assert [found["severity"] for found in told["findings"]] == ["ok"]
    monkeypatch.setattr(diagnosis_module, "PIECE_ROWS", 8)
    assert "do not touch each other" in str([found["text"] for found in diagnosed(path, x)["findings"]])
    (path.with_suffix(".toml")).write_text('batching = "rows"')
    assert [found["severity"] for found in diagnosed(path, x)["findings"]] == ["ok"]


def test_graph_that_refuses_a_single_row_gets_all_of_them(written: Any, diagnosed: Any) -> None:
    text = """g (float[n, 3] x) => (float[m, 6] y) { s = Constant <value = int64[2] {-1, 6}> ()
        h = Reshape(x, s) y = Relu(h) }"""
    (layer,) = diagnosed(written(text), np.ones((4, 3), np.float32))["layers"]
    assert layer["shape"] == [2, 6]


def test_model_without_rows_is_one_run(written: Any, diagnosed: Any) -> None:
    told = diagnosed(written("g (float[2, 3] x) => (float[2, 3] y) { y = Relu(x) }"), np.ones((2, 3), np.float32))
    assert (told["rows"], told["layers"][0]["units"]) == (1, 3)
    told = diagnosed(written("g (float[5] x) => (float[5] y) { y = Relu(x) }"), np.ones(5, np.float32))
    assert told["layers"][0]["units"] == 5
    told = diagnosed(written("g (float x) => (float y) { y = Relu(x) }"), np.ones((), np.float32))
    assert (told["layers"][0]["units"], told["layers"][0]["shape"]) == (1, [])


@pytest.mark.parametrize("shape", [(0, 8), (3, 7), (8,)])
def test_rows_that_do_not_fit_or_are_none_are_refused(written: Any, diagnosed: Any, shape: tuple[int, ...]) -> None:
    with pytest.raises(Unfit):
        diagnosed(written(DENSE % "Relu", dense()), np.ones(shape, np.float32))


def test_later_rows_add_to_those_before(written: Any) -> None:
    path = written(DENSE % "Relu", dense())
    model = Model("m", "1", path, Runtime())
    looking = observer(model, Runtime())
    found = Diagnosis(looking, model.inputs, is_joinable=True)
    for rows in (5, 1, 30):
        feeds = {"x": RNG.normal(size=(rows, 8)).astype(np.float32)}
        found.add(feeds, counted(model, feeds), looking.stoppable()[0])
    (record,) = found.records
    assert (found.rows, record.shape, record.measurement.counts["seen"].tolist()) == (36, (36, 16), [36] * 16)


@pytest.mark.parametrize(("second", "pieces"), [("n", [1, 4, 4, 3]), ("m", [11])])
def test_rows_of_several_inputs_are_taken_apart_where_they_are_the_same(
    written: Any, diagnosed: Any, monkeypatch: pytest.MonkeyPatch, second: str, pieces: list[int]
) -> None:
    """A table that happens to have as many rows as the batch is no batch."""
    body = "z = Constant <value = float {0.0}> () s = ReduceSum <keepdims = 0> (t) p = Add(x, s) y = Relu(p)"
    text = f"g (float[n, 3] x, float[{second}, 3] t) => (float[n, 3] y) {{ {body} }}"
    runs = []
    real = GraphObserver.observe
    monkeypatch.setattr(
        GraphObserver, "observe", lambda self, run, feeds: runs.append(len(feeds["x"])) or real(self, run, feeds)
    )
    monkeypatch.setattr(diagnosis_module, "PIECE_ROWS", 4)
    x = RNG.normal(size=(11, 3)).astype(np.float32)
    diagnosed(written(text), {"x": x, "t": x})
    assert runs == pieces


def test_activation_that_widens_what_comes_in_is_measured_in_its_own_shape(written: Any, diagnosed: Any) -> None:
    text = "g (float[n, 1] x) => (float[n, 4] y) { y = Max(x, z) }"
    (layer,) = diagnosed(written(text, {"z": np.zeros(4, np.float32)}), np.array([[-1], [2]], np.float32))["layers"]
    assert (layer["shape"], layer["units"], layer["zero_share"], layer["slope_mean"]) == ([2, 4], 4, 0.5, 0.5)


def test_functions_of_a_model_are_observed(written: Any, diagnosed: Any) -> None:
    text = """g (float[n, 4] x) => (float[n, 4] y) { a = own.Gate(x) y = own.Gate(a) }
        <domain: "own", opset_import: ["" : 20]> Gate (u) => (v) { s = Sigmoid(u) v = Mul(u, s) }"""
    path = written(text)
    model = onnx.load(path)
    model.opset_import.add(domain="own", version=1)
    onnx.save(model, path)
    x = RNG.normal(size=(9, 4)).astype(np.float32)
    layers = diagnosed(path, x)["layers"]
    assert [layer["activation"] for layer in layers] == ["silu", "silu"]
    assert len({layer["node"] for layer in layers}) == 2
    assert layers[0]["mean"] == pytest.approx((x / (1 + np.exp(-x))).mean(), rel=1e-5)


# --- other makers' models, other files ---


def test_model_of_pytorchs_exporter_is_observed_with_its_data_beside_it(diagnosed: Any, oracle: Any) -> None:
    x = RNG.normal(size=(3, 3, 12, 9)).astype(np.float32)
    (layer,) = diagnosed(ASSETS / "torch_picture.onnx", x)["layers"]
    model = onnx.load(ASSETS / "torch_picture.onnx", load_external_data=True)
    del model.graph.output[:]
    model.graph.output.add(name="conv2d")
    before = onnx_run(model, {"image": x})
    compare(layer, before, np.maximum(before, 0), before > 0)
    assert (layer["node"], layer["units"]) == ("node_relu", 4)


def onnx_run(model: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, feeds)[0])


def test_recurrent_model_of_pytorch_says_that_its_gates_cannot_be_seen(diagnosed: Any) -> None:
    state = np.zeros((1, 2, 8), np.float32)
    told = diagnosed(ASSETS / "torch_recurrent.onnx", {"x": np.ones((2, 5, 4), np.float32), "h": state, "c": state})
    assert told["layers"] == []
    assert "`node_lstm__2` (LSTM) has its activations inside" in told["findings"][1]["text"]


def test_data_behind_the_links_of_a_model_hub_is_found(diagnosed: Any, tmp_path: Path) -> None:
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "main"
    blobs.mkdir()
    snapshot.mkdir(parents=True)
    for name, blob in (("torch_picture.onnx", "4f2a"), ("torch_picture.onnx.data", "99ce")):
        shutil.copy(ASSETS / name, blobs / blob)
        (snapshot / name).symlink_to(f"../../blobs/{blob}")
    x = RNG.normal(size=(2, 3, 8, 8)).astype(np.float32)
    assert (
        diagnosed(snapshot / "torch_picture.onnx", x)["layers"] == diagnosed(ASSETS / "torch_picture.onnx", x)["layers"]
    )


def test_copy_that_the_runtime_refuses_is_not_carried(written: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model("m", "1", written(DENSE % "Relu", dense()), Runtime())
    broken = written("g (float[n, 8] x) => (float[n, 8] y) { h = Nonsense(x) y = Relu(h) }", name="broken")
    model.reopened = lambda: nullcontext(broken)
    with pytest.raises(NotCarried, match="Nonsense"):
        observer(model, Runtime())
