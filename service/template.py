"""Requests of the Open Inference Protocol that differ in the values of their one tensor alone: all else is read once.

Clients send the same JSON again and again, with new values in it or behind it. Reading and writing what is not values
takes several times what the values take.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import TypeVar, cast

import numpy as np

from service.codecs import binary, elements, json
from service.errors import ServiceError
from service.inference import Asked
from service.model import Model
from service.plan import Table
from service.tensors import Array, Datatype, aligned

MOST = 64  # of one plan
MOST_BYTES = 2048  # of JSON that is kept
NOTHING, NO_VALUES = np.empty(0), memoryview(b"")
MEANINGLESS = {"binary_data_output"}  # among parameters, once the outputs are known
DATA = re.compile(rb'"data"[ \t\n\r]*:[ \t\n\r]*(?=\[)')

Shape = tuple[int, ...]
Read = Callable[[bytes], Asked]
Key = TypeVar("Key")
Value = TypeVar("Value")


@dataclass(eq=False, slots=True)
class Form:
    """A request without values and shape: rows of requests of one form may stand below each other.

    The JSON of its answers is kept by the shapes of the outputs, since no more of it can change but values."""

    asked: Asked
    datatype: Datatype
    row_shape: Shape
    frames: dict[tuple[Shape, ...], list[bytes]] = field(default_factory=dict)

    def filled(self, rows: Array) -> Asked:
        """The request with these values. Raises Unfit where one is out of range."""
        (name,) = self.asked.feeds
        values = elements.narrow(rows, self.datatype, name) if rows.dtype != self.datatype.dtype else rows
        return replace(self.asked, feeds={name: aligned(values.reshape(-1, *self.row_shape))})

    def answer(self, arrays: Sequence[Array]) -> tuple[list[bytes | memoryview], int | None] | None:
        """The answer in pieces, and the length of its JSON part where binary data follows it; None where there has been
        none of these shapes."""
        frame = self.frames.get(_shapes(arrays))
        if frame is None:
            return None
        text, tail = [frame[0]], []
        following = iter(frame[1:])
        for wanted, array in zip(self.asked.outputs, arrays, strict=True):
            if wanted.binary:
                tail.append(binary.write(array))
            else:
                text += json.written(array.reshape(-1)), next(following)
        head = b"".join(text)
        return [head, *tail], len(head) if tail else None

    def learn(self, arrays: Sequence[Array], text: bytes) -> None:
        """From the JSON of an answer with gaps for its values."""
        _keep(self.frames, _shapes(arrays), text.split(json.GAP))


@dataclass(frozen=True, slots=True)
class Template:
    """A request of a form and a shape: only its values are open."""

    form: Form
    shape: Shape


class Templates(ABC):
    """Those of one model, by what of a body is not values."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._known: dict[Hashable, Template | None] = {}
        self._forms: dict[Hashable, Form] = {}
        self.can_be = model.metadata.joinable and len(model.inputs) == 1 and not model.session.not_carried

    def table(self, body: bytes) -> Table | None:
        """The values of a body all else of which came before; a long body is a bytearray."""
        rest, values = self._parted(body)
        template = self._known.get(rest)
        rows = None if template is None else self._rows(values, template)
        return None if template is None or rows is None else Table(rows, template.form.filled)

    def learn(self, body: bytes, asked: Asked, read: Read) -> Asked:
        """The request that was read, as it is; with its form, where nothing but its values can be another time."""
        if self.can_be and self._is_plain(asked):
            rest, values = self._parted(body)
            if rest is not None and rest not in self._known:
                self._look_at(rest, values, asked, read)
        return asked

    @abstractmethod
    def _parted(self, body: bytes) -> tuple[Hashable, memoryview]:
        """What is not values, None where that cannot be told; and the values."""

    @abstractmethod
    def _rows(self, values: memoryview, template: Template) -> Array | None:
        """None of values that are none, or too few, or too many."""

    @abstractmethod
    def _look_at(self, rest: Hashable, values: memoryview, asked: Asked, read: Read) -> None:
        """Makes a template of a plain request that has none, if it can be one."""

    def _make(self, rest: Hashable, asked: Asked) -> None:
        (name, array), (spec,) = *asked.feeds.items(), self._model.inputs
        key = (asked.fetches, *asked.outputs)
        form = self._forms.get(key)
        if form is None:
            empty = replace(asked, call=replace(asked.call, inputs={}), feeds={name: NOTHING})
            form = empty.form = Form(empty, spec.datatype, array.shape[1:])
            _keep(self._forms, key, form)
        asked.form = form
        _keep(self._known, rest, Template(form, array.shape))

    def _is_plain(self, asked: Asked) -> bool:
        """Whether it has no id, no parameters, one input of rows as the graph has them, and outputs of numbers."""
        call, (spec,) = asked.call, self._model.inputs
        array = asked.feeds.get(spec.name)
        if call.id is not None or call.parameters.keys() - MEANINGLESS or array is None or len(asked.feeds) != 1:
            return False
        if spec.row_bytes is None or array.dtype != spec.datatype.dtype or array.shape[1:] != spec.row_shape:
            return False
        strings = {output.name for output in self._model.outputs if output.datatype.name == "BYTES"}  # of any length
        return array.size > 0 and not any(wanted.classes or wanted.name in strings for wanted in asked.outputs)


class BehindJson(Templates):
    """Values in binary, behind `length` bytes of JSON."""

    def __init__(self, model: Model, length: int) -> None:
        super().__init__(model)
        self._length = length
        self.can_be &= 0 < length <= MOST_BYTES

    def _parted(self, body: bytes) -> tuple[Hashable, memoryview]:
        return bytes(body[: self._length]), memoryview(body)[self._length :]

    def _rows(self, values: memoryview, template: Template) -> Array | None:
        dtype = template.form.datatype.dtype
        if len(values) != prod(template.shape) * dtype.itemsize:
            return None
        return np.frombuffer(values, dtype).reshape(template.shape)

    def _look_at(self, rest: Hashable, values: memoryview, asked: Asked, read: Read) -> None:
        (array,) = asked.feeds.values()
        if array.nbytes == len(values):
            self._make(rest, asked)


class InJson(Templates):
    """Values in JSON: the first member that is called `data`, as a flat array of floats."""

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self._came: dict[Hashable, bool] = {}
        self.can_be = self.can_be and model.inputs[0].datatype.dtype.kind == "f"

    def _parted(self, body: bytes) -> tuple[Hashable, memoryview]:
        found = DATA.search(body, 0, MOST_BYTES)
        if found is None:
            return None, NO_VALUES
        start = found.end()
        end = body.find(b"]", start) + 1
        if not start < end or len(body) - end > MOST_BYTES or body.find(b"[", start + 1, end) > 0:
            return None, NO_VALUES
        return (bytes(body[:start]), bytes(body[end:])), memoryview(body)[start:end]

    def _rows(self, values: memoryview, template: Template) -> Array | None:
        numbers = json.flat(values, prod(template.shape))
        return None if numbers is None else numbers.reshape(template.shape)

    def _look_at(self, rest: Hashable, values: memoryview, asked: Asked, read: Read) -> None:
        """One that has come twice is read with other values in that place: only if these are then what is to be
        computed, and all else is as before, do they stand where they seem to."""
        if rest not in self._came:
            _keep(self._came, rest, True)
            return
        ((name, array),) = asked.feeds.items()
        before, behind = cast(tuple[bytes, bytes], rest)
        others = np.arange(array.size) % 7 + 0.5
        try:
            seen = read(b"%b%b%b" % (before, json.dumps(others.tolist()), behind))
        except ServiceError:
            seen = None
        is_so = seen is not None and replace(seen, feeds={}, call=asked.call) == replace(asked, feeds={})
        if seen is not None and is_so and np.array_equal(seen.feeds[name], others.reshape(array.shape)):
            self._make(rest, asked)
        else:
            _keep(self._known, rest, None)


def templates(model: Model, length: int | None) -> Templates:
    """Those of bodies whose JSON part has so many bytes, or is all of them."""
    return InJson(model) if length is None else BehindJson(model, length)


def _shapes(arrays: Sequence[Array]) -> tuple[Shape, ...]:
    return tuple([array.shape for array in arrays])


def _keep(kept: dict[Key, Value], key: Key, value: Value) -> None:
    """With the oldest let go where there are many."""
    if len(kept) >= MOST:
        del kept[next(iter(kept))]
    kept[key] = value
