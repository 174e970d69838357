"""A long array that is read and written in pieces, against the same read and written as a whole."""

from __future__ import annotations

import json as plain_json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service.codecs import json
from service.codecs.json import pieces, writing
from service.errors import ServiceError
from service.tensors import BY_NAME, Array

SPACES = st.sampled_from(["", " ", "\n\t", "\r\n  "])
NUMBERS = st.sampled_from(["0", "-1", "2.5", "1e3", "-0.0", "123456789", "1E-7"])
MISTAKES = [
    "", "]", "[", "[1]", "[[1]]", "{}", "null", "true", '"1"', '"]"', '"],["', '"[1,2]"', ",", "1,", "01", "+1", "1 2",
    "NaN", "1e39", "1e999", "18446744073709551616", "-", "\x00", "é", "1]],[[1", "1],[1",
]  # fmt: skip


@contextmanager
def in_pieces(piece: int | None) -> Iterator[None]:
    """Any body is long, with pieces of so many bytes; None: no body is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "LONG_BYTES", 0 if piece is not None else 1 << 60)
        patch.setattr(pieces, "PIECE_BYTES", piece)
        yield


def read(body: bytes, datatype: str = "FP32", *, bare: bool = False) -> tuple[Any, ...]:
    """What is made of the member `t`, and how many elements it has; or how it is refused."""

    def understand(document: json.Document) -> tuple[Any, ...]:
        value = document.fields["t"]
        array = document.tensor(value, BY_NAME[datatype], "t")
        count = document.length(value) if json.is_array(value) else None
        rest = {name: json.plain(one) for name, one in document.fields.items() if name != "t"}
        return array.shape, array.tobytes(), count, rest

    try:
        return json.understood(body, understand, bare_constants=bare)
    except ServiceError as error:
        return type(error), str(error)
    except KeyError:
        return ("nothing",)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Rows or plain numbers under `t`, spaced at will, with or without a mistake, among other members."""
    has_rows = draw(st.booleans())
    columns = draw(st.integers(1, 4))
    count = draw(st.integers(1, 6))
    gap = [draw(SPACES) for _ in range(4)]
    rows = [[draw(NUMBERS) for _ in range(columns)] for _ in range(count)]
    mistake = draw(st.none() | st.sampled_from(MISTAKES))
    if mistake is not None:
        rows[draw(st.integers(0, count - 1))][draw(st.integers(0, columns - 1))] = mistake
    if draw(st.booleans()) and count > 1:
        rows[draw(st.integers(0, count - 1))].append("7")
    comma = f"{gap[0]},{gap[1]}"
    texts = [comma.join(row) for row in rows]
    inside = comma.join([f"[{gap[2]}{text}{gap[3]}]" for text in texts] if has_rows else texts)
    members = [f'"t"{gap[1]}:{gap[0]}[{gap[3]}{inside}{gap[2]}]']
    beside = [
        '"a":1',
        '"b":"[[1,2],[3"',
        '"c":[[5,6]]',
        '"d":"\\\\\\"[1"',
        '"e":[[[1]]]',
        '"t":[1]',
        '"g":[',
        '"h":[]',
        "1",
    ]
    for member in draw(st.lists(st.sampled_from(beside), max_size=3)):
        members.insert(draw(st.integers(0, len(members))), member)
    return f"{gap[2]}{{{gap[1]}{','.join(members)}{gap[0]}}}{gap[1]}".encode()


@given(body=bodies(), piece=st.integers(0, 40), datatype=st.sampled_from(["FP32", "FP64", "FP16", "INT32", "BOOL"]))
@example(body=b'{"t":[[1,2],[3,4]]}', piece=0, datatype="FP32")
@example(body=b'{"t":[1,,2]}', piece=0, datatype="FP32")
@example(body=b'{"b":"[[1,2],[3","t":[[1,2],[3,4]]}', piece=3, datatype="FP32")
def test_what_is_read_in_pieces_is_what_is_read_as_a_whole(body: bytes, piece: int, datatype: str) -> None:
    with in_pieces(None):
        whole = read(body, datatype)
    with in_pieces(piece):
        assert read(body, datatype) == whole


@pytest.mark.parametrize("body", [
    b'{"t":[[1,2],[3,4],[5,6]]}', b' { "t" : [ [ 1 , 2 ] , [ 3 , 4 ] ] } ', b'{"t":[1,2,3,4,5,6,7]}',
    b'{"shape":[2,4],"name":"a \\"[1","t":[1,2,3,4,5,6,7,8,1,2,3,4,5,6,7,8,9,1,2,3,4,5]}',
    b'{"t":[[10000,20000],[30000,40000]],"z":[[1],[2]]}',
])  # fmt: skip
def test_plain_arrays_are_read_in_pieces(body: bytes) -> None:
    with in_pieces(4):
        found = pieces.long_array(body)
    assert found is not None
    assert found.numbers.tolist() == plain_json.loads(body)["t"]
    rest = plain_json.loads(found.before + b"0" + found.behind)
    assert rest == plain_json.loads(body) | {"t": 0}


@pytest.mark.parametrize("rows", [[[1, 2], [3]], [[1, [2]], [3, 4]], [[], []], [["a", "b"]], [[[1]], [[2]]]])
def test_what_is_no_rectangle_of_numbers_is_left_to_others(rows: Any) -> None:
    with in_pieces(0):
        assert pieces.long_array(plain_json.dumps({"t": rows}).encode()) is None


@pytest.mark.parametrize(
    "text", [b"[" + b" " * 5_000_000, b"[1 " * 600 + b" " * 5_000_000, b"[1 ]" * 1_300_000, b"[[1 " * 1_300_000]
)
def test_brackets_and_spaces_without_end_take_no_time_to_speak_of(text: bytes) -> None:
    """A search that began anew behind each would take minutes."""
    began = time.process_time()
    assert pieces.long_array(b'{"t":' + text) is None
    assert time.process_time() - began < 2


def test_short_bodies_are_read_at_once() -> None:
    assert pieces.long_array(b'{"t":[[1,2],[3,4]]}') is None


def test_a_long_array_that_nobody_takes_for_a_tensor_is_what_it_is() -> None:
    body = b'{"t":[1],"other":[%b]}' % b",".join([b"7"] * 50)
    with in_pieces(8):
        assert pieces.long_array(body) is not None
        assert read(body)[3] == {"other": [7] * 50}


def test_matrix_of_a_long_body_has_the_columns_that_are_asked_for() -> None:
    body = b'{"instances":[[1,2,3],[4,5,6]]}'

    def matrix(name: str, columns: int) -> Array | None:
        return json.understood(body, lambda document: document.matrix(name, columns))

    with in_pieces(4):
        found = matrix("instances", 3)
        assert found is not None
        assert found.tolist() == [[1, 2, 3], [4, 5, 6]]
        assert matrix("instances", 6) is None
        assert matrix("inputs", 3) is None


def test_bare_constants_in_a_long_array_are_read() -> None:
    with in_pieces(0):
        assert read(b'{"t":[[1,NaN],[3,-Infinity]]}', bare=True)[1] == np.float32([1, np.nan, 3, -np.inf]).tobytes()


def test_others_have_their_turn_while_a_long_body_is_read_and_written() -> None:
    """8 MB, far more than one piece. A thread that wants the interpreter has it at least every few pieces."""
    body = b'{"t":[%b]}' % b",".join([b"0.123456789"] * 700_000)
    turns, over = 0, threading.Event()

    def take_turns() -> None:
        nonlocal turns
        while not over.wait(0.0001):
            turns += 1

    def turns_during(work: Any) -> tuple[int, Any]:
        before = turns
        found = work()
        return turns - before, found

    def understand(document: json.Document) -> Array:
        return document.tensor(document.fields["t"], BY_NAME["FP32"], "t")

    watcher = threading.Thread(target=take_turns)
    watcher.start()
    try:
        reading, array = turns_during(lambda: json.understood(body, understand))
        writing_, text = turns_during(lambda: json.written(array))
    finally:
        over.set()
        watcher.join()
    assert array.shape == (700_000,)
    assert len(plain_json.loads(text)) == 700_000
    assert reading > 2
    assert writing_ > 2


@given(data=st.data())
def test_what_is_written_in_pieces_is_what_is_written_as_a_whole(data: st.DataObject) -> None:
    shape = data.draw(st.lists(st.integers(0, 5), min_size=0, max_size=4))
    special = data.draw(st.lists(st.sampled_from([np.nan, np.inf, -np.inf, 0.1, 7.0]), min_size=1, max_size=5))
    array = np.resize(np.array(special, np.float32), shape)
    size = data.draw(st.integers(1, 12))
    whole = json.written(array)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writing, "PIECE_ELEMENTS", size)
        assert json.written(array) == whole
