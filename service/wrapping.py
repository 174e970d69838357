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
    """Compresses an answer where that is asked for and gains."""
    if len(response.body) > compression.SMALL or "accept-encoding" in request.headers:
        await _compress(request.headers, response)


async def _decompressed(body: bytes, encoded: tuple[str, ...], limit: int) -> bytes:
    """Here where that is quick, which a body so much smaller than what it holds does not tell, else in a thread."""
    try:
        return compression.decompress(body, encoded, min(limit, QUICK_BYTES))
    except TooLarge:
        if limit <= QUICK_BYTES:
            raise
    return await asyncio.to_thread(compression.decompress, body, encoded, limit)


async def _compress(headers: Mapping[str, str], response: Response) -> None:
    """Compresses an answer where the caller takes that and it gains; errors are left as they are."""
    size = len(response.body)
    if size > compression.SMALL and compression.is_compressible(response.media_type):
        response.headers += (("Vary", "Accept-Encoding"),)
    encoding = compression.wanted(headers, response.media_type, size)
    if encoding is None:
        return
    if size <= QUICK_BYTES // 16:
        found = compression.compress(response.body, encoding)
    else:
        found = await asyncio.to_thread(compression.compress, response.body, encoding)
    if found is not None:
        response.body = found
        response.headers += (("Content-Encoding", encoding),)
