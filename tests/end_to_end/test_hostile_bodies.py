"""Whatever stands in a body, the answer is never 5xx, and it has the one shape of errors."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

SEED = 2026
MUTANTS = 120
JSON, NPY, RAW = "application/json", "application/x-npy", "application/octet-stream"
PNG, JPEG = "image/png", "image/jpeg"
PATHS = (
    "/predict",
    "/predict/digits",
    "/activate/leaky_relu",
    "/activate/leaky_relu/gradient",
    "/activate/softmax",
    "/activate/prelu",
)
BIG = b"1234567890123456789012345678901234567890"
INSERTED = (b"\x00", b"\xff", b'"', b"[", b"]", b"{", b"}", b",", b"1e999", b"-", b"NaN", b"null", BIG, b"\\ud800")

NASTY_JSON = (
    b"",
    b" ",
    b"null",
    b"[]",
    b"{}",
    b"{",
    b"\xff\xfe{\x00}\x00",
    b"\xef\xbb\xbf{}",
    b'{"instances": null}',
    b'{"instances": {}}',
    b'{"instances": [[1, 2], [3]]}',
    b'{"instances": [[[[]]]]}',
    b'{"instances": ["a", 1, null]}',
    b'{"instances": [{"input": [1]}, {"other": 1}]}',
    b'{"instances": [], "inputs": []}',
    b'{"instances": [[NaN]]}',
    b'{"inputs": {"input": 1, "input": 2}}',
    b'{"inputs": {"\\ud800": 1}}',
    b'{"tensor": [1], "\\ud800": 2}',
    b'{"tensor": [1], "parameters": {"\\udfff": 2}}',
    b'{"tensor": [1], "datatype": "\\ud800"}',
    b'{"tensor": [1], "datatype": ' + BIG + b"}",
    b'{"tensor": [' + BIG + b'], "\\ud800": 2}',
    b'{"tensor": [' + BIG + b'], "parameters": {"\\ud800": 2}}',
    b'{"tensor": [' + BIG + b'], "datatype": "\\ud800"}',
    b'{"tensor": [' + BIG + b', "\\ud800"]}',
    b'{"instances": [' + BIG + b', "\\ud800"]}',
    b'{"inputs": {"\\ud800": ' + BIG + b"}}",
    b'{"tensor": ' + b"9" * 6000 + b"}",
    b'{"instances": [' + b"9" * 6000 + b"]}",
    b'{"tensor": [1, NaN, ' + BIG + b"]}",
    b'{"tensor": ' + b"[" * 20 + b"]" * 20 + b"}",
    b'{"tensor": ' + b"[" * 40 + b"1" + b"]" * 40 + b"}",
    b'{"tensor": ' + b"[" * 900 + b"1" + b"]" * 900 + b"}",
    b'{"tensor": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b'{"tensor": ' + b"[" * 100_000,
    b'{"a": ' + BIG + b', "tensor": ' + b"[" * 5000 + b"1" + b"]" * 5000 + b"}",
    b'{"instances": [' + BIG + b', {"a": ' * 3000 + b"1" + b"}" * 3000 + b"]}",
    b'{"tensor": ' + b'{"a": ' * 900 + b"1" + b"}" * 900 + b"}",
    b'{"tensor": [1], "parameters": ' + b'{"a": ' * 900 + b"1" + b"}" * 900 + b"}",
    b'{"tensor": [1], "parameters": []}',
    b'{"tensor": [1], "parameters": {"negative_slope": 1e999}}',
    b'{"tensor": [1], "parameters": {"negative_slope": "NaN"}}',
    b'{"tensor": [1], "parameters": {"negative_slope": true}}',
    b'{"tensor": [1], "parameters": {"negative_slope": [[1]]}}',
    b'{"tensor": [1], "parameters": {"dim": ' + BIG + b"}}",
    b'{"tensor": [1], "parameters": {"dim": 9223372036854775807}}',
    b'{"tensor": [1], "parameters": {"weight": [[1], 2]}}',
    b'{"tensor": [1], "parameters": {"weight": {"a": 1}}}',
    b'{"tensor": [1], "parameters": {"weight": ' + BIG + b"}}",
    b'{"tensor": [1], "grad_output": [[1]]}',
    b'{"tensor": [1], "grad_output": "x"}',
    b'{"tensor": 1e39}',
    b'{"tensor": [true, "Infinity", -1]}',
    b'{"tensor": [1], "datatype": "INT8"}',
    b'{"tensor": [1], "datatype": []}',
)


def _header(text: str, version: int = 1) -> bytes:
    length = len(text).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + length + text.encode("latin-1")


def _described(descr: str, shape: str, order: str = "False") -> bytes:
    return _header(f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}}}\n")


NASTY_NPY = (
    b"",
    b"\x93NUMPY",
    b"\x93NUMPY\x01\x00\xff\xff",
    b"\x93NUMPY\x09\x00\x00\x00\x00\x00",
    _header(""),
    _header("("),
    _header("{'descr': '<f4', 'fortran_order': False, 'shape': (1,"),
    _header("{'descr': '''<f4"),
    _header("{'descr': '<f4'}\n"),
    _header("[1, 2]\n"),
    _header("{[]: 1}\n"),
    _header("  {\n {"),
    _header("-" * 9000),
    _header("(" * 5000),
    _header("1" * 9000 + "\n"),
    _header("{'descr': '<f4', 'fortran_order': False, 'shape': (1L, 784L)}\n"),
    _header("{'descr': '\x00', 'fortran_order': False, 'shape': (1,)}\n"),
    _header("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }\n", 3),
    _described("'<f4'", "(1, 784)", "True"),
    _described("'<f4'", "()"),
    _described("'<f4'", "(0, 100000000000000000000000)"),
    _described("'<f4'", "(100000000000000000000000, 0)", "True"),
    _described("'<f4'", "(9223372036854775807, 9223372036854775807, 0)"),
    _described("'<f4'", f"({'9' * 4000}, 2)"),
    _described("'<f4'", "(-1, 784)"),
    _described("'<f4'", "(-1, -1)") + bytes(4),
    _described("'<f4'", "(True,)") + bytes(4),
    _described("'<f4'", f"({'1, ' * 70})") + bytes(4),
    _described("'<f4'", f"({'1, ' * 64})") + bytes(4),
    _described("'<f4'", "(1.5,)"),
    _described("'<f4'", "'x'"),
    _described("'|O'", "(1,)") + bytes(8),
    _described("'|V0'", "(5,)"),
    _described("'|V2'", "(1,)") + bytes(2),
    _described("'|V2'", "(1,)", "True") + bytes(2),
    _described("'|S4'", "(1,)") + bytes(4),
    _described("'<U0'", "(3,)"),
    _described("'<c8'", "(1,)") + bytes(8),
    _described("'<M8[s]'", "(1,)") + bytes(8),
    _described("'<M8[9999999999999999999s]'", "(1,)") + bytes(8),
    _described("'(2,)<f4'", "(1,)") + bytes(8),
    _described("[('a', '<f4')]", "(1,)") + bytes(4),
    _described("[('a', '<f4', (2, 2))]", "(1,)") + bytes(16),
    _described("{'names': ['a'], 'formats': ['<f4']}", "(1,)") + bytes(4),
    _described("None", "(1,)") + bytes(8),
    _described("5", "(1,)"),
    _described("'f2,f4'", "(1,)") + bytes(6),
    _described("'>f4'", "(1, 784)") + bytes(3136),
)


def _seeds() -> dict[str, list[bytes]]:
    """Good bodies of every content type, from which the bad ones are made."""
    pixels = np.arange(784, dtype=np.uint8).reshape(28, 28)
    rotated = Image.Exif()
    rotated[0x0112] = 6
    files = {PNG: [_picture(pixels, "PNG", exif=rotated)], JPEG: [_picture(pixels, "JPEG", exif=rotated)]}
    for mode in ("1", "P", "RGBA", "LA", "I;16"):
        files[PNG].append(_picture(pixels, "PNG", mode))
    files[JPEG].append(_picture(pixels, "JPEG", "CMYK"))
    text = [
        {"instances": [pixels.ravel().tolist()]},
        {"inputs": (pixels / 255).tolist()},
        {"tensor": [[-1, 2.5], [0, 1]], "parameters": {"negative_slope": 0.1}, "datatype": "FP16"},
        {"tensor": [[-1, 2], [0, "NaN"]], "grad_output": [[1, 1], [1, 1]], "parameters": {}},
    ]
    arrays = [np.zeros((2, 784), np.float32), np.zeros((2, 3), ">f8"), np.zeros((3, 2), np.float16, order="F")]
    return {
        JSON: [json.dumps(value).encode() for value in text],
        NPY: [_npy(array) for array in arrays],
        RAW: [bytes(784 * 4), bytes(range(256))],
        **files,
    }


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _picture(pixels: np.ndarray, name: str, mode: str = "L", **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, name, **options)
    return file.getvalue()


def _mutant(generator: random.Random, seed: bytes) -> bytes:
    """A few bytes changed, cut out, doubled or put in."""
    body = bytearray(seed)
    for _ in range(generator.choice((1, 1, 2, 5, 20))):
        at = generator.randrange(len(body) + 1)
        match generator.randrange(5):
            case 0:
                body[at : at + 1] = generator.randbytes(1)
            case 1:
                del body[at : at + generator.randrange(1, 40)]
            case 2:
                body[at:at] = body[at : at + generator.randrange(1, 40)]
            case 3:
                body[at:at] = generator.choice(INSERTED)
            case 4:
                del body[at:]
    return bytes(body)


def _mutants(media_type: str) -> Iterator[tuple[str, bytes]]:
    generator = random.Random(f"{SEED} {media_type}")
    seeds = _seeds()[media_type]
    for _ in range(MUTANTS):
        yield generator.choice(PATHS), _mutant(generator, generator.choice(seeds))


@pytest.fixture
def refuses(server: Any) -> Iterator[Callable[[str, bytes, str], None]]:
    """Posts a body on a kept connection and checks the answer's shape."""
    client = server.client()

    def check(path: str, body: bytes, media_type: str) -> None:
        client.request("POST", path, body, {"Content-Type": media_type, "Accept": "application/json"})
        response = client.getresponse()
        content = response.read()
        shown = f"{path} {media_type} {body[:200]!r}: {response.status} {content[:300]!r}"
        assert response.status < 500, shown
        assert response.headers["X-Request-Id"], shown
        assert response.headers["Server-Timing"], shown
        found = json.loads(content, parse_constant=pytest.fail)
        if response.status == 200:
            return
        assert found.keys() == {"error", "details"}, shown
        assert 0 < len(found["error"].strip()) < 1000, shown
        assert all(detail.keys() == {"path", "expected", "got"} for detail in found["details"]), shown
        assert "/work" not in found["error"], shown

    yield check
    client.close()


@pytest.mark.parametrize("path", PATHS)
def test_nasty_json_is_refused(refuses: Callable[..., None], path: str) -> None:
    for body in NASTY_JSON:
        refuses(path, body, JSON)


@pytest.mark.parametrize("path", PATHS)
def test_nasty_npy_is_refused(refuses: Callable[..., None], path: str) -> None:
    for body in NASTY_NPY:
        refuses(path, body, NPY)


@pytest.mark.parametrize("media_type", [JSON, NPY, RAW, PNG, JPEG])
def test_mutated_bodies_are_never_the_servers_fault(refuses: Callable[..., None], media_type: str) -> None:
    for path, body in _mutants(media_type):
        refuses(path, body, media_type)


@pytest.mark.parametrize("media_type", [JSON, NPY, RAW, PNG, JPEG, "text/plain", "", "\xe9/\xff"])
def test_garbage_of_every_type_is_refused(refuses: Callable[..., None], media_type: str) -> None:
    generator = random.Random(SEED)
    for size in (0, 1, 7, 100, 3136, 50_000):
        for path in PATHS:
            refuses(path, generator.randbytes(size), media_type)


@pytest.mark.parametrize(
    "query",
    [
        "scores=perhaps",
        "top_k=-1",
        "top_k=99999999999999999999",
        "top_k=%00",
        "top_k=1&top_k=2",
        "unknown=1",
        "%ff=%fe",
        "version=%0a",
        "negative_slope=nan",
        "negative_slope=1%7d",
        "negative_slope=" + "[" * 2000,
        "negative_slope=" + "9" * 5000,
        "dim=1e400",
        "weight=%22%5cud800%22",
        "datatype=FP8",
        "=",
        "&&&",
        "a" * 5000,
    ],
)
def test_nasty_queries_are_refused(refuses: Callable[..., None], query: str) -> None:
    for path in ("/predict", "/activate/leaky_relu", "/activate/prelu", "/activate/softmax"):
        refuses(f"{path}?{query}", b'{"instances": []}' if path == "/predict" else b'{"tensor": [[1]]}', JSON)


@pytest.mark.parametrize("accept", ["", ",", "q", "*/*;q=x", "application/json;q=nan", "text/html", "a/b;;q=1,*/*;q=0"])
def test_odd_accept_headers_never_break_an_answer(server: Any, accept: str) -> None:
    answer = server.post("/activate/relu", {"tensor": [1]}, Accept=accept)
    assert answer.status in (200, 400, 406)
    assert answer.headers["content-type"] == JSON
