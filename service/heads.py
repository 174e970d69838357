"""The heads of requests that can be answered the short way: POSTs to hot routes, of plain framing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.routing import compile_path

from service.errors import ServiceError
from service.exchange import Request, Route
from service.front import Front, request_id

MAX_KNOWN = 1024
MAX_KNOWN_BYTES = 2048
PLAIN_PATH = re.compile(rb"/[A-Za-z0-9._~:/-]*")
UNUSUAL = {"transfer-encoding", "expect", "upgrade"}


@dataclass(frozen=True, slots=True)
class Head:
    """What a request says before its body of `length` bytes."""

    route: Route
    path: str
    query_string: str
    path_parameters: Mapping[str, str]
    headers: Mapping[str, str]
    length: int

    def request(self) -> Request:
        """A new request with this head."""
        return Request(
            "POST", self.path, self.query_string, self.headers, request_id(self.headers), self.path_parameters
        )


class Heads:
    """Reads heads, and knows again those that came before: the callers of a service send few different ones."""

    def __init__(self, routes: Sequence[Route], front: Front, max_body_bytes: int) -> None:
        self.front = front
        self.known: dict[bytes, Head] = {}
        self.hot = [route for route in routes if route.is_hot]
        self._patterns = [(compile_path(route.path)[0], route) for route in self.hot]
        self._max_body_bytes = max_body_bytes

    def read(self, url: bytes, fields: Sequence[tuple[bytes, bytes]]) -> Head | None:
        """None where the request is to go the long way: another path, unusual framing, to be refused at once."""
        path, _, query = url.partition(b"?")
        route, path_parameters = self._route(path)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in fields}
        length = headers.get("content-length", "")
        if route is None or not length.isdecimal() or int(length) > self._max_body_bytes:
            return None
        if UNUSUAL & headers.keys() or len(headers) != len(fields):
            return None
        try:
            self.front.authorise(route, headers)
        except ServiceError:
            return None
        return Head(route, path.decode(), query.decode("latin-1"), path_parameters, headers, int(length))

    def remember(self, raw: bytes, head: Head, fields: int) -> None:
        """Keeps a head, so that it is known by its bytes: those of a request line, `fields` fields and the empty line,
        each ended as the standard says. A parser forgives more, and then `raw` need not be what it read."""
        lines = raw.split(b"\r\n")
        if len(lines) != fields + 3 or raw.count(b"\n") != fields + 2 or not raw.startswith(b"POST "):
            return
        if len(raw) <= MAX_KNOWN_BYTES:
            if len(self.known) >= MAX_KNOWN:
                self.known.clear()
            self.known[raw] = head

    def _route(self, path: bytes) -> tuple[Route | None, Mapping[str, str]]:
        if PLAIN_PATH.fullmatch(path):
            for pattern, route in self._patterns:
                if found := pattern.match(path.decode()):
                    return route, found.groupdict()
        return None, {}
