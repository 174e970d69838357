"""gzip and deflate, both ways."""

from __future__ import annotations

import gzip
import os
import tracemalloc
import zlib

import numpy as np
import pytest

from service.codecs import compression, media
from service.errors import BadBody, TooLarge, UnsupportedMedia

TEXT = b'{"instances": [[0.1, 0.2]]}' * 50
LIMIT = 1 << 20


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


ENCODED = {"gzip": gzip.compress(TEXT), "deflate": zlib.compress(TEXT)}


def inflated(body: bytes, header: str, limit: int = LIMIT) -> bytes:
    return compression.decompress(body, compression.encodings({"content-encoding": header}), limit)


@pytest.mark.parametrize("header", ["", "identity", "Identity", " , ", "identity, identity"])
def test_identity_is_no_encoding(header: str) -> None:
    assert compression.encodings({"content-encoding": header}) == ()
    assert compression.encodings({}) == ()


@pytest.mark.parametrize(
    ("header", "body"),
    [
        ("gzip", ENCODED["gzip"]),
        ("GZIP", ENCODED["gzip"]),
        ("x-gzip", ENCODED["gzip"]),
        ("identity, gzip", ENCODED["gzip"]),
        ("deflate", ENCODED["deflate"]),
        ("deflate", zlib.compress(TEXT, 0)),
        ("deflate", zlib.compress(TEXT, 9)),
        ("deflate", raw_deflate(TEXT)),
        ("deflate, gzip", gzip.compress(ENCODED["deflate"])),
        ("gzip, deflate", zlib.compress(ENCODED["gzip"])),
        ("gzip,gzip,gzip", gzip.compress(gzip.compress(ENCODED["gzip"]))),
    ],
)
def test_body_is_what_it_was_before_it_was_encoded(header: str, body: bytes) -> None:
    assert inflated(body, header) == TEXT


@pytest.mark.parametrize("size", [0, 1, 5, 1000])
def test_raw_deflate_of_any_content_is_told_from_zlib(size: int) -> None:
    for data in (os.urandom(size), b"x" * size):
        for level in range(10):
            packer = zlib.compressobj(level, wbits=-15)
            assert inflated(packer.compress(data) + packer.flush(), "deflate") == data
            assert inflated(zlib.compress(data, level), "deflate") == data


def test_members_of_gzip_are_joined() -> None:
    pieces = [os.urandom(size) for size in (0, 1, 70_000, 65_536, 3)]
    assert inflated(b"".join(map(gzip.compress, pieces)), "gzip") == b"".join(pieces)


def test_empty_members_cannot_keep_the_server_busy() -> None:
    with pytest.raises(BadBody, match="members"):
        inflated(gzip.compress(b"") * (compression.MAX_MEMBERS + 1), "gzip")


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@pytest.mark.parametrize("rest", [b"\0", b"garbage", b"\0" * 100_000])
def test_anything_behind_the_end_is_refused(encoding: str, rest: bytes) -> None:
    with pytest.raises(BadBody):
        inflated(ENCODED[encoding] + rest, encoding)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_body_cut_anywhere_is_refused(encoding: str) -> None:
    for size in range(1, len(ENCODED[encoding])):
        with pytest.raises(BadBody):
            inflated(ENCODED[encoding][:size], encoding)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_checksum_that_is_wrong_is_refused(encoding: str) -> None:
    broken = bytearray(ENCODED[encoding])
    broken[-5 if encoding == "gzip" else -1] ^= 1
    with pytest.raises(BadBody, match="corrupt"):
        inflated(bytes(broken), encoding)


@pytest.mark.parametrize("body", [b"{}", TEXT, b"\x1f\x8b", b"\x78\x9c"])
@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_body_that_was_never_encoded_is_refused(encoding: str, body: bytes) -> None:
    with pytest.raises(BadBody):
        inflated(body, encoding)


@pytest.mark.parametrize("header", ["br", "gzip, br", "compress", "gzip;q=1", "*", ", ".join(["gzip"] * 4), "\0"])
def test_unknown_encoding_is_415_and_says_which_are_known(header: str) -> None:
    with pytest.raises(UnsupportedMedia) as caught:
        compression.encodings({"content-encoding": header})
    assert ("Accept-Encoding", "gzip, deflate") in caught.value.headers


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_limit_is_exact(encoding: str) -> None:
    assert inflated(ENCODED[encoding], encoding, len(TEXT)) == TEXT
    with pytest.raises(TooLarge, match="--max-body-bytes"):
        inflated(ENCODED[encoding], encoding, len(TEXT) - 1)


def test_limit_counts_all_members() -> None:
    with pytest.raises(TooLarge):
        inflated(ENCODED["gzip"] * 2, "gzip", 2 * len(TEXT) - 1)


@pytest.mark.parametrize("layers", [1, 2])
def test_bomb_costs_no_more_than_the_limit(layers: int) -> None:
    bomb = gzip.compress(b"\0" * (256 << 20))
    for _ in range(layers - 1):
        bomb = gzip.compress(bomb)
    tracemalloc.start()
    with pytest.raises(TooLarge):
        inflated(bomb, ", ".join(["gzip"] * layers), LIMIT)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * LIMIT


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("gzip", "gzip"),
        ("deflate", "deflate"),
        ("gzip, deflate, br, zstd", "gzip"),
        ("deflate, gzip", "gzip"),
        ("deflate;q=1, gzip;q=0.5", "deflate"),
        ("GZip", "gzip"),
        ("x-gzip", "gzip"),
        ("*", "gzip"),
        ("gzip;q=0, *", "deflate"),
        ("*;q=0.1, identity;q=0.05", "gzip"),
        ("identity;q=0.5, gzip;q=0.5", "gzip"),
        ("identity, gzip;q=0.5", None),
        ("identity", None),
        ("br", None),
        ("", None),
        ("gzip;q=0", None),
        ("gzip;q=0.000", None),
        ("gzip;q=nan", None),
        ("gzip;q=2", None),
        ("gzip;q=", None),
        ("gzip;level=9", None),
        ("*;q=0", None),
        (", ,", None),
    ],
)
def test_best_of_the_accepted_encodings_is_taken(header: str, expected: str | None) -> None:
    assert compression.wanted({"accept-encoding": header}, media.JSON, 10_000) == expected


def test_answer_of_one_packet_is_left_as_it_is_unless_that_is_ruled_out() -> None:
    assert compression.wanted({"accept-encoding": "gzip"}, media.JSON, compression.SMALL) is None
    for header in ("gzip, identity;q=0", "gzip, *;q=0"):
        assert compression.wanted({"accept-encoding": header}, media.JSON, compression.SMALL) == "gzip"


def test_nothing_is_compressed_unasked_or_twice() -> None:
    assert compression.wanted({}, media.JSON, 10_000) is None
    assert compression.wanted({"accept-encoding": "gzip"}, media.PNG, 10_000) is None
    assert compression.wanted({"accept-encoding": "gzip"}, media.SVG, 10_000) == "gzip"


@pytest.mark.parametrize(("encoding", "undo"), [("gzip", gzip.decompress), ("deflate", zlib.decompress)])
def test_compressed_answer_reads_back(encoding: str, undo: object) -> None:
    found = compression.compress(TEXT * 100, encoding)
    assert found is not None
    assert len(found) < len(TEXT)
    assert undo(found) == TEXT * 100  # type: ignore[operator]


def test_what_would_not_shrink_is_left_as_it_is() -> None:
    assert compression.compress(os.urandom(2000), "gzip") is None
    assert compression.compress(np.random.default_rng(0).random(100_000, np.float32).tobytes(), "gzip") is None
