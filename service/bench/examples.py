"""Bodies for a path of this service, made from what the server itself says of the model there."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any
from urllib.parse import parse_qs

import numpy as np

from service.bench.bodies import ACTIVATE, INFER, PREDICT, Body, Feeds, Specs, Writer
from service.bench.target import BenchError
from service.tensors import BY_NAME, Array, TensorSpec, describe

BODIES = 8  # sent in turn, so that nothing on the way learns one by heart
MAX_BYTES = 1 << 26  # of all of them; then there are fewer
MAX_ELEMENTS = 1 << 24  # of a tensor: in FP32 the 64 MiB that a server takes unless it is told otherwise
COLUMNS = 1024  # of a row where any shape will do, as for an activation

Get = Callable[[str], Mapping[str, Any]]

MODEL = "(?P<model>[^/:]+)"
FACES: tuple[tuple[str, Mapping[str, Writer]], ...] = (
    (f"(?P<prefix>.*?)/predict(/{MODEL})?", PREDICT),
    ("(?P<prefix>.*?)/invocations", PREDICT),
    (f"(?P<prefix>.*?)/v1/models/{MODEL}:predict", PREDICT),
    (f"(?P<prefix>.*?)/v2/models/{MODEL}(/versions/(?P<version>[^/]+))?/infer", INFER),
    (f"(?P<prefix>.*?)/activate/{MODEL}(/gradient)?", ACTIVATE),
)


@dataclass(frozen=True, slots=True)
class Example:
    """Bodies of one form and size, and what they are, in words."""

    bodies: tuple[Body, ...]
    about: str


def made(path: str, get: Get, form: str, rows: int, seed: int) -> Example:
    """Bodies for `path`, which has its query with it; `get` gives what the server has under another path, as JSON.

    Raises BenchError for a path, a form or a number of rows for which there are none."""
    path, _, query = path.partition("?")
    found, writers = _face(path)
    if form not in writers:
        raise BenchError(f"`{path}` takes no --format {form}; expected {' or '.join(writers)}.")
    model = get(_where(found, query, get))
    try:
        specs = [TensorSpec(told["name"], BY_NAME[told["datatype"]], _shape(told["shape"])) for told in model["inputs"]]
        examples = model["example"]["body"]["inputs"]
        examples = examples if len(specs) != 1 else {specs[0].name: examples}
        arrays = {spec.name: np.array(examples[spec.name], spec.datatype.dtype) for spec in specs}
    except (LookupError, TypeError, ValueError) as error:
        raise BenchError(f"The server does not say what `{path}` takes; give a body with --data.") from error
    return _bodies(
        specs, arrays, writers[form], rows, seed, f"as {form}, for `{model['name']}` version {model['version']}"
    )


def _face(path: str) -> tuple[re.Match[str], Mapping[str, Writer]]:
    for pattern, writers in FACES:
        if found := re.fullmatch(pattern, path):
            return found, writers
    raise BenchError(f"`{path}` is not a path that bodies are made for; give one with --data.")


def _where(found: re.Match[str], query: str, get: Get) -> str:
    """The path under which the server describes the model."""
    named = found.groupdict()
    models = f"{named['prefix']}/models"
    version = named.get("version") or parse_qs(query).get("version", [None])[0]
    return f"{models}/{named.get('model') or get(models)['default']}" + (f"?version={version}" if version else "")


def _bodies(specs: Specs, arrays: Feeds, writer: Writer, rows: int, seed: int, about: str) -> Example:
    has_rows = any(spec.has_rows or spec.shape is None for spec in specs)
    if rows > 1 and not has_rows:
        raise BenchError(f"No input of this model has rows, so there are none to multiply; leave --rows {rows} out.")
    generator = np.random.default_rng(seed)
    bodies: list[Body] = []
    while not bodies or len(bodies) < min(BODIES, MAX_BYTES // len(bodies[0].content)):
        feeds = {spec.name: _values(spec, arrays[spec.name], rows, generator) for spec in specs}
        bodies.append(replace(writer(specs, feeds), rows=rows if has_rows else None))
    shapes = (f"{spec.name} {spec.datatype.name} {describe(feeds[spec.name].shape)}" for spec in specs)
    return Example(tuple(bodies), f"{', '.join(shapes)} {about}")


def _values(spec: TensorSpec, example: Array, rows: int, generator: np.random.Generator) -> Array:
    """Random floats in place of zeros, which are shorter in JSON than what callers send; whatever else a graph wanted
    to see stays, and is repeated for each row."""
    takes_any = spec.shape is None and spec.datatype.is_float
    columns = COLUMNS if takes_any else prod(example.shape[1:])
    if rows * columns > MAX_ELEMENTS:
        raise BenchError(f"{rows:,} rows of {columns:,} values are more than the {MAX_ELEMENTS:,} that are made here.")
    if takes_any:
        return generator.normal(size=(rows, columns)).astype(spec.datatype.dtype)
    repeated: Array = np.repeat(example[:1], rows, axis=0) if spec.has_rows else example
    if spec.datatype.is_float and not repeated.astype(bool).any():
        size: tuple[int, ...] = repeated.shape
        return generator.random(size).astype(spec.datatype.dtype)
    return repeated


def _shape(sizes: Sequence[int] | None) -> tuple[int | None, ...] | None:
    return None if sizes is None else tuple(size if size >= 0 else None for size in sizes)
