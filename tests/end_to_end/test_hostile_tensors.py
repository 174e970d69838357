"""Malformed requests of the Open Inference Protocol, binary above all: each is refused in one clear sentence, and the
server goes on answering."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

SEED = 2026
MUTANTS = 400
ROWS = np.arange(6, dtype=np.float32).reshape(3, 2)
BINARY = "application/octet-stream"

Body = tuple[bytes, str | None]
Statuses = tuple[int, ...]
Refuses = Callable[..., None]


def tensor(**changed: Any) -> dict[str, Any]:
    return {"name": "x", "shape": [3, 2], "datatype": "FP32", "parameters": {"binary_data_size": 24}} | changed


def sized(size: Any, **changed: Any) -> dict[str, Any]:
    return tensor(parameters={"binary_data_size": size}, **changed)


def request(*inputs: Any, tail: bytes = ROWS.tobytes(), **members: Any) -> Body:
    head = json.dumps({"inputs": list(inputs), **members}).encode()
    return head + tail, str(len(head))


def string(text: bytes, announced: int | None = None) -> bytes:
    return (len(text) if announced is None else announced).to_bytes(4, "little") + text


GOOD, GOOD_LENGTH = request(tensor())


@pytest.fixture
def refuses(protocol_server: Any) -> Iterator[Refuses]:
    """Posts a body on a kept connection, checks that it is refused, and that a good one is answered right after."""
    client = protocol_server.client()

    def post(body: bytes, length: str | None, model: str) -> tuple[int, bytes]:
        named = {"Inference-Header-Content-Length": length} if length is not None else {}
        client.request("POST", f"/v2/models/{model}/infer", body, {"Content-Type": BINARY, **named})
        response = client.getresponse()
        return response.status, response.read()

    def check(body: bytes, length: str | None, statuses: Statuses = (400, 422), model: str = "same_FP32") -> None:
        status, answer = post(body, length, model)
        shown = f"{length} {body[:200]!r}: {status} {answer[:300]!r}"
        assert status in statuses, shown
        if status != 200:
            found = json.loads(answer)
            assert found.keys() == {"error", "details"}, shown
            assert 10 < len(found["error"]) < 1000, shown
        status, answer = post(GOOD, GOOD_LENGTH, "same_FP32")
        assert status == 200, shown
        assert json.loads(answer)["outputs"][0]["data"] == ROWS.ravel().tolist()

    yield check
    client.close()


N = len(GOOD)
HEAD = int(GOOD_LENGTH)
WRONG_LENGTHS = [
    "-1",
    "+5",
    "1e2",
    "0x10",
    " ",
    "",
    "ten",
    "1.0",
    "1_0",
    "٣",
    "9" * 11,
    "9" * 400,
    str(2**63),
    "1",
    str(HEAD - 1),
    str(HEAD + 1),
    str(N),
    str(N + 1),
    str(N - 1),
    f"{HEAD}, {HEAD}",
    f"{HEAD};",
]


@pytest.mark.parametrize("length", WRONG_LENGTHS)
def test_wrong_length_of_the_json_part_is_refused(refuses: Refuses, length: str) -> None:
    refuses(GOOD, length.encode().decode("latin-1"), (400,))


def test_binary_data_without_the_length_of_its_json_part_is_refused(refuses: Refuses) -> None:
    refuses(GOOD, None, (400,))


def test_zero_length_means_raw_values_which_must_fit_exactly(refuses: Refuses) -> None:
    refuses(ROWS.tobytes()[:-1], "0")
    refuses(ROWS.tobytes() + b"\0", "0")
    refuses(ROWS.tobytes(), "0", model="pair", statuses=(400, 415, 422))


SIZES = [23, 25, 0, 20, 28, -1, -24, 2**31, 2**63, 2**64, 10**30, 24.0, 1e300, "24", True, None, [24], {"a": 24}]


@pytest.mark.parametrize("size", SIZES)
def test_wrong_size_of_binary_data_is_refused(refuses: Refuses, size: Any) -> None:
    refuses(*request(sized(size)))
    refuses(*request(sized(size), tail=b""))


@pytest.mark.parametrize("tail", [b"", ROWS.tobytes()[:-1], ROWS.tobytes() + b"\0", ROWS.tobytes() * 2])
def test_too_few_and_too_many_bytes_are_refused(refuses: Refuses, tail: bytes) -> None:
    refuses(*request(tensor(), tail=tail), statuses=(400,))


def test_tensors_may_not_share_or_skip_bytes(refuses: Refuses) -> None:
    number, text = tensor(name="number"), {"name": "text", "datatype": "BYTES", "shape": [3]}
    texts = string(b"a") * 3
    overlapping = {**text, "parameters": {"binary_data_size": len(texts) + 1}}
    refuses(*request(number, overlapping, tail=ROWS.tobytes() + texts), model="pair")
    skipping = {**text, "parameters": {"binary_data_size": len(texts) - 1}}
    refuses(*request(number, skipping, tail=ROWS.tobytes() + texts), model="pair")
    swapped = request(number, {**text, "parameters": {"binary_data_size": len(texts)}}, tail=texts + ROWS.tobytes())
    refuses(*swapped, model="pair")


def test_a_tensor_sent_twice_is_refused(refuses: Refuses) -> None:
    refuses(*request(tensor(), tensor(), tail=ROWS.tobytes() * 2), statuses=(422,))
    refuses(*request(tensor(), {**tensor(), "parameters": {}, "data": [0] * 6}))


STRINGS = [
    b"",
    b"\1",
    b"\1\0\0",
    string(b"", 1),
    string(b"abc", 4),
    string(b"abc", 2),
    string(b"abc", 2**32 - 1),
    string(b"abc", 2**31),
    string(b"abc") + b"\0",
    string(b"abc") + b"\0\0\0",
    string(b"abc") * 2,
    string(b"\xff\xfe"),
    string(b"\xed\xa0\x80"),
]


@pytest.mark.parametrize("tail", STRINGS)
def test_strings_that_do_not_fit_their_bytes_are_refused(refuses: Refuses, tail: bytes) -> None:
    text = {"name": "x", "datatype": "BYTES", "shape": [1, 1], "parameters": {"binary_data_size": len(tail)}}
    refuses(*request(text, tail=tail), model="same_BYTES")


def test_json_part_that_is_cut_off_anywhere_is_refused(refuses: Refuses) -> None:
    head = GOOD[:HEAD]
    for end in range(len(head)):
        refuses(head[:end] + ROWS.tobytes(), str(end) if end else "1", (400, 422))


SHAPES: list[Any] = [
    [3, 3],
    [2, 3, 1],
    [6],
    [],
    [-3, -2],
    [3, -2],
    [3.0, 2],
    ["3", 2],
    [True, 6],
    [None, 2],
    [[3], 2],
    [2**31, 2**31],
    [2**32, 2**32],
    [2**33, 2**31],
    [2**62, 4],
    [2**63, 2],
    [2**64, 2],
    [0, 2**63],
    [10**40, 2],
    [3, 2] + [1] * 62,
    [3, 2] + [1] * 63,
    [1] * 10_000,
    "3,2",
    6,
    None,
    {"0": 3},
]


@pytest.mark.parametrize("shape", SHAPES)
def test_shape_that_is_none_or_does_not_fit_is_refused(refuses: Refuses, shape: Any) -> None:
    refuses(*request(tensor(shape=shape)))
    data = {"name": "x", "datatype": "FP32", "shape": shape, "data": ROWS.tolist()}
    # JSON data may be nested as its author likes, but its number must be that of the shape.
    refuses(*request(data, tail=b""))


@pytest.mark.parametrize(
    "datatype", ["FP8", "fp32", "FLOAT", "", "BF16", "FP64", "BYTES", "BOOL", None, 1, ["FP32"], {}]
)
def test_datatype_that_is_not_the_models_is_refused(refuses: Refuses, datatype: Any) -> None:
    refuses(*request(tensor(datatype=datatype)))


def test_boolean_other_than_0_and_1_is_refused(refuses: Refuses) -> None:
    refuses(*request(sized(2, shape=[1, 2], datatype="BOOL"), tail=b"\1\2"), model="same_BOOL")


OUTPUTS: list[Any] = [
    {},
    "y",
    [None],
    [[]],
    ["y"],
    [{}],
    [{"name": None}],
    [{"name": "x"}],
    [{"name": "y", "parameters": []}],
    [{"name": "y", "parameters": {"binary_data": "true"}}],
    [{"name": "y", "parameters": {"binary_data": 1}}],
    [{"name": "y", "parameters": {"classification": -1}}],
    [{"name": "y", "parameters": {"classification": True}}],
    [{"name": "y", "parameters": {"classification": "2"}}],
    [{"name": "y", "parameters": {"classification": 1.5}}],
]


@pytest.mark.parametrize("outputs", OUTPUTS)
def test_outputs_that_cannot_be_given_are_refused(refuses: Refuses, outputs: Any) -> None:
    refuses(*request(tensor(), outputs=outputs))


MEMBERS: list[dict[str, Any]] = [
    {"parameters": []},
    {"parameters": {"binary_data_output": "yes"}},
    {"id": 7},
    {"id": ["a"]},
    {"model": "same_FP32"},
    {"\0": 1},
]


@pytest.mark.parametrize("members", MEMBERS)
def test_members_of_the_wrong_kind_are_refused(refuses: Refuses, members: dict[str, Any]) -> None:
    refuses(*request(tensor(), **members))


@pytest.mark.parametrize("count", [2, 10_000])
def test_many_inputs_and_outputs_are_refused(refuses: Refuses, count: int) -> None:
    refuses(*request(*[sized(24, name=f"x{index}") for index in range(count)], tail=ROWS.tobytes() * count))
    refuses(*request(*[{}] * count, tail=b""))
    refuses(*request(tensor(), outputs=[{"name": f"y{index}"} for index in range(count)]))


def test_shared_memory_that_is_not_there_is_refused(refuses: Refuses) -> None:
    region = {"shared_memory_region": "region", "shared_memory_byte_size": 24}
    refuses(*request(tensor(parameters=region), tail=b""), statuses=(501,))
    refuses(*request(tensor(), outputs=[{"name": "y", "parameters": region}]), statuses=(501,))


DEEP = [
    b'{"inputs": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    b'{"inputs": ' + b"[" * 100_000,
    b'{"inputs": [' + b'{"parameters": ' * 5000 + b"{}" + b"}" * 5000 + b"]}",
    b'{"parameters": ' + b'{"a": ' * 900 + b"1" + b"}" * 901,
    b'{"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 2], "data": '
    + b"[" * 900
    + b"1, 2"
    + b"]" * 900
    + b"}]}",
    b'{"inputs": [{"name": "x", "datatype": "FP32", "shape": '
    + b"[" * 900
    + b"1"
    + b"]" * 900
    + b', "data": [1, 2]}]}',
    b'{"inputs": [{"name": ' + b"[" * 900 + b"]" * 900 + b', "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}]}',
]


def test_classes_of_strings_are_refused(refuses: Refuses) -> None:
    tail = string(b"a") + string(b"b")
    text = {"name": "x", "datatype": "BYTES", "shape": [1, 2], "parameters": {"binary_data_size": len(tail)}}
    outputs = [{"name": "y", "parameters": {"classification": 2}}]
    refuses(*request(text, tail=tail, outputs=outputs), (422,), "same_BYTES")


@pytest.mark.parametrize("body", DEEP, ids=range(len(DEEP)))
def test_deep_nesting_is_refused(refuses: Refuses, body: bytes) -> None:
    refuses(body, None)
    refuses(body, str(len(body)))


def test_mutated_binary_requests_are_never_the_servers_fault(refuses: Refuses) -> None:
    generator = random.Random(SEED)
    texts = string(b"a") + string(b"bc") + string(b"")
    text = {"name": "text", "datatype": "BYTES", "shape": [3], "parameters": {"binary_data_size": len(texts)}}
    seeds = [
        ("same_FP32", request(tensor())),
        ("pair", request(tensor(name="number"), text, tail=ROWS.tobytes() + texts)),
        ("scores", request(tensor(shape=[2, 3]), outputs=[{"name": "y", "parameters": {"classification": 2}}])),
    ]
    for _ in range(MUTANTS):
        model, (body, length) = generator.choice(seeds)
        changed = bytearray(body)
        for _ in range(generator.choice((1, 1, 3))):
            at = generator.randrange(len(changed))
            changed[at : at + generator.choice((0, 1, 1, 4))] = generator.randbytes(generator.choice((0, 1, 1, 4)))
        refuses(bytes(changed), length, (200, 400, 415, 422), model)
