"""`actserve activate NAME FILE`: one activation on a tensor in a file."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import click

from service import activation, cores
from service.cli.files import Failing, JsonFile, NpyFile, media_type, pieces, progress, refuse_same
from service.codecs import json, media, npy
from service.errors import Unfit
from service.model import Model
from service.repository import Repository
from service.session import Runtime, Session
from service.tensors import BY_DTYPE, Array


@click.command("activate", cls=Failing)
@click.argument("name")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help=".npy or .json; else JSON to stdout."
)
@click.option("-p", "--parameter", "assignments", multiple=True, metavar="NAME=VALUE", help="May be repeated.")
@click.option("--gradient", is_flag=True, help="Write the gradient instead of the value.")
def command(name: str, file: Path, output: Path | None, assignments: tuple[str, ...], gradient: bool) -> None:
    """Apply the activation NAME to the tensor in FILE (.npy, or .json with a member `tensor`).

    A .npy file is read and answered in pieces where the activation allows it, so it may be larger than the memory."""
    refuse_same(file, output)
    model = Repository(None, Runtime("cpu", cores.available()), with_networks=False).activation(name)
    given = activation.from_query(dict(_assignment(text) for text in assignments))
    to_npy = output is not None and output.suffix == ".npy"
    tensor = _Tensor(model, file, given, may_flatten=to_npy)
    arrays = (tensor.session.run({"x": x} | tensor.feeds, ["grad_x" if gradient else "y"])[0] for x in tensor.pieces)
    shape = tensor.shape if gradient else tensor.output_shape
    shown = progress(arrays, max(1, tensor.length), file.name)
    if output is not None and to_npy:
        with NpyFile(output, shape) as target:
            for array in shown:
                target.write(array)
    else:
        head = {"activation": model.name, "datatype": tensor.datatype, "shape": list(shape)}
        written = JsonFile(output, head, "tensor")
        for array in shown:
            written.write(json.dumps(json.fragment(array)))
        written.close()


class _Tensor:
    """The tensor in a file, in pieces that the activation may treat one by one, with the arrays that go with it."""

    def __init__(self, model: Model, file: Path, given: Mapping[str, Any], *, may_flatten: bool) -> None:
        if media_type(file) == media.JSON:
            x = _from_json(file)
            self.shape, self.datatype, self.length = x.shape, "FP32", 1
            self.pieces = iter([x])
        elif media_type(file) == media.NPY:
            with file.open("rb") as opened:
                found = npy.header(opened.read(npy.MAX_HEADER_BYTES))
            self.shape = found.shape
            dtype = npy.BFLOAT16 if found.dtype == npy.RAW_PAIR else found.dtype.newbyteorder("=")
            self.datatype = BY_DTYPE[dtype].name
            whole = not _splits(model, given, self.shape)
            flat = may_flatten and model.metadata.is_elementwise
            self.length = prod(self.shape) if flat else 1 if whole else (self.shape or (1,))[0]
            self.pieces = pieces(file, whole=whole, flat=flat)
        else:
            raise Unfit("An activation takes a .npy or a .json file.")
        self.session: Session = model.in_datatype(activation.datatype(self.datatype))
        self.feeds: dict[str, Array] = activation.feeds(model, self.session, given, self.shape)
        self.output_shape = activation.output_shape(model, self.shape, self.feeds)


def _splits(model: Model, given: Mapping[str, Any], shape: tuple[int, ...]) -> bool:
    """True where the pieces along the first axis do not touch each other."""
    if model.metadata.catalogue.get("elementwise", False):
        return True
    axes = [parameter for parameter in activation.parameters(model).values() if parameter["type"] == "axis"]
    return all(given.get(axis["name"], axis["default"]) not in (0, -len(shape)) for axis in axes)


def _from_json(file: Path) -> Array:
    document = json.parse(file.read_bytes())
    if "tensor" not in document.fields:
        raise Unfit.at("tensor", "a number or nested arrays of numbers", "nothing")
    return document.tensor(document.fields["tensor"], activation.datatype("FP32"), "tensor")


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.BadParameter(f"`{text}`: expected NAME=VALUE.")
    return name, value
