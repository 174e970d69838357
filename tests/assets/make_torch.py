"""Writes the files of PyTorch's exporter; see README.md for the environment."""

from pathlib import Path
from typing import Any

import onnx
import torch
from torch.export import Dim

HERE = Path(__file__).parent


class Recurrent(torch.nn.Module):
    """Its state goes in and out."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = torch.nn.LSTM(4, 8, batch_first=True)

    def forward(self, x: torch.Tensor, h: torch.Tensor, c: torch.Tensor) -> tuple[torch.Tensor, ...]:
        y, (h, c) = self.cell(x, (h, c))
        return y, h, c


ACTIVATIONS = (
    *(
        torch.nn.ReLU(),
        torch.nn.LeakyReLU(0.2),
        torch.nn.PReLU(16),
        torch.nn.ELU(0.5),
        torch.nn.SELU(),
        torch.nn.CELU(2.0),
    ),
    *(torch.nn.GELU(), torch.nn.GELU("tanh"), torch.nn.SiLU(), torch.nn.Mish(), torch.nn.Hardswish(), torch.nn.ReLU6()),
    *(torch.nn.Sigmoid(), torch.nn.Hardsigmoid(), torch.nn.LogSigmoid(), torch.nn.Tanh(), torch.nn.Hardtanh(-2, 0.5)),
    *(
        torch.nn.Tanhshrink(),
        torch.nn.Softplus(),
        torch.nn.Softplus(2.0),
        torch.nn.Softsign(),
        torch.nn.Softshrink(0.7),
    ),
    *(torch.nn.Hardshrink(0.7), torch.nn.Threshold(0.3, 2.0), torch.nn.LogSoftmax(-1), torch.nn.Softmax(-1)),
)


class Scaled(torch.nn.Module):
    """A factor that is a whole number and has no shape."""

    def forward(self, x: torch.Tensor, factor: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x * factor, x.shape[0] + factor


def export(name: str, model: torch.nn.Module, given: tuple[Any, ...], sizes: tuple[Any, ...], **names: Any) -> None:
    file = HERE / f"{name}.onnx"
    torch.onnx.export(model.eval(), given, file, dynamic_shapes=sizes, opset_version=18, verbose=False, **names)
    made = onnx.load(file, load_external_data=False)
    for part in (*made.graph.node, *made.graph.value_info, *made.graph.input, *made.graph.output):
        part.ClearField("metadata_props")  # where in this file each of them comes from
    onnx.save(made, file)
    data = file.with_name(f"{file.name}.data")
    if data.stat().st_size == 0:
        data.unlink()


torch.manual_seed(0)
n, t, h, w = (Dim(name) for name in ("n", "t", "h", "w"))
state = torch.zeros(1, 2, 8)
export(
    "torch_recurrent",
    Recurrent(),
    (torch.zeros(2, 5, 4), state, state.clone()),
    ({0: n}, {1: n}, {1: n}),
    input_names=["x", "h", "c"],
    output_names=["y", "h_out", "c_out"],
)
picture = [torch.nn.Conv2d(3, 4, 5), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()]
export(
    "torch_picture",
    torch.nn.Sequential(*picture),
    (torch.zeros(2, 3, 32, 32),),
    ({0: n, 2: h, 3: w},),
    input_names=["image"],
    output_names=["features"],
)
ids = torch.zeros(2, 4, dtype=torch.int32)
export(
    "torch_embedding", torch.nn.Embedding(10, 3), (ids,), ({0: n, 1: t},), input_names=["ids"], output_names=["vectors"]
)
export(
    "torch_scaled",
    Scaled(),
    (torch.zeros(2, 3), torch.tensor(3)),
    ({0: n}, None),
    input_names=["x", "factor"],
    output_names=["y", "sum"],
)

torch.manual_seed(1)
layers = [layer for one in ACTIVATIONS for layer in (torch.nn.Linear(16, 16), one)]
for layer in layers[::2]:
    torch.nn.init.normal_(layer.weight, std=0.7)  # so that units reach all parts of what follows
    torch.nn.init.normal_(layer.bias, std=2)
export(
    "torch_activations",
    torch.nn.Sequential(*layers),
    (torch.zeros(2, 16),),
    ({0: n},),
    input_names=["x"],
    output_names=["y"],
)
