"""A diagnosis under way: rows go through an observer in pieces, and what its layers do adds up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from service.diagnosis import axes
from service.diagnosis.measurement import Measurement
from service.diagnosis.observer import Feeds, Layer, Observed, Observer
from service.engine import fit, row_count
from service.errors import Unfit
from service.model import Model
from service.session import Run
from service.tensors import Array, TensorSpec

PIECE_ROWS = 1024
PIECE_BYTES = 1 << 28  # of what is observed of one piece
MOST_BY_ROW = 1 << 18  # numbers of a layer that are told row by row


def counted(model: Model, feeds: Feeds) -> int:
    """How many rows that fit the model's signature are. Raises Unfit where they do not, or are none."""
    fit(model.session, feeds)
    rows = row_count(model.session, feeds)
    if model.metadata.is_activation and feeds["x"].ndim:
        rows = len(feeds["x"])
    if not rows or not all(feeds[spec.name].size for spec in model.inputs):
        raise Unfit.at("body", "at least one row with at least one value", "none")
    return rows


@dataclass(slots=True)
class Record:
    """One layer with what was measured of it so far, and the shape that all of its values would have as one tensor;
    `by_row` has the values themselves, [row, unit] of each piece, None where they are not kept."""

    layer: Layer
    measurement: Measurement
    shape: tuple[int, ...] = ()
    by_row: list[Array] | None = None

    def add(self, seen: Observed, rows: int | None) -> None:
        """Takes values in; `rows` is the axis along which pieces follow each other, None where the layer has none.

        Raises Unfit where more would have to be kept than is told."""
        axis = axes.chosen(self.layer.axis, seen.y.ndim)
        x = seen.x if seen.x.shape == seen.y.shape else np.broadcast_to(seen.x, seen.y.shape)
        self.measurement.add(x, seen.y, None if axis == rows else axis, self.layer.slope, seen.beside)
        before = self.shape[rows] if rows is not None and rows < len(self.shape) else 0
        self.shape = tuple(size + before * (index == rows) for index, size in enumerate(seen.y.shape))
        if self.by_row is not None and rows is not None and rows < seen.y.ndim:
            self._keep(_by_row(seen.y, rows, axis), self.by_row)

    def _keep(self, values: Array, kept: list[Array]) -> None:
        size = values.size + sum(piece.size for piece in kept)
        if size > MOST_BY_ROW:
            raise Unfit.at("query.by_row", f"at most {MOST_BY_ROW} numbers in layer `{self.layer.node}`", f"{size}")
        kept.append(values)


@dataclass(slots=True)
class Diagnosis:
    """`inputs` are the model's, `is_joinable` says whether its rows are known not to touch each other; `split_into`
    tells of how many rows the pieces were in which rows went through although that is not known. `edges` are those by
    which the values of a layer are counted, by its node; `keeps_rows` has the values of each row kept as well."""

    observer: Observer
    inputs: Sequence[TensorSpec]
    is_joinable: bool
    edges: Mapping[str, Array] = field(default_factory=dict)
    rows: int = 0
    split_into: int = 0
    keeps_rows: bool = False
    records: list[Record] = field(init=False)

    def __post_init__(self) -> None:
        self.records = [
            Record(layer, Measurement(layer.kind, self.edges.get(layer.node)), (), [] if self.keeps_rows else None)
            for layer in self.observer.layers
        ]

    def add(self, feeds: Feeds, rows: int, run: Run) -> None:
        """Takes rows in, by a `run` of the observer's session. Raises what that raises."""
        self.rows += rows
        if not self.records:
            return
        row = self._one_row(feeds, rows, run)
        if row is None:
            first = 0 if any(spec.has_rows or spec.shape is None for spec in self.inputs) else None
            for record, observed in zip(self.records, self.observer.observe(run, feeds), strict=True):
                record.add(observed, first)
            return
        step = min(PIECE_ROWS, max(1, PIECE_BYTES // max(1, _bytes(row))))
        if rows > step and not self.is_joinable:
            self.split_into = max(step, self.split_into)
        self._in_pieces(feeds, rows, step, run, row)

    def _one_row(self, feeds: Feeds, rows: int, run: Run) -> list[Observed] | None:
        """What the first row gives by itself, from which is seen how large the rest is, and along which axis of a
        tensor the rows lie. None where there are no rows that could be taken apart."""
        if rows < 2 or not self._have_rows(feeds, rows):
            return None
        try:
            return self.observer.observe(run, self._piece(feeds, 0, 1))
        except Unfit:
            return None

    def _have_rows(self, feeds: Feeds, rows: int) -> bool:
        """Whether the first axis of every input counts the rows: of several, by its name, which must be one."""
        names = {spec.shape[0] if spec.shape else None for spec in self.inputs}
        is_one = len(self.inputs) == 1 or self.is_joinable or (len(names) == 1 and None not in names)
        return is_one and all(spec.has_rows and len(feeds[spec.name]) == rows for spec in self.inputs)

    def _in_pieces(self, feeds: Feeds, rows: int, step: int, run: Run, row: list[Observed]) -> None:
        along: list[int | None] = [0] * len(row)
        for start in range(0, rows, step):
            seen = self.observer.observe(run, self._piece(feeds, start, start + step))
            if start == 0 and step > 1:
                along = [_longer(one.y.shape, other.y.shape) for one, other in zip(row, seen, strict=True)]
            for record, observed, axis in zip(self.records, seen, along, strict=True):
                if start == 0 or axis is not None:  # what does not depend on the rows is the same in each piece
                    record.add(observed, axis)

    def _piece(self, feeds: Feeds, start: int, end: int) -> dict[str, Array]:
        with_rows = {spec.name for spec in self.inputs}
        return {name: array[start:end] if name in with_rows else array for name, array in feeds.items()}


def _by_row(y: Array, rows: int, units: int | None) -> Array:
    """[row, unit]: of a unit with several values in a row their mean. Where no axis has the units, it is all one."""
    exact = y if y.dtype.itemsize > 2 else y.astype(np.float32)
    if units is None or units == rows:
        exact, units = exact[..., None], exact.ndim
    moved = np.moveaxis(exact, (rows, units), (0, -1))
    found: Array = moved.reshape(len(moved), -1, moved.shape[-1]).mean(axis=1)
    return found


def _longer(one: Sequence[int], several: Sequence[int]) -> int | None:
    """The axis that is longer for more rows, None where none is."""
    return next((axis for axis, sizes in enumerate(zip(one, several, strict=False)) if sizes[0] != sizes[1]), None)


def _bytes(seen: Sequence[Observed]) -> int:
    """Of what is held at a time; one tensor may be seen twice."""
    arrays = {id(array): array.nbytes for observed in seen for array in observed if array is not None}
    return sum(arrays.values())
