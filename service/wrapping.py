"""What HTTP may have wrapped around a body, taken off a request and put around an answer (RFC 9110 §8.4)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from service.codecs import compression
from service.errors import TooLarge
from service.exchange import Request, Response

QUICK_BYTES = 1 << 20  # inflated in a few milliseconds; compressing takes ten times as long


async def unwrap(request: Request, limit: int) -> None:
    """Raises UnsupportedMedia or BadBody for what cannot be undone, TooLarge for more than `limit` bytes."""
    encoded = compression.encodings(request.headers)
    if encoded and request.body:
        request.body = await _decompressed(request.body, encoded, limit)


async def wrap(request: Request, response: Response) -> None:
    """Compresses an answer where that is asked for and gains; errors are left as they are."""
    if not wrap_now(request.headers, response):
        encoding = _announced(request.headers, response)
        if encoding is not None:
            _put(response, encoding, await asyncio.to_thread(compression.compress, response.whole(), encoding))


def wrap_now(headers: Mapping[str, str], response: Response) -> bool:
    """The same where it is quick; False where it is not, and nothing has been done."""
    size = response.size
    if size <= compression.SMALL and "accept-encoding" not in headers:
        return True
    if size > QUICK_BYTES // 16 and compression.wanted(headers, response.media_type, size) is not None:
        return False
    encoding = _announced(headers, response)
    if encoding is not None:
        _put(response, encoding, compression.compress(response.whole(), encoding))
    return True


def _announced(headers: Mapping[str, str], response: Response) -> str | None:
    """The encoding that is asked for, if any; the answer says that it could have been another."""
    size = response.size
    if size > compression.SMALL and compression.is_compressible(response.media_type):
        response.headers += (("Vary", "Accept-Encoding"),)
    return compression.wanted(headers, response.media_type, size)


def _put(response: Response, encoding: str, body: bytes | None) -> None:
    if body is not None:
        response.body, response.tail = body, ()
        response.headers += (("Content-Encoding", encoding),)


async def _decompressed(body: bytes, encoded: tuple[str, ...], limit: int) -> bytes:
    """Here where that is quick, which a body so much smaller than what it holds does not tell, else in a thread."""
    try:
        return compression.decompress(body, encoded, min(limit, QUICK_BYTES))
    except TooLarge:
        if limit <= QUICK_BYTES:
            raise
    return await asyncio.to_thread(compression.decompress, body, encoded, limit)
