"""`actserve check FILE.onnx`: whether and how a model would be served."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import numpy as np

from service import graph
from service.cli.files import Failing
from service.cli.models import signature
from service.codecs import json
from service.errors import ModelError, ServiceError
from service.model import Model
from service.repository import NAME, SHIPPED
from service.routes.models import example
from service.session import Runtime
from service.tensors import Array, TensorSpec

ROWS = (1, 2, 3, 8, 64)
SHOWN = 400


@click.command("check", cls=Failing)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def command(file: Path) -> None:
    """Say whether FILE would be served, its inputs, outputs and types, and an example request.

    Exit status 1 when it would not be."""
    click.echo(f"{file.name}: {graph.versions(file)}")
    try:
        model = Model(_servable(_name(file)), "1", file, Runtime("cpu"))
        found = model.example()
        outputs = model.session.run(found.feeds, model.output_names) if found.refusal is None else []
    except (ModelError, ServiceError) as error:
        click.echo(f"  not served: {error}")
        sys.exit(1)
    click.echo(f"  served as    {signature(model)}")
    for name, kind in model.session.not_carried.items():
        click.echo(f"  left out     {name}: a {kind}, which no tensor protocol can carry")
    if found.refusal is not None:
        click.echo(f"  no values were found that it takes: {found.refusal}")
    for name, array in zip(model.output_names, outputs, strict=found.refusal is None):
        click.echo(f"  one run gave {name} {list(array.shape)}")
    click.echo(f"  joining      {_joining(model)}")
    click.echo(f"  try          {_command(model)}")


def _name(file: Path) -> str:
    """The name a repository would give it: that of its folder for `<name>/<version>/model.onnx`."""
    if file.name != "model.onnx":
        return file.stem
    folder = file.resolve().parent
    return folder.parent.name if folder.name.isdecimal() else folder.name


def _servable(name: str) -> str:
    """The name itself. Raises ModelError where no repository takes it."""
    if not NAME.fullmatch(name):
        raise ModelError(f"`{name}` is no name for a model: expected letters, digits, `.`, `_` and `-`.")
    shipped = SHIPPED / name / "1" / "model.onnx"
    if shipped.is_file() and Model(name, "1", shipped, Runtime("cpu")).metadata.is_activation:
        raise ModelError(f"`{name}` is the name of an activation, and those are reserved.")
    return name


def _command(model: Model) -> str:
    """A line to paste. A long example is written by Python, from its shapes."""
    body = json.dumps(example(model)).decode()
    if len(body) > SHOWN:
        named = {name: _expression(array) for name, array in model.example().feeds.items()}
        members = ", ".join(f'"{name}": {text}' for name, text in named.items())
        inputs = f"{{{members}}}" if len(named) > 1 else next(iter(named.values()))
        script = f'import json; print(json.dumps({{"inputs": {inputs}}}))'
        return f"curl -s http://127.0.0.1:8000/predict/{model.name} --json \"$(python3 -c '{script}')\""
    return f"curl -s http://127.0.0.1:8000/predict/{model.name} --json '{body}'"


def _expression(array: Array) -> str:
    """An array as Python, in short where all of its values are one: `[[0.0] * 784] * 1`."""
    values = array.ravel()
    if not array.size or (values != values[0]).any():
        return json.dumps(json.fragment(array)).decode()
    text = f'"{values[0]}"' if array.dtype.kind == "O" else str(values[0].item())
    for size in reversed(array.shape):
        text = f"[{text}] * {size}"
    return text


def _joining(model: Model) -> str:
    if model.metadata.joinable:
        return "on: the model says that its rows do not touch each other"
    if not model.inputs or any(not spec.has_rows or spec.row_shape is None for spec in model.inputs):
        return "off: its inputs have no rows of a fixed shape"
    try:
        equal = all(_rows_are_independent(model, rows) for rows in ROWS)
    except ServiceError as error:
        return f"off: random rows could not be run ({error})"
    if equal:
        return 'off; joined and single runs of random rows are equal to the bit: add `batching = "rows"` to model.toml'
    return "off: joined and single runs of random rows differ"


def _rows_are_independent(model: Model, rows: int) -> bool:
    feeds = {spec.name: _random(spec, rows) for spec in model.inputs}
    joined = model.session.run(feeds, model.output_names)
    singles = [
        model.session.run({name: array[row : row + 1] for name, array in feeds.items()}, model.output_names)
        for row in range(rows)
    ]
    return all(
        array.ndim > 0 and all(part.ndim > 0 for part in parts) and _same_bits(array, np.concatenate(parts))
        for array, parts in zip(joined, zip(*singles, strict=True), strict=True)
    )


def _same_bits(first: Array, second: Array) -> bool:
    if first.dtype.kind == "O":
        return bool(np.array_equal(first, second))
    return first.shape == second.shape and first.tobytes() == second.tobytes()


def _random(spec: TensorSpec, rows: int) -> Array:
    generator = np.random.default_rng(rows)
    shape = (rows, *(spec.row_shape or ()))
    if spec.datatype.name == "BYTES":
        return np.full(shape, "a", np.object_)
    if spec.datatype.is_float:
        return generator.standard_normal(shape).astype(spec.datatype.dtype)
    return generator.integers(0, 2, shape).astype(spec.datatype.dtype)
