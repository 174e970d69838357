"""gzip and deflate, both ways (RFC 9110 §8.4.1 and §12.5.3), within a limit that holds while a body is inflated."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from functools import lru_cache

from service.codecs import media
from service.errors import BadBody, TooLarge, UnsupportedMedia

# zlib's `wbits` for each container; RFC 9110 calls the zlib format `deflate`.
WBITS = {"gzip": 31, "deflate": 15}
RAW_DEFLATE = -15
ALIASES = {"x-gzip": "gzip"}
OFFERED = "gzip, deflate"
MAX_ENCODINGS = 3  # each costs a pass over the body, and a head has room for thousands
MAX_MEMBERS = 10_000  # of one gzip body, each of which costs a decompressor
CHUNK = 1 << 16  # what follows the end of a member is copied, so never much at once
LEVEL = 1  # 6 takes twice to six times as long here and saves a tenth
SMALL = 1 << 10  # with its head an answer of this size is one packet, and less than a packet cannot be sent
SAMPLE = 1 << 14
WORTH = 0.8  # random floats come to 0.9 at 30 MB/s, which is slower than most networks


def encodings(headers: Mapping[str, str]) -> tuple[str, ...]:
    """How the body is encoded, in the order in which it was. Raises UnsupportedMedia for what cannot be undone."""
    header = headers.get("content-encoding")
    return _parsed(header) if header else ()


@lru_cache(256)
def _parsed(header: str) -> tuple[str, ...]:
    names = [ALIASES.get(name, name) for name in (part.strip().lower() for part in header.split(","))]
    found = tuple(name for name in names if name not in ("", "identity"))
    if not set(found) <= WBITS.keys() or len(found) > MAX_ENCODINGS:
        raise UnsupportedMedia(
            f"`Content-Encoding` may be {OFFERED} or identity, up to {MAX_ENCODINGS} in a row; got `{header[:60]}`.",
            headers=(("Accept-Encoding", OFFERED),),
        )
    return found


def decompress(body: bytes, encoded: tuple[str, ...], limit: int) -> bytes:
    """The body before it was encoded. Raises BadBody where it is corrupt, cut short or has something behind it;
    TooLarge as soon as it has more than `limit` bytes, at any stage."""
    for encoding in reversed(encoded):
        try:
            body = _inflated(body, encoding, limit)
        except zlib.error as error:
            raise BadBody(f"`Content-Encoding` is {encoding}, and the body is not: it is corrupt.") from error
    return body


def _inflated(body: bytes, encoding: str, limit: int) -> bytes:
    view = memoryview(body)
    parts: list[bytes] = []
    at, room = 0, limit
    for _ in range(MAX_MEMBERS):
        at, room = _member(view, at, room, _wbits(view, encoding), parts, limit)
        if at == len(view):
            return parts[0] if len(parts) == 1 else b"".join(parts)
        if encoding != "gzip":
            raise BadBody(f"Behind the end of the {encoding} data are {len(view) - at} more bytes.")
    raise BadBody(f"The body has more than {MAX_MEMBERS} gzip members.")


def _member(view: memoryview, at: int, room: int, wbits: int, parts: list[bytes], limit: int) -> tuple[int, int]:
    """Inflates one member from `at` on; where it ends, and the room left."""
    inflater = zlib.decompressobj(wbits)
    while not inflater.eof:
        chunk = view[at : at + CHUNK]
        if not chunk:
            raise BadBody("The compressed body ends too soon.")
        found = inflater.decompress(chunk, room + 1)
        at += len(chunk) - len(inflater.unused_data)
        room -= len(found)
        if room < 0:
            raise TooLarge(f"The body may have {limit} bytes (`--max-body-bytes`), decompressed too; it has more.")
        parts.append(found)
    return at, room


def _wbits(view: memoryview, encoding: str) -> int:
    """Some send deflate without the zlib format around it; its first two bytes tell (RFC 1950 §2.2)."""
    if encoding == "deflate" and len(view) > 1 and (view[0] & 15 != 8 or (view[0] << 8 | view[1]) % 31):
        return RAW_DEFLATE
    return WBITS[encoding]


def wanted(headers: Mapping[str, str], media_type: str, size: int) -> str | None:
    """The encoding for an answer, None to leave it as it is: small, compressed already, or not asked for."""
    header = headers.get("accept-encoding")
    if header is None or not is_compressible(media_type):
        return None
    encoding, is_demanded = _accepted(header)
    return encoding if size > SMALL or is_demanded else None


def is_compressible(media_type: str) -> bool:
    return not media_type.startswith("image/") or media_type == media.SVG


@lru_cache(256)
def _accepted(header: str) -> tuple[str | None, bool]:
    """The best encoding there, and whether `identity` is ruled out. What cannot be read is not accepted."""
    qualities = dict(_quality(part) for part in header.lower().split(",") if part.strip())
    rest = qualities.get("*", 0.0)
    known = {name: qualities.get(name, qualities.get(f"x-{name}", rest)) for name in WBITS}
    best = max(known, key=lambda name: known[name])
    identity = qualities.get("identity", 0.0 if qualities.get("*") == 0 else None)
    if known[best] <= 0 or known[best] < (identity or 0):
        return None, False
    return best, identity == 0


def _quality(part: str) -> tuple[str, float]:
    name, _, parameter = (piece.strip() for piece in part.partition(";"))
    if not parameter:
        return name, 1.0
    key, _, value = (piece.strip() for piece in parameter.partition("="))
    try:
        quality = float(value) if key == "q" else 0.0
    except ValueError:
        quality = 0.0
    return name, quality if 0 <= quality <= 1 else 0.0


def compress(body: bytes, encoding: str) -> bytes | None:
    """None where it would gain next to nothing."""
    wbits = WBITS[encoding]
    if len(body) > 4 * SAMPLE and len(zlib.compress(body[:SAMPLE], LEVEL, wbits)) > WORTH * SAMPLE:
        return None
    found = zlib.compress(body, LEVEL, wbits)
    return found if len(found) < len(body) else None
