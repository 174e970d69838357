"""Which format came, and which is wanted back: `Content-Type` and `Accept`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from service.errors import BadBody, NotAcceptable, UnsupportedMedia

JSON = "application/json"
NPY = "application/x-npy"
RAW = "application/octet-stream"
PNG = "image/png"
JPEG = "image/jpeg"
SVG = "image/svg+xml"
FORM = "application/x-www-form-urlencoded"  # what curl says of `-d` unless it is told


def content_type(headers: Mapping[str, str], taken: Sequence[str], unnamed: str | None = None) -> str:
    """The media type of the body, one of `taken`; `unnamed`, if given, where the caller did not say. Raises
    UnsupportedMedia."""
    given = headers.get("content-type", "")
    media_type = given.partition(";")[0].strip().lower()
    if unnamed is not None and media_type in ("", FORM):
        return unnamed
    if media_type not in taken:
        came = f"`{media_type[:100]}`" if media_type else "none"
        raise UnsupportedMedia(f"`Content-Type` must be one of {', '.join(taken)}; got {came}.")
    return media_type


def accepted(headers: Mapping[str, str], offered: Sequence[str]) -> str:
    """The best of `offered` (the first is the default) for the `Accept` header, RFC 9110 §12.5.1.

    Raises NotAcceptable when it allows none of them."""
    header = headers.get("accept", "*/*")
    if header == "*/*":
        return offered[0]
    ranges = [_range(part) for part in header.split(",") if part.strip()]
    best = max(offered, key=lambda media_type: _quality(media_type, ranges), default="")
    if not best or _quality(best, ranges) == 0:
        raise NotAcceptable(f"This answer can be written as {', '.join(offered)}; `Accept` allows none of them.")
    return best


def _range(part: str) -> tuple[str, float]:
    media_range, *parameters = (piece.strip().lower() for piece in part.split(";"))
    quality = next((value[2:] for value in parameters if value.startswith("q=")), "1")
    try:
        return media_range, float(quality)
    except ValueError:
        raise BadBody(f"`Accept` has the quality `{quality[:20]}`, which is no number.") from None


def _quality(media_type: str, ranges: Sequence[tuple[str, float]]) -> float:
    """The quality of the most specific range that fits."""
    for wanted in (media_type, media_type.partition("/")[0] + "/*", "*/*"):
        fitting = [quality for media_range, quality in ranges if media_range == wanted]
        if fitting:
            return max(fitting)
    return 0.0
