"""Every activation by name: its value beside its gradient."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from models.activations import along_axis, exponentials, gaussian, piecewise, rectifiers
from models.activations.graph import Tensor

Formula = Callable[..., Tensor]


@dataclass(frozen=True)
class Elementwise:
    """y = value(x, **parameters) element by element; grad_x = slope(x, **parameters)·grad_output.

    `others` are gradients with respect to parameters, by output name, called with (x, grad_output, **parameters).
    """

    value: Formula
    slope: Formula
    others: Mapping[str, Formula] = field(default_factory=dict)

    def gradient(self, x: Tensor, grad_output: Tensor, **parameters: Tensor) -> Tensor:
        return self.slope(x, **parameters) * grad_output


@dataclass(frozen=True)
class AlongAxis:
    """y = value(x, **parameters) along the axis `dim`; grad_x = gradient(x, grad_output, **parameters)."""

    value: Formula
    gradient: Formula
    others: Mapping[str, Formula] = field(default_factory=dict)


ACTIVATIONS: dict[str, Elementwise | AlongAxis] = {
    "relu": Elementwise(rectifiers.relu, rectifiers.relu_slope),
    "relu2": Elementwise(rectifiers.relu2, rectifiers.relu2_slope),
    "leaky_relu": Elementwise(rectifiers.leaky_relu, rectifiers.leaky_relu_slope),
    "prelu": Elementwise(
        rectifiers.prelu, rectifiers.prelu_slope, others={"grad_weight": rectifiers.prelu_weight_gradient}
    ),
    "rrelu": Elementwise(rectifiers.rrelu, rectifiers.rrelu_slope),
    "relu6": Elementwise(piecewise.relu6, piecewise.relu6_slope),
    "hardtanh": Elementwise(piecewise.hardtanh, piecewise.hardtanh_slope),
    "hardsigmoid": Elementwise(piecewise.hardsigmoid, piecewise.hardsigmoid_slope),
    "hardswish": Elementwise(piecewise.hardswish, piecewise.hardswish_slope),
    "threshold": Elementwise(piecewise.threshold, piecewise.threshold_slope),
    "thresholded_relu": Elementwise(piecewise.thresholded_relu, piecewise.thresholded_relu_slope),
    "hardshrink": Elementwise(piecewise.hardshrink, piecewise.hardshrink_slope),
    "softshrink": Elementwise(piecewise.softshrink, piecewise.softshrink_slope),
    "elu": Elementwise(exponentials.elu, exponentials.elu_slope),
    "selu": Elementwise(exponentials.selu, exponentials.selu_slope),
    "celu": Elementwise(exponentials.celu, exponentials.celu_slope),
    "sigmoid": Elementwise(exponentials.sigmoid, exponentials.sigmoid_slope),
    "logsigmoid": Elementwise(exponentials.logsigmoid, exponentials.logsigmoid_slope),
    "softplus": Elementwise(exponentials.softplus, exponentials.softplus_slope),
    "tanh": Elementwise(exponentials.tanh, exponentials.tanh_slope),
    "tanhshrink": Elementwise(exponentials.tanhshrink, exponentials.tanhshrink_slope),
    "softsign": Elementwise(exponentials.softsign, exponentials.softsign_slope),
    "silu": Elementwise(exponentials.silu, exponentials.silu_slope),
    "swish": Elementwise(exponentials.swish, exponentials.swish_slope),
    "mish": Elementwise(exponentials.mish, exponentials.mish_slope),
    "gelu": Elementwise(gaussian.gelu, gaussian.gelu_slope),
    "softmax": AlongAxis(along_axis.softmax, along_axis.softmax_vjp),
    "softmin": AlongAxis(along_axis.softmin, along_axis.softmin_vjp),
    "log_softmax": AlongAxis(along_axis.log_softmax, along_axis.log_softmax_vjp),
    "glu": AlongAxis(along_axis.glu, along_axis.glu_vjp),
    "hardmax": AlongAxis(along_axis.hardmax, along_axis.hardmax_vjp),
}
