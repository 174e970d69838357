"""Activations as exporters write them: in one operator or in several, in any order of operands."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service import graph, nodes
from service.diagnosis import recognition
from service.diagnosis.activation import Activation
from service.diagnosis.recognition import Unseen

CONSTANTS = {
    "zero": 0.0,
    "one": 1.0,
    "less": -1.0,
    "two": 2.0,
    "three": 3.0,
    "six": 6.0,
    "half": 0.5,
    "fifth": 0.2,
    "tenth": 0.1,
    "root": 1.4142135,
    "cubic": 0.044715,
    "factor": 0.7978846,
    "tiny": 1e-12,
    "lowest": -65504.0,
    "highest": 65504.0,
}

GELU, GELU_TANH = ("gelu", {"approximate": "none"}), ("gelu", {"approximate": "tanh"})
SIXTHS = {"alpha": 1 / 6, "beta": 0.5}

FORMS = {
    # torch: x·0.5·(1 + erf(x/√2)), in the three orders that its exporters and their users write
    "gelu half first": ("a = Div(x, root) e = Erf(a) b = Add(e, one) c = Mul(x, half) y = Mul(c, b)", *GELU),
    "gelu half last": ("a = Div(x, root) e = Erf(a) b = Add(one, e) c = Mul(x, b) y = Mul(c, half)", *GELU),
    "gelu half inside": ("a = Div(x, root) e = Erf(a) b = Add(e, one) c = Mul(b, half) y = Mul(c, x)", *GELU),
    "gelu distributed": ("a = Div(x, root) e = Erf(a) b = Mul(e, half) c = Add(half, b) y = Mul(x, c)", *GELU),
    "gelu by two": ("r = Sqrt(two) a = Div(x, r) e = Erf(a) b = Add(e, one) c = Mul(x, b) y = Div(c, two)", *GELU),
    "gelu by reciprocal": (
        "q = Reciprocal(root) a = Mul(q, x) e = Erf(a) b = Add(e, one) c = Mul(x, b) y = Mul(half, c)",
        *GELU,
    ),
    "gelu through casts": (
        "a = Div(x, root) e = Erf(a) f = Cast<to = 11>(e) g = Cast<to = 1>(f) b = Add(g, one)"
        " h = Identity(half) i = Identity(x) c = Mul(i, h) y = Mul(c, b)",
        *GELU,
    ),
    "gelu tanh by pow": (
        "p = Pow(x, three) q = Mul(p, cubic) r = Add(x, q) s = Mul(r, factor)"
        " t = Tanh(s) b = Add(t, one) c = Mul(x, half) y = Mul(c, b)",
        *GELU_TANH,
    ),
    "gelu tanh by products": (
        "p = Mul(x, x) q = Mul(p, cubic) r = Add(one, q) s = Mul(x, factor)"
        " u = Mul(s, r) t = Tanh(u) b = Add(one, t) c = Mul(half, b) y = Mul(x, c)",
        *GELU_TANH,
    ),
    "gelu tanh by cubes": (
        "p = Mul(cubic, x) q = Mul(p, x) r = Mul(q, x) s = Add(x, r) u = Mul(factor, s)"
        " t = Tanh(u) b = Add(one, t) c = Mul(x, b) y = Mul(half, c)",
        *GELU_TANH,
    ),
    "silu": ("s = Sigmoid(x) y = Mul(x, s)", "silu", {}),
    "silu turned": ("s = Sigmoid(x) y = Mul(s, x)", "silu", {}),
    "silu by quotient": ("n = Neg(x) e = Exp(n) d = Add(one, e) y = Div(x, d)", "silu", {}),
    "silu by power": ("n = Neg(x) e = Exp(n) d = Add(one, e) s = Div(one, d) y = Mul(x, s)", "silu", {}),
    "swish": ("a = Mul(x, three) s = Sigmoid(a) y = Mul(x, s)", "swish", {"alpha": 3.0}),
    "sigmoid by power": ("n = Neg(x) e = Exp(n) d = Add(e, one) y = Reciprocal(d)", "sigmoid", {}),
    "sigmoid by tanh": ("a = Mul(x, half) t = Tanh(a) b = Add(t, one) y = Mul(half, b)", "sigmoid", {}),
    "relu by max": ("y = Max(zero, x)", "relu", {}),
    "relu by clip": ("y = Clip(x, zero)", "relu", {}),
    "relu by where": ("c = Greater(x, zero) y = Where(c, x, zero)", "relu", {}),
    "relu by where turned": ("c = LessOrEqual(x, zero) y = Where(c, zero, x)", "relu", {}),
    "relu by where not": ("c = Less(zero, x) n = Not(c) y = Where(n, zero, x)", "relu", {}),
    "relu6 by clip": ("y = Clip(x, zero, six)", "relu6", {}),
    "relu6 by min and max": ("a = Max(x, zero) y = Min(a, six)", "relu6", {}),
    "relu6 by max and min": ("a = Min(six, x) y = Max(a, zero)", "relu6", {}),
    "relu6 by relu": ("a = Relu(x) y = Min(a, six)", "relu6", {}),
    "hardtanh": ("y = Clip(x, less, one)", "hardtanh", {"min_val": -1.0, "max_val": 1.0}),
    "hardswish by hardsigmoid": ("h = HardSigmoid <alpha = 0.16666667> (x) y = Mul(x, h)", "hardswish", {}),
    "hardswish by clip": ("a = Add(x, three) b = Clip(a, zero, six) c = Mul(x, b) y = Div(c, six)", "hardswish", {}),
    "hardswish by clip, sixth first": (
        "a = Add(three, x) b = Clip(a, zero, six) c = Div(b, six) y = Mul(c, x)",
        "hardswish", {},
    ),
    "hardsigmoid by clip": ("a = Add(x, three) b = Clip(a, zero, six) y = Div(b, six)", "hardsigmoid", SIXTHS),
    "hardsigmoid of keras": (
        "a = Mul(x, fifth) b = Add(a, half) y = Clip(b, zero, one)",
        "hardsigmoid",
        {"alpha": 0.2, "beta": 0.5},
    ),
    "mish": ("p = Softplus(x) t = Tanh(p) y = Mul(x, t)", "mish", {}),
    "mish by logarithm": ("e = Exp(x) d = Add(e, one) p = Log(d) t = Tanh(p) y = Mul(t, x)", "mish", {}),
    "softplus by logarithm": ("e = Exp(x) d = Add(e, one) y = Log(d)", "softplus", {}),
    "softplus beta": ("a = Mul(x, three) p = Softplus(a) y = Div(p, three)", "softplus", {"beta": 3.0}),
    "logsigmoid by softplus": ("n = Neg(x) p = Softplus(n) y = Neg(p)", "logsigmoid", {}),
    "logsigmoid by sigmoid": ("s = Sigmoid(x) y = Log(s)", "logsigmoid", {}),
    "tanhshrink": ("t = Tanh(x) y = Sub(x, t)", "tanhshrink", {}),
    "relu2 by product": ("r = Relu(x) y = Mul(r, r)", "relu2", {}),
    "relu2 by pow": ("r = Relu(x) y = Pow(r, two)", "relu2", {}),
    "leaky_relu by max": ("a = Mul(tenth, x) y = Max(x, a)", "leaky_relu", {"alpha": 0.1}),
    "leaky_relu by where": ("c = Greater(x, zero) a = Mul(x, half) y = Where(c, x, a)", "leaky_relu", {"alpha": 0.5}),
    "elu by where": (
        "c = Greater(x, zero) e = Exp(x) f = Sub(e, one) g = Mul(f, half) y = Where(c, x, g)",
        "elu", {"alpha": 0.5},
    ),
    "threshold": ("c = Greater(x, one) y = Where(c, x, three)", "threshold", {"threshold": 1.0, "value": 3.0}),
    "quick gelu of onnxruntime": ("y = com.microsoft.QuickGelu(x)", "swish", {"alpha": 1.702}),
    "fast gelu of onnxruntime": ("y = com.microsoft.FastGelu(x)", *GELU_TANH),
    "gelu of onnxruntime": ("y = com.microsoft.Gelu(x)", *GELU),
    "softsign": ("a = Abs(x) b = Add(one, a) y = Div(x, b)", "softsign", {}),
    "hardshrink by size": ("a = Abs(x) c = LessOrEqual(a, half) y = Where(c, zero, x)", "hardshrink", {"lambd": 0.5}),
    "hardshrink by sides": (
        "a = Greater(x, one) b = Less(x, less) d = Cast <to = 9> (b) c = Or(a, d) y = Where(c, x, zero)",
        *("hardshrink", {"lambd": 1.0}),
    ),
    "softshrink by size": (
        "a = Abs(x) c = Greater(a, half) s = Sign(x) p = Mul(s, half)"
        " q = Sub(x, p) z = Mul(x, zero) y = Where(c, q, z)",
        *("softshrink", {"lambd": 0.5}),
    ),
    "softshrink by sides": (
        "a = Greater(x, one) p = Sub(x, one) q = Where(a, p, zero)"
        " b = Less(x, less) r = Add(x, one) s = Where(b, r, zero) y = Add(q, s)",
        *("softshrink", {"lambd": 1.0}),
    ),
    "LeakyRelu": ("y = LeakyRelu(x)", "leaky_relu", {"alpha": 0.01}),
    "LeakyRelu flat": ("y = LeakyRelu <alpha = 0.0> (x)", "relu", {}),
    "Elu": ("y = Elu <alpha = 0.3> (x)", "elu", {"alpha": 0.3}),
    "Celu": ("y = Celu <alpha = 2.0> (x)", "celu", {"alpha": 2.0}),
    "Gelu": ('y = Gelu <approximate = "tanh"> (x)', *GELU_TANH),
    "HardSigmoid": ("y = HardSigmoid(x)", "hardsigmoid", {"alpha": 0.2, "beta": 0.5}),
    "HardSwish": ("y = HardSwish(x)", "hardswish", {}),
    "Mish": ("y = Mish(x)", "mish", {}),
    "Softsign": ("y = Softsign(x)", "softsign", {}),
    "ThresholdedRelu": ("y = ThresholdedRelu(x)", "thresholded_relu", {"alpha": 1.0}),
    "Shrink hard": ("y = Shrink <lambd = 0.7> (x)", "hardshrink", {"lambd": 0.7}),
    "Shrink soft": ("y = Shrink <lambd = 0.7, bias = 0.7> (x)", "softshrink", {"lambd": 0.7}),
    "LogSoftmax": ("y = LogSoftmax(x)", "log_softmax", {}),
    "Hardmax": ("y = Hardmax(x)", "hardmax", {}),
}  # fmt: skip


def with_constants(body: str) -> str:
    """The body, and before it those of CONSTANTS that it names."""
    names = set(re.findall(r"[a-z]+", body)) & CONSTANTS.keys()
    given = [f"{name} = Constant <value = float {{{CONSTANTS[name]:.12f}}}> ()" for name in sorted(names)]
    return " ".join([*given, body])


def found(path: Path) -> list[Activation]:
    return recognition.recognised(nodes.read(graph.load(path), path.parent))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("before", ["", "dense"])
def test_form_is_one_activation_from_the_tensor_before_it(written: Any, form: str, before: str) -> None:
    """Alone, and in a network, whose other arithmetic (a bias, a residual connection) is not a part of it."""
    body, kind, parameters = FORMS[form]
    if before:
        body = "w = MatMul(u, weight) x = Add(w, bias) " + body.replace("y =", "last =") + " y = Add(last, u)"
    text = f"g (float[n, 4] {'u' if before else 'x'}) => (float[n, 4] y) {{ {with_constants(body)} }}"
    weights = {"weight": np.ones((4, 4), np.float32), "bias": np.arange(4, dtype=np.float32)}
    (activation,) = found(written(text, weights if before else {}))
    assert (activation.kind, activation.x, activation.y) == (kind, "x", "last" if before else "y")
    assert activation.parameters.keys() == parameters.keys()
    for name, value in parameters.items():
        assert activation.parameters[name] == (pytest.approx(value, rel=1e-7) if isinstance(value, float) else value)


def test_constants_may_be_initializers_of_any_shape_that_is_one_number(written: Any) -> None:
    body = "a = Mul(x, r) e = Erf(a) b = Add(e, o) c = Mul(x, b) y = Mul(c, h)"
    text = f"g (float16[n, 4] x) => (float16[n, 4] y) {{ {body} }}"
    for shape in ((), (1,), (1, 1), (4,)):
        weights = {name: np.full(shape, value, np.float16) for name, value in (("r", 0.70710678), ("o", 1), ("h", 0.5))}
        assert [one.kind for one in found(written(text, weights))] == ["gelu"]


@pytest.mark.parametrize(
    "body",
    [
        "a = Div(x, root) e = Erf(a) b = Add(e, half) y = Mul(x, b)",  # not 1 + erf
        "e = Erf(x) b = Add(e, one) c = Mul(x, b) y = Mul(half, c)",  # not x/√2
        "y = Max(x, three)",
        "y = Min(x, one)",
        "y = Clip(x, tiny)",  # keeps a divisor from being zero
        "y = Clip(x, lowest, highest)",
        "y = Exp(x)",
        "b = Exp(x) y = Clip(x, zero, b)",  # its end is not known beforehand
        "y = Max(x, zero, one)",
        "y = Min(x, x)",
        "b = Neg(x) y = Max(x, b)",  # |x|
        "c = Greater(x, zero) b = Exp(x) y = Where(c, x, b)",
        "c = Greater(x, zero) y = Where(c, zero, x)",
        "a = Abs(x) c = Greater(a, half) y = Where(c, x, one)",
        "a = Abs(x) c = Greater(a, half) b = Neg(x) y = Where(c, b, zero)",
        "a = Greater(x, one) b = Less(x, half) c = Or(a, b) y = Where(c, x, zero)",
        "b = Exp(x) c = Greater(x, b) y = Where(c, x, zero)",
        "b = Abs(x) c = Add(b, two) y = Div(x, c)",
        "y = Add(x, x)",
        "y = Log(x)",
    ],
)
def test_what_only_looks_like_an_activation_is_none(written: Any, body: str) -> None:
    assert found(written(f"g (float[n, 4] x) => (float[n, 4] y) {{ {with_constants(body)} }}")) == []


def test_gate_of_another_tensor_is_a_sigmoid_of_its_own(written: Any) -> None:
    (gate,) = found(written("g (float[n, 4] x, float[n, 4] u) => (float[n, 4] y) { s = Sigmoid(x) y = Mul(u, s) }"))
    assert (gate.kind, gate.y) == ("sigmoid", "s")


def test_part_that_others_use_too_is_a_layer_as_well(written: Any) -> None:
    text = "g (float[n, 4] x) => (float[n, 4] y) { s = Sigmoid(x) z = Mul(x, s) y = Add(z, s) }"
    assert [one.kind for one in found(written(text))] == ["sigmoid", "silu"]
    text = "g (float[n, 4] x) => (float[n, 4] z, float[n, 4] s) { s = Sigmoid(x) z = Mul(x, s) }"
    assert [one.kind for one in found(written(text))] == ["sigmoid", "silu"]


def test_one_behind_the_other_are_two_layers(written: Any) -> None:
    body = with_constants("a = Relu(x) b = Relu(a) y = Clip(b, zero, six)")
    chain = found(written(f"g (float[n, 4] x) => (float[n, 4] y) {{ {body} }}"))
    assert [(one.kind, one.x) for one in chain] == [("relu", "x"), ("relu", "a"), ("relu6", "b")]


def test_arithmetic_of_any_size_is_read_in_time(written: Any) -> None:
    """Each tensor is used twice by the next, so that formulas written out would double with every operator."""
    body = "t = Sigmoid(x) " + " ".join(
        f"u{step} = {'Add' if step % 2 else 'Mul'}({before}, {before})"
        for step, before in enumerate(["t", *(f"u{step}" for step in range(199))])
    )
    assert [one.kind for one in found(written(f"g (float[n, 4] x) => (float[n, 4] u199) {{ {body} }}"))] == ["sigmoid"]


def test_layers_come_in_execution_order(written: Any) -> None:
    text = """g (float[n, 4] x) => (float[n, 4] y) {
        a = Relu(x) b = Tanh(a) s = Sigmoid(b) c = Mul(s, b) d = Selu(c) e = Softplus(d) y = Softmax(e) }"""
    kinds = [one.kind for one in found(written(text))]
    assert kinds == ["relu", "tanh", "silu", "selu", "softplus", "softmax"]


def test_activation_of_a_constant_is_no_layer(written: Any) -> None:
    text = "g (float[n, 4] x) => (float[n, 4] y) { r = Relu(w) y = Add(x, r) }"
    assert found(written(text, {"w": np.ones(4, np.float32)})) == []


def test_bounds_before_opset_11_are_attributes(written: Any) -> None:
    text = "g (float[n, 4] x) => (float[n, 4] y) { y = Clip <min = 0.0, max = 6.0> (x) }"
    assert [one.kind for one in found(written(text, opset=10))] == ["relu6"]


def test_constant_that_a_caller_may_override_is_no_part_of_a_formula(written: Any) -> None:
    text = """g (float[n, 4] x, float half = {0.5}) => (float[n, 4] y)
        { a = Mul(x, half) t = Tanh(a) b = Add(t, one) y = Mul(half, b) }"""
    assert [one.kind for one in found(written(text, {"one": np.ones((), np.float32)}))] == ["tanh"]


def test_what_recurrent_operators_and_sub_graphs_hide_is_told(written: Any, graphs: Any, tmp_path: Path) -> None:
    text = """g (float[t, n, 4] x, bool c) => (float[t, d, n, 8] y, float[t, n, 4] z) {
        y = LSTM <hidden_size = 8> (x, w, r)
        z = If (c) <then_branch = a () => (float[t, n, 4] p) { q = Relu(x) p = Tanh(q) },
                    else_branch = b () => (float[t, n, 4] p) { p = Identity(x) }> }"""
    weights = {"w": np.ones((1, 32, 4), np.float32), "r": np.ones((1, 32, 8), np.float32)}
    path = written(text, weights)
    network = nodes.read(graph.load(path), path.parent)
    assert recognition.recognised(network) == []
    assert recognition.unseen(network) == [
        Unseen("y", "(LSTM) has its activations inside one operator, where they cannot be observed"),
        Unseen("z", "(If) has 2 of them in its sub-graphs, which are not observed"),
    ]
    loop = graphs.loop(tmp_path / "loop.onnx")  # has none inside
    assert recognition.unseen(nodes.read(graph.load(loop), tmp_path)) == []


def test_activation_fused_into_another_operator_is_told(written: Any) -> None:
    text = """g (float[n, 1, 4, 4] x) => (float[n, 1, 4, 4] y) {
        c = com.microsoft.FusedConv <kernel_shape = [1, 1], activation = "Relu"> (x, w) y = Identity(c) }"""
    path = written(text, {"w": np.ones((1, 1, 1, 1), np.float32)})
    network = nodes.read(graph.load(path), path.parent)
    assert recognition.recognised(network) == []
    assert recognition.unseen(network) == [Unseen("c", "has a Relu fused into it, which cannot be observed")]


def test_constant_that_cannot_be_read_is_none(written: Any) -> None:
    path = written("g (float[n, 4] x) => (float[n, 4] y) { y = Max(x, z) }", {"z": np.zeros(1, np.float32)})
    model = graph.load(path)
    model.graph.initializer[0].raw_data = b""
    assert recognition.recognised(nodes.read(model, path.parent)) == []


def test_functions_of_a_model_are_looked_into(written: Callable[..., Path]) -> None:
    text = """g (float[n, 4] x) => (float[n, 4] y) { a = own.Gate(x) y = Relu(a) }
        <domain: "own", opset_import: ["" : 20]> Gate (u) => (v) { s = Sigmoid(u) v = Mul(u, s) }"""
    path = written(text)
    model = graph.load(path)
    model.opset_import.add(domain="own", version=1)
    kinds = [one.kind for one in recognition.recognised(nodes.read(graph.inlined(model), path.parent))]
    assert kinds == ["silu", "relu"]
