"""JSON to arrays. simdjson flattens ragged and deeper rows, so the rectangle is proven here: the length of each row is
compared, and the opening brackets are counted. It takes the first of two equal keys, so a repeated key is refused.
Its `items()` and `values()` make Python lists of every array below, so they are not used."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import numpy as np
import simdjson

from service.codecs import elements
from service.codecs.elements import MAX_RANK, Shape
from service.codecs.json import anything
from service.codecs.json.pieces import Long, long_array
from service.errors import BadBody, ServiceError, TooLarge
from service.tensors import Array, Datatype

SATURATED = 0xFFFFFF  # simdjson counts the elements of an array up to here and no further
SPARSE = 256  # bytes of text for each bracket
KEPT_BYTES = 1 << 16  # up to here what a parser needs is kept for the next body: some 14 bytes for each of a body
PARSER = simdjson.Parser()
NUMBER_ERRORS = ("BIGINT_ERROR", "NUMBER_ERROR")
Found = TypeVar("Found")


class Document:
    """A JSON object whose arrays are still simdjson's (or plain lists, where simdjson could not read a number), and the
    text it was read from.

    In the place of a `long` array, read already, stands one of a number that nobody can guess, its `mark`; `met` tells
    whether it was asked for."""

    __slots__ = ("_fields", "_found", "_long", "_mark", "_text", "met")

    def __init__(self, found: Any, text: bytes = b"", long: Long | None = None, mark: int = 0) -> None:
        self._found = found
        self._text = text
        self._long, self._mark = long, mark
        self._fields: dict[str, Any] | None = None
        self.met = False

    @property
    def fields(self) -> dict[str, Any]:
        """The members. Raises BadBody where there are none to have: no object, or a key twice."""
        if self._fields is None:
            self._fields = members(self._found)
        if self._fields is None:
            raise BadBody('The body must be a JSON object, such as {"instances": [...]}.')
        return self._fields

    def check(self) -> None:
        """Raises BadBody where `fields` would. One that has a single member cannot have it twice."""
        found = self._found
        if type(found) is not simdjson.Object or len(found) != 1 or "\0" in next(iter(found)):
            _ = self.fields

    def matrix(self, name: str, columns: int) -> Array | None:
        """The one member of a document that has this name, where it is so many plain numbers in each of its rows, as
        float64 `[rows, columns]`: what `tensor` would give, for the commonest of all bodies. None where it is not."""
        if self._long is None:
            return _matrix(self._found, self._text, name, columns)
        numbers, fields = self._long.numbers, self.fields
        self.met = fields.keys() == {name} and self._is_long(fields[name]) and numbers.shape[1:] == (columns,)
        return numbers if self.met else None

    def length(self, value: Any) -> int:
        """How many elements an array of this document has."""
        return len(self._long.numbers) if self._long is not None and self._is_long(value) else len(value)

    def tensor(self, value: Any, datatype: Datatype, path: str, beside: int = 0) -> Array:
        """`value`, an element of this document, as a C-contiguous array of `datatype`; any rank, a scalar too.

        It is read faster where `beside` tells how many arrays the document has besides those of the value.

        Raises Unfit with the path of the element that is wrong: ragged, of another kind, out of range."""
        if self._long is not None and datatype.is_float and self._is_long(value):
            self.met = True
            return elements.narrow(self._long.numbers, datatype, path)
        may_be_fast = isinstance(value, simdjson.Array) and datatype.dtype.kind not in "bO"
        found = self._numbers(value, datatype, path, beside) if may_be_fast else None
        if found is not None:
            return found
        return elements.read(plain(value), datatype, path)

    def _is_long(self, value: Any) -> bool:
        return isinstance(value, simdjson.Array) and len(value) == 1 and bool(value[0] == self._mark)  # type: ignore[comparison-overlap]

    def _numbers(self, value: simdjson.Array, datatype: Datatype, path: str, beside: int) -> Array | None:
        """The fast way, None where it is not known to be right."""
        shape, arrays = _rectangle(value)
        # Equal counts prove that no element hides a further level: each array has exactly one bracket.
        if shape is None or not (_has_brackets(self._text, arrays + beside) or _has_brackets(_mini(value), arrays)):
            return None
        kind: Any = datatype.dtype.kind if datatype.is_integer else "d"
        try:
            buffer = value.as_buffer(of_type=kind)
        except (TypeError, ValueError, RuntimeError):
            return None
        numbers = np.frombuffer(buffer, {"d": np.float64, "i": np.int64, "u": np.uint64}[kind]).reshape(shape)
        return elements.narrow(numbers, datatype, path)


def understood(body: bytes, understand: Callable[[Document], Found], *, bare_constants: bool = False) -> Found:
    """What `understand` makes of the document that `parse` gives; of one that is long with its long array read before.
    Raises what both raise."""
    document = _shortened(body)
    if document is not None:
        with suppress(ServiceError):  # it is told better of the whole
            found = understand(document)
            if document.met:
                return found
    return understand(parse(body, bare_constants=bare_constants))


def parse(body: bytes, *, bare_constants: bool = False) -> Document:
    """Raises BadBody for what is not JSON, not an object, or has a key twice. With `bare_constants` NaN, Infinity and
    -Infinity may stand without quotes, as RapidJSON and Python write them, though they are no JSON."""
    try:
        # A new parser each time: one cannot be used again while an array of it lives.
        document = Document(simdjson.Parser().parse(body), body)
    except (ValueError, RuntimeError) as error:
        may_have_constants = bare_constants and (b"NaN" in body or b"Infinity" in body)
        if not may_have_constants and not str(error).startswith(NUMBER_ERRORS):
            raise BadBody(f"The body is not JSON: {anything.explain(body, error)}.") from error
        document = Document(anything.parse(body, str if bare_constants else anything.refuse), body)
    document.check()
    return document


def _shortened(body: bytes) -> Document | None:
    """The document without its one long array, where it has one."""
    long = long_array(body)
    if long is None:
        return None
    mark = int.from_bytes(os.urandom(7))
    text = b"%b[%d]%b" % (long.before, mark, long.behind)
    try:
        document = Document(simdjson.Parser().parse(text), text, long, mark)
        document.check()
    except (ValueError, RuntimeError, BadBody):
        return None
    return document


def matrix(body: bytes, name: str, columns: int) -> Array | None:
    """What a document of this body gives as such; None also of what is not JSON."""
    parser = PARSER if len(body) <= KEPT_BYTES else simdjson.Parser()
    try:
        return _matrix(parser.parse(body), body, name, columns)
    except (ValueError, RuntimeError):  # of which one is that the parser is in use, in another thread
        return None


def flat(text: memoryview, count: int) -> Array | None:
    """The numbers of an array of so many plain numbers, as float64, from a text that has no bracket but the outer ones.
    None of what is anything else, or not JSON."""
    parser = PARSER if len(text) <= KEPT_BYTES else simdjson.Parser()
    try:
        found: Any = parser.parse(text)
        numbers = np.frombuffer(found.as_buffer(of_type="d"), np.float64)
        return numbers if len(numbers) == count else None
    except (TypeError, ValueError, RuntimeError, AttributeError):
        return None


def plain(value: Any) -> Any:
    """A simdjson element as Python objects; anything else as it is."""
    if not isinstance(value, simdjson.Array | simdjson.Object):
        return value
    if _mini(value).count(b",") >= SATURATED - 1:  # as_list writes past the end of a list whose count is saturated
        raise _too_long()
    return value.as_list() if isinstance(value, simdjson.Array) else value.as_dict()


def is_array(value: Any) -> bool:
    return isinstance(value, simdjson.Array | list)


def arrays_in(value: Any) -> int:
    """How many arrays a rectangle of numbers is made of; 0 for what is no array, and some number for what is no
    rectangle."""
    return _rectangle(value)[1] if isinstance(value, simdjson.Array) else 0


def begins_with_object(value: Any) -> bool:
    """True for an array whose first element is an object."""
    return is_array(value) and isinstance(next(iter(value), None), simdjson.Object | dict)


def members(value: Any) -> dict[str, Any] | None:
    """The members of an object, each still unparsed; None when `value` is no object. Raises BadBody for a key that
    comes twice or cannot be looked up."""
    if not isinstance(value, simdjson.Object | dict):
        return None
    names = list(value)  # items() would turn every array below into Python lists
    if "\0" in (
        names[0] if len(names) == 1 else "".join(names)
    ):  # simdjson looks a name up to its first NUL, and so finds another or none
        raise BadBody("The body has a key with a NUL character.")
    return anything.unique([(name, value[name]) for name in names])


def _matrix(found: Any, text: bytes, name: str, columns: int) -> Array | None:
    try:
        if type(found) is not simdjson.Object or len(found) != 1:
            return None
        rows: Any = found[name]
        count = len(rows)
        buffer = rows.as_buffer(of_type="d")
        if count == 1:  # the commonest of these, with the least calls
            second = text.find(b"[", text.find(b"[") + 1)
            is_rectangle = len(rows[0]) == columns and text.rfind(b"[") == second >= 0
        else:
            is_rectangle = set(map(len, rows)) <= {columns} and _has_brackets(text, count + 1)
        return np.ndarray((count, columns), np.float64, buffer) if is_rectangle else None
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError):
        return None


def _has_brackets(text: bytes, count: int) -> bool:
    """Whether there are so many opening brackets. Looking for the next one takes an eighth of the time that counting
    takes, but for the time to look."""
    if count * SPARSE > len(text):
        return text.count(b"[") == count
    at = -1
    for _ in range(count):
        at = text.find(b"[", at + 1)
        if at < 0:
            return False
    return text.find(b"[", at + 1) < 0


def _mini(value: simdjson.Array | simdjson.Object) -> bytes:
    return value.mini  # type: ignore[return-value]  # bytes, though its stub says str


def _too_long() -> TooLarge:
    return TooLarge(f"An array in JSON may have {SATURATED - 1} elements here; send .npy instead.")


def _rectangle(value: simdjson.Array) -> tuple[Shape | None, int]:
    """The shape if every array of one depth has the same length, and how many arrays there are in all."""
    shape: list[int] = []
    level: list[simdjson.Array] = [value]
    arrays = 0
    while True:
        arrays += len(level)
        size = len(level[0])
        if size == SATURATED:  # or more; of one array the buffer will tell how many
            if len(level) > 1:
                raise _too_long()
            return (*shape, -1), arrays
        shape.append(size)
        if len(shape) > MAX_RANK or any(len(array) != size for array in level):
            return None, arrays
        if size == 0 or not isinstance(level[0][0], simdjson.Array):
            return tuple(shape), arrays
        below = [inner for array in level for inner in array]
        level = [inner for inner in below if isinstance(inner, simdjson.Array)]
        if len(level) != len(below):
            return None, arrays
