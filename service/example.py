"""Values that a graph can compute, found from its inputs alone: an example request and a first run are made of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import prod
from random import Random
from time import perf_counter

import numpy as np

from service.errors import ServiceError, Unfit
from service.session import Session
from service.tensors import Array, TensorSpec

SIZES = (2, 4, 8, 32, 224)  # for free sizes: 1 will do for most graphs, a picture may need more
MIXTURES = 2000
SEARCH_S = 5.0
MAX_ELEMENTS = 1 << 18  # a picture of 224×224 pixels in colour has 150,528
SHORT = 16  # elements of an input that may stand for a shape, axes, steps or limits

Feeds = Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class Example:
    """Arrays for every input; `refusal` says why the graph cannot compute them, None where it can; others may suit it
    where it `is_quick` to say so."""

    feeds: Feeds
    refusal: str | None
    is_quick: bool = True


def first(session: Session, limit_s: float) -> Example:
    """Zeros, with 1 for each free size, and whether the graph takes them; its run is ended after `limit_s`.

    Raises Internal where the machine fails in it."""
    feeds = zeros(session.inputs)
    end = perf_counter() + limit_s
    try:
        with session.limited(limit_s) as run:
            run(feeds, [spec.name for spec in session.outputs])
    except Unfit as error:
        in_time = perf_counter() < end
        return Example(feeds, error.message if in_time else f"Zeros take it longer than {limit_s:g} s.", in_time)
    return Example(feeds, None)


def find(session: Session, limit_s: float) -> Example:
    """`first` where the graph takes it. Some do not: they divide by an input, or take one for a shape; then larger
    sizes and small whole numbers are tried, always in the same order."""
    found = first(session, limit_s)
    if found.refusal is None or not found.is_quick:
        return found
    with session.limited(SEARCH_S) as run:
        for feeds in _others(session.inputs, perf_counter() + SEARCH_S):
            with suppress(ServiceError):
                run(feeds, [spec.name for spec in session.outputs])
                return Example(feeds, None)
    return found


def zeros(specs: Sequence[TensorSpec], size: int = 1) -> Feeds:
    """One row of zeros (of empty strings) for each input, its other free sizes as given."""
    return {spec.name: _full(spec, shape, 0) for spec, shape in zip(specs, _shapes(specs, size), strict=True)}


def _others(specs: Sequence[TensorSpec], end: float) -> Iterator[Feeds]:
    small = [size for size in SIZES if max(map(prod, _shapes(specs, size)), default=0) <= MAX_ELEMENTS]
    if any(not isinstance(size, int) for spec in specs for size in (spec.shape or ())[1:]):
        yield from (zeros(specs, size) for size in small)
    random = Random(0)
    for _ in range(MIXTURES if specs else 0):
        if perf_counter() > end:
            break
        shapes = _shapes(specs, random.choice((1, *small)))
        yield {spec.name: random.choice(_fills(spec, shape, shapes)) for spec, shape in zip(specs, shapes, strict=True)}


def _shapes(specs: Sequence[TensorSpec], size: int) -> list[tuple[int, ...]]:
    """One row of each input, every other free size as given, symbols of one name alike."""
    rows = {spec.shape[0] for spec in specs if spec.shape} - {None}
    return [
        tuple(
            known if isinstance(known, int) else 1 if index == 0 or known in rows else size
            for index, known in enumerate(spec.shape or ())
        )
        for spec in specs
    ]


def _fills(spec: TensorSpec, shape: tuple[int, ...], shapes: Sequence[tuple[int, ...]]) -> list[Array]:
    """Zeros and ones; where the input is short, what may stand for limits, axes, a shape or parts of a size as well."""
    found = [_full(spec, shape, 0), _full(spec, shape, 1)]
    count = prod(shape)
    if spec.datatype.name in ("BOOL", "BYTES") or not 0 < count <= SHORT:
        return found
    lists = [[2] * count, [16] * count, [*range(count)]]
    if len(shape) == 1:
        sizes = sorted({size for other in shapes for size in other if size > 1})
        lists += [values for size in sizes for values in ([1] * (count - 1) + [size], [size] * count)]
        lists += [[size // count] * count for size in sizes]
        lists = [values for values in lists if prod(values) <= MAX_ELEMENTS]  # it may be a shape, to be filled
        lists += [_folded(other, count) for other in shapes if other]
        lists += [[*other[:2], *(2 * size for size in other[2:])] for other in shapes if len(other) == count]
    distinct = dict.fromkeys(tuple(values) for values in lists if len(set(values)) > 1 or values[0] > 1)
    return found + [np.array(values).astype(spec.datatype.dtype).reshape(shape) for values in distinct]


def _folded(shape: tuple[int, ...], count: int) -> list[int]:
    """A shape of `count` sizes with as many elements: [2, 3, 4] is [2, 12] or [2, 3, 4, 1]."""
    sizes = [*shape, *([1] * count)]
    return [*sizes[: count - 1], prod(sizes[count - 1 :])]


def _full(spec: TensorSpec, shape: tuple[int, ...], value: int) -> Array:
    if spec.datatype.name == "BYTES":
        return np.full(shape, "a" * value, np.object_)
    return np.full(shape, value, spec.datatype.dtype)
