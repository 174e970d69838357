"""The one long array of numbers that a long body mostly is, read piece by piece.

simdjson keeps the interpreter while it reads, so nothing else would be answered for a quarter of a second by a body of
64 MB, and it needs several times as much memory. Between two pieces others have their turn.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import simdjson

from service.tensors import Array

LONG_BYTES = 1 << 22  # of a body; a shorter one is read faster as a whole
PIECE_BYTES = 1 << 17  # of text: what is made of it stays in a core's cache
AROUND_BYTES = 1 << 11  # that may stand before the array, and behind one of rows
SPACE = rb"[ \t\n\r]*"
OUTSIDE = re.compile(rb'(?:[^"\[]|"(?:[^"\\]|\\.)*")*', re.DOTALL)  # up to a bracket that is in no string
OPENING = re.compile(rb"\[%b(?:(\[)%b)?(?=[-0-9])" % (SPACE, SPACE))
BETWEEN = re.compile(rb"%b,%b(?=\[)" % (SPACE, SPACE))
CLOSING = re.compile(rb"\]%b\]" % SPACE)


class Long(NamedTuple):
    """The numbers of an array as float64 `[n]` or `[rows, columns]`, and the text before and behind it."""

    numbers: Array
    before: bytes
    behind: bytes


class _Span(NamedTuple):
    """Where an array stands, and what is between its outer brackets."""

    start: int
    first: int
    last: int
    end: int
    has_rows: bool


def long_array(body: bytes) -> Long | None:
    """The array of plain numbers, or of rows of them that are all as long, that a long body mostly is; None where there
    is none. The body is JSON if it is JSON with another array in that place."""
    if len(body) < LONG_BYTES:
        return None
    span = next((span for span in _spans(body) if 2 * (span.end - span.start) >= len(body)), None)
    if span is None:
        return None
    try:
        pieces = list((_rows if span.has_rows else _numbers)(body, span.first, span.last))
        numbers = np.concatenate(pieces)
    except (TypeError, ValueError, RuntimeError, AttributeError):  # of which one is that rows are not as long as others
        return None
    return Long(numbers, bytes(body[: span.start]), bytes(body[span.end :]))


def _spans(body: bytes) -> Iterator[_Span]:
    """The arrays that begin with a number, or with a row that does. Where one of rows ends is but a guess."""
    at, limit = 0, min(AROUND_BYTES, len(body))
    while (outside := OUTSIDE.match(body, at, limit)) and outside.end() < limit:
        at = outside.end()
        opening = OPENING.match(body, at, limit)
        if opening is None:
            at += 1
            continue
        last = body.find(b"]", at)
        if last < 0:
            return
        if opening[1] is None:
            yield _Span(at, at + 1, last, last + 1, False)
            at = last
        elif closing := CLOSING.search(body, max(last, len(body) - AROUND_BYTES)):
            yield _Span(at, opening.start(1), closing.start() + 1, closing.end(), True)
        at += 1


def _numbers(body: bytes, at: int, end: int) -> Iterator[Array]:
    """The numbers between two places, `[n]` of each piece. Raises where they are none."""
    parser = simdjson.Parser()
    while True:
        comma = body.find(b",", at + PIECE_BYTES, end)
        until = end if comma < 0 else comma
        found: Any = parser.parse(b"[%b]" % body[at:until])
        numbers = np.frombuffer(found.as_buffer(of_type="d"), np.float64)
        del found  # a parser cannot be used again while an array of it lives
        if not len(numbers):
            raise ValueError("nothing between two commas")
        yield numbers
        if comma < 0:
            return
        at = comma + 1


def _rows(body: bytes, at: int, end: int) -> Iterator[Array]:
    """The rows between two places, `[rows, columns]` of each piece. Raises where they are none."""
    parser = simdjson.Parser()
    while True:
        until = body.find(b"]", at + PIECE_BYTES, end) + 1 or end
        text = body[at:until]
        found: Any = parser.parse(b"[%b]" % text)
        (columns,) = set(map(len, found))
        rows, numbers = len(found), np.frombuffer(found.as_buffer(of_type="d"), np.float64)
        del found
        if text.count(b"[") != rows:
            raise ValueError("an array in a row")
        yield numbers.reshape(rows, columns)
        if until == end:
            return
        between = BETWEEN.match(body, until, end)
        if between is None:
            raise ValueError("no row behind a row")
        at = between.end()
