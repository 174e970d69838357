"""The explorer: the page at `/`, out of files that any cache may keep for good."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from service.codecs import media
from service.errors import NotFound
from service.exchange import Handler, Request, Response, Route, answer_json

FOLDER = Path(__file__).parent.parent / "explorer"
PAGE = "text/html"
HTML = f"{PAGE}; charset=utf-8"
TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".json": media.JSON,
    ".png": media.PNG,
    ".svg": media.SVG,
}
# Nothing that is not listed, nothing inline, no text that becomes markup or a script, and no other host.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    )
)
HEADERS = (
    ("Content-Security-Policy", POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
)
VARY = (("Vary", "Accept"),)
# With the page: it names the files by their content, so that a cached one is never another server's.
FRESH = (("Cache-Control", "no-cache"),)
FOR_GOOD = (("Cache-Control", "public, max-age=31536000, immutable"),)


@cache
def _files() -> dict[str, bytes]:
    """What the page loads, by name; read when it is first asked for, and the same from then on."""
    return {file.name: file.read_bytes() for file in sorted(FOLDER.iterdir()) if file.suffix in TYPES}


@cache
def _content() -> str:
    """A name for the content of all of them. They lie under it, so that what one imports beside itself has it too."""
    found = hashlib.sha256()
    for name, body in _files().items():
        found.update(f"{name} {len(body)} ".encode() + body)
    return found.hexdigest()[:16]


@cache
def _page() -> bytes:
    base = f"explorer/{_content()}/"
    return (FOLDER / "index.html").read_text().replace("{{base}}", base).encode()


async def alive(request: Request) -> Response:
    """The word by which KServe's first protocol tells liveness."""
    return answer_json({"status": "alive"})


async def start(request: Request) -> Response:
    """The explorer for a browser, and the word of liveness for a client."""
    if media.accepted(request.headers, (media.JSON, PAGE)) == media.JSON:
        return answer_json({"status": "alive"}, headers=VARY)
    return Response(_page(), HTML, headers=HEADERS + VARY + FRESH)


async def file(request: Request) -> Response:
    """A file of the explorer."""
    name, content = request.path_parameters["file"], request.path_parameters["content"]
    # By name out of the listing, so that no path in a request is ever a path on the disk.
    body = _files().get(name)
    if body is None or content != _content():
        raise NotFound("There is no such file of the page: it may be that of another version. Reload the page.")
    return Response(body, TYPES[Path(name).suffix], headers=(*HEADERS, *FOR_GOOD))


def routes(*, with_page: bool) -> list[Route]:
    """`GET /`, and the files of the page where there is one."""

    def hidden(path: str, handler: Handler) -> Route:
        return Route("GET", path, handler, {"is_documented": False}, is_open=True)

    if not with_page:
        return [hidden("/", alive)]
    return [hidden("/", start), hidden("/explorer/{content}/{file}", file)]
