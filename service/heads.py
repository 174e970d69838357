"""The heads of requests that can be answered the short way: those to hot routes, of plain framing."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.routing import compile_path

from service.burst import Bursts
from service.errors import ServiceError
from service.exchange import Request, Route
from service.front import Front
from service.ids import sent_id
from service.plan import PLANNED, Inference, Plan

MAX_KNOWN = 256  # of which each has some 3 kB
MAX_KNOWN_BYTES = 2048
LENGTH = b"\r\nContent-Length: "
MAX_DIGITS = 15
PLAIN_PATH = re.compile(rb"/[A-Za-z0-9._~:/-]*")
UNUSUAL = {"transfer-encoding", "expect", "upgrade"}


@dataclass(slots=True)
class Head:
    """What a request says before its body, and of how many bytes that was when it came first."""

    route: Route
    path: str
    query_string: str
    path_parameters: Mapping[str, str]
    headers: Mapping[str, str]
    length: int
    request_id: str  # the caller's own, if any
    plan: Plan | None = None  # what its handler makes of it; None where that is to be told when the body is there

    def request(self, request_id: str) -> Request:
        """A new request with this head."""
        return Request(self.route.method, self.path, self.query_string, self.headers, request_id, self.path_parameters)


class Heads:
    """Reads heads, and knows again those that came before: the callers of a service send few different ones."""

    def __init__(self, routes: Sequence[Route], front: Front, bursts: Bursts, max_body_bytes: int) -> None:
        self.front = front
        self.bursts = bursts
        self.known: dict[bytes, Head] = {}
        self._plans: dict[Hashable, Plan] = {}
        self.hot = [route for route in routes if route.is_hot]
        self._patterns = [(compile_path(route.path)[0], route) for route in self.hot]
        self.max_body_bytes = max_body_bytes

    def read(self, method: bytes, url: bytes, fields: Sequence[tuple[bytes, bytes]]) -> Head | None:
        """None where the request is to go the long way: another path, unusual framing, to be refused at once."""
        path, _, query = url.partition(b"?")
        route, path_parameters = self._route(method.decode("latin-1"), path)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in fields}
        length = headers.get("content-length", "0" if method == b"GET" else "")
        if route is None or not length.isdecimal() or int(length) > self.max_body_bytes:
            return None
        if UNUSUAL & headers.keys() or len(headers) != len(fields):
            return None
        try:
            self.front.tokens.check(headers, is_admin=route.is_admin)
        except ServiceError:
            return None
        own_id = sent_id(headers)
        head = Head(route, path.decode(), query.decode("latin-1"), path_parameters, headers, int(length), own_id)
        head.plan = self._plan(head)
        return head

    def renew(self) -> None:
        """Lets go of plans whose model is not served any more; the same heads ask for the one that is there now."""
        if all(plan.holds() for plan in self._plans.values()):
            return
        self._plans = {key: plan for key, plan in self._plans.items() if plan.holds()}
        for head in self.known.values():
            head.plan = self._plan(head)

    def _plan(self, head: Head) -> Plan | None:
        """One plan for all heads that ask for the same; a body in another encoding is nothing that can be planned."""
        told = {name: head.headers[name] for name in PLANNED if name in head.headers}
        if "content-encoding" in told or not isinstance(head.route.handler, Inference):
            return None
        key = (head.path, head.query_string, *told.items())
        plan = self._plans.get(key)
        if plan is None or not plan.holds():
            request = Request(head.route.method, head.path, head.query_string, told, "", head.path_parameters)
            try:
                plan = head.route.handler.plan(request)
            except ServiceError:
                return None
            plan.path = head.route.path
            _keep(self._plans, key, plan)
        return plan

    def remember(self, raw: bytes, head: Head, fields: int) -> None:
        """Keeps a head, so that it is known by its bytes: those of a request line, `fields` fields and the empty line,
        each ended as the standard says. A parser forgives more, and then `raw` need not be what it read."""
        lines = raw.split(b"\r\n")
        is_plain = raw.startswith(head.route.method.encode() + b" ")
        if len(lines) != fields + 3 or raw.count(b"\n") != fields + 2 or not is_plain:
            return
        key, length = without_length(raw)
        if len(raw) <= MAX_KNOWN_BYTES and length == head.length:
            _keep(self.known, key, head)

    def _route(self, method: str, path: bytes) -> tuple[Route | None, Mapping[str, str]]:
        if PLAIN_PATH.fullmatch(path):
            for pattern, route in self._patterns:
                if route.method == method and (found := pattern.match(path.decode())):
                    return route, found.groupdict()
        return None, {}


def without_length(raw: bytes) -> tuple[bytes, int]:
    """A head without the digits of its length, and what they say; as it is, and 0, where it tells none, and -1 where
    they are not plain."""
    start = raw.find(LENGTH)
    if start < 0:
        start = raw.find(LENGTH.lower())
    start += len(LENGTH)
    end = raw.find(b"\r", start)
    digits = raw[start:end]
    if start < len(LENGTH):
        return raw, 0
    if not digits.isdigit() or end - start > MAX_DIGITS:
        return raw, -1
    return raw[:start] + raw[end:], int(digits)


def _keep(known: dict[Any, Any], key: Hashable, value: object) -> None:
    """With an end to how many there are."""
    if len(known) >= MAX_KNOWN:
        known.clear()
    known[key] = value
