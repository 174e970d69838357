"""Requests of the Open Inference Protocol that differ in their binary data alone: what stands before it is read once.

Clients send the same JSON part again and again and new values behind it. Reading and writing that part takes several
times what the values take.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from service.codecs import binary
from service.inference import Asked
from service.model import Model
from service.tensors import Array, aligned

MOST = 64  # of one plan
MOST_BYTES = 2048  # of a JSON part that is kept
NOTHING = np.empty(0)
MEANINGLESS = {"binary_data_output"}  # among parameters, once the outputs are known


@dataclass(eq=False, slots=True)
class Template:
    """A request without its values: `shape` and `dtype` of its one input, and where in a body of `size` it starts.

    The JSON part of its answers is kept by the shapes of the outputs, since no more of it can change."""

    asked: Asked
    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]
    start: int
    size: int
    texts: dict[tuple[tuple[int, ...], ...], bytes] = field(default_factory=dict)

    def rows(self, body: bytes) -> Array | None:
        """The values of a body that begins as the first one did; None where there are too few of them, or too many."""
        if len(body) != self.size:
            return None
        return np.frombuffer(body, self.dtype, offset=self.start).reshape(self.shape)

    def filled(self, rows: Array) -> Asked:
        """The request with these values, or with those of several such requests below each other."""
        (name,) = self.asked.feeds
        return replace(self.asked, feeds={name: aligned(rows)})

    def answer(self, arrays: Sequence[Array]) -> tuple[list[bytes | memoryview], int] | None:
        """The answer in pieces, and the length of its JSON part; None where there has been none of these shapes."""
        text = self.texts.get(_shapes(arrays))
        return None if text is None else ([text, *map(binary.write, arrays)], len(text))

    def learn(self, arrays: Sequence[Array], text: bytes) -> None:
        """From an answer that was written as a whole."""
        if len(self.texts) < MOST:
            self.texts[_shapes(arrays)] = text


class Templates:
    """Those of one model, by their JSON parts of `length` bytes."""

    def __init__(self, model: Model, length: int | None) -> None:
        self._model = model
        self._length = length or 0
        self._known: dict[bytes, Template] = {}
        can_be = model.metadata.joinable and len(model.inputs) == 1 and not model.session.not_carried
        self.can_be = can_be and 0 < self._length <= MOST_BYTES

    def find(self, body: bytes) -> Template | None:
        """That of a body whose JSON part came before."""
        return self._known.get(bytes(body[: self._length]))  # a long body is a bytearray

    def learn(self, body: bytes, asked: Asked) -> Asked:
        """The request that was read, as it is; with its template, where nothing but its values can be another time."""
        if self.can_be and self._is_plain(body, asked):
            (array,) = asked.feeds.values()
            empty = replace(asked, call=replace(asked.call, inputs={}), feeds=dict.fromkeys(asked.feeds, NOTHING))
            empty.template = Template(empty, array.dtype, array.shape, self._length, len(body))
            if len(self._known) >= MOST:
                self._known.clear()
            self._known[bytes(body[: self._length])] = empty.template
        return asked

    def _is_plain(self, body: bytes, asked: Asked) -> bool:
        """Whether it has no id, no parameters and one input of rows as the graph has them, binary like all outputs."""
        call, (spec,) = asked.call, self._model.inputs
        array = asked.feeds.get(spec.name)
        if call.id is not None or call.parameters.keys() - MEANINGLESS or array is None or len(asked.feeds) != 1:
            return False
        if spec.row_bytes is None or array.dtype != spec.datatype.dtype or array.shape[1:] != spec.row_shape:
            return False
        strings = {output.name for output in self._model.outputs if output.datatype.name == "BYTES"}  # of any length
        return len(body) - self._length == array.nbytes > 0 and all(
            wanted.binary and not wanted.classes and wanted.name not in strings for wanted in asked.outputs
        )


def _shapes(arrays: Sequence[Array]) -> tuple[tuple[int, ...], ...]:
    return tuple([array.shape for array in arrays])
