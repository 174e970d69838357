"""Reference statistics made from data: deciles of a sample first, then every value counted between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from service.diagnosis import axes
from service.diagnosis.diagnosis import Diagnosis, Record
from service.diagnosis.observer import Feeds, Observer
from service.diagnosis.report import layer
from service.errors import ModelError
from service.model import Model
from service.session import Run
from service.tensors import Array

QUANTILES = np.arange(1, 10) / 10
SAMPLE_ROWS = 2000  # of which the deciles are taken, spread over all rows
PIECE_ROWS = 64
PIECE_VALUES = 128  # of each unit of a piece; a convolution has thousands

Batches = Callable[[], Iterator[tuple[Feeds, int]]]


def made(model: Model, looking: Observer, batches: Batches, rows: int, source: str) -> dict[str, Any]:
    """What `service.reference` reads, of so many rows, which are gone through twice.

    Raises ModelError where there is nothing to observe, and what a run raises."""
    if not looking.layers:
        raise ModelError(f"The graph of `{model.name}` has no activation that can be observed.")
    run, _ = looking.stoppable()
    sample = Sample(model, looking, run)
    for feeds, count in batches():
        sample.add(feeds, count, max(1, rows // SAMPLE_ROWS))
    by_unit, by_layer = (
        Diagnosis(looking, model.inputs, model.metadata.joinable, edges)
        for edges in (sample.edges(by_unit=True), sample.edges(by_unit=False))
    )
    for feeds, count in batches():
        by_unit.add(feeds, count, run)
        by_layer.add(feeds, count, run)
    pairs = zip(by_unit.records, by_layer.records, strict=True)
    return {"rows": by_unit.rows, "source": source, "layers": [_layer(*pair) for pair in pairs]}


@dataclass(slots=True)
class Sample:
    """Values [unit, any] of each layer, from rows here and there."""

    model: Model
    looking: Observer
    run: Run
    values: list[list[Array]] = field(init=False)

    def __post_init__(self) -> None:
        self.values = [[] for _ in self.looking.layers]

    def add(self, feeds: Feeds, rows: int, step: int) -> None:
        """Takes every `step`th row, where there are rows."""
        with_rows = {spec.name for spec in self.model.inputs if spec.has_rows and len(feeds[spec.name]) == rows}
        width = PIECE_ROWS * step if with_rows else rows
        for start in range(0, rows, width):
            piece = {
                name: array[start : start + width : step] if name in with_rows else array
                for name, array in feeds.items()
            }
            for told, kept, seen in zip(
                self.looking.layers, self.values, self.looking.observe(self.run, piece), strict=True
            ):
                axis = axes.chosen(told.axis, seen.y.ndim)
                kept.append(_folded(seen.y, None if axis == 0 and with_rows else axis))

    def edges(self, *, by_unit: bool) -> Mapping[str, Array]:
        """Deciles [edge, unit], equal ones once and then infinities, by the node of the layer."""
        return {
            told.node: _stacked([_deciles(unit) for unit in (values if by_unit else values.reshape(1, -1))])
            for told, kept in zip(self.looking.layers, self.values, strict=True)
            if (values := _joined(kept)) is not None
        }


def _folded(y: Array, axis: int | None) -> Array:
    values = y.reshape(1, -1) if axis is None else np.moveaxis(y, axis, 0).reshape(y.shape[axis], -1)
    return values[:, :: max(1, values.shape[1] // PIECE_VALUES)].astype(np.float64)


def _joined(pieces: Sequence[Array]) -> Array | None:
    """None where the number of units is not always the same."""
    units = {len(piece) for piece in pieces}
    return np.concatenate(pieces, axis=1) if len(units) == 1 else None


def _deciles(values: Array) -> Array:
    """Each a value that occurs; 0 where none is finite."""
    finite = values[np.isfinite(values)]
    return np.unique(np.quantile(finite, QUANTILES, method="inverted_cdf")) if finite.size else np.zeros(1)


def _stacked(units: Sequence[Array]) -> Array:
    found = np.full((max(map(len, units)), len(units)), np.inf)
    for unit, edges in enumerate(units):
        found[: len(edges), unit] = edges
    return found


def _layer(by_unit: Record, by_layer: Record) -> dict[str, Any]:
    told = layer(by_layer)
    (pooled,) = _counted(by_layer, is_pooled=True)
    figures = {name: told[name] for name in ("node", "zero_share", "mean", "std")}
    return figures | {"edges": pooled[0], "counts": pooled[1], "units": _counted(by_unit, is_pooled=False)}


def _counted(record: Record, *, is_pooled: bool) -> list[list[list[Any]]]:
    """[edges, counts] of each unit. Raises ModelError where there are others than in the sample."""
    measured = record.measurement
    total = measured.after.count.sum(keepdims=True) if is_pooled else measured.after.count
    if measured.edges is None or measured.at_most.shape[1] != total.size:
        raise ModelError(f"the units of `{record.layer.node}` are not the same for all rows.")
    found = []
    for edges, at_most, every in zip(measured.edges.T, measured.at_most.T, total, strict=True):
        known = edges[np.isfinite(edges)]
        counts = np.diff(at_most[: known.size], prepend=0, append=every)
        found.append([known.tolist(), counts.tolist()])
    return found
