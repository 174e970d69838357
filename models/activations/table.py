"""Every activation by name: its value beside its gradient."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from models.activations import along_axis, exponentials, rectifiers
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
    "leaky_relu": Elementwise(rectifiers.leaky_relu, rectifiers.leaky_relu_slope),
    "prelu": Elementwise(
        rectifiers.prelu, rectifiers.prelu_slope, others={"grad_weight": rectifiers.prelu_weight_gradient}
    ),
    "elu": Elementwise(exponentials.elu, exponentials.elu_slope),
    "sigmoid": Elementwise(exponentials.sigmoid, exponentials.sigmoid_slope),
    "tanh": Elementwise(exponentials.tanh, exponentials.tanh_slope),
    "softmax": AlongAxis(along_axis.softmax, along_axis.softmax_vjp),
}
