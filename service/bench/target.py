"""A server and a path on it: single requests to look and to ask, connections for the load."""

from __future__ import annotations

import asyncio
import http.client
import re
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from service import __version__
from service.bench.connection import Connection

SCHEMES = {"http": 80, "https": 443}
URL = re.compile(r"[!-~]+")  # what stands in a request line has no spaces and no control characters
NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
VALUE = re.compile(r"[\t -~\x80-\xff]*")
FRAMING = {"content-length", "transfer-encoding", "connection", "expect", "upgrade"}

Headers = Mapping[str, str]


class BenchError(Exception):
    """Why there is no load, or none that was answered; one sentence."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer; header names are lower case."""

    status: int
    headers: Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class Target:
    """`path` has the query with it. `address` is the one of the host that has answered."""

    scheme: str
    host: str
    port: int
    path: str
    address: str = ""
    tls: ssl.SSLContext | None = None

    @property
    def authority(self) -> str:
        """The value of `Host`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == SCHEMES[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"

    def at(self, path: str) -> Target:
        """Another path of the same server."""
        return replace(self, path=path)

    def reached(self, timeout_s: float) -> Target:
        """The target with its address, so that it need not be looked up for each connection. Raises BenchError."""
        try:
            with socket.create_connection((self.host, self.port), timeout_s) as connection:
                return replace(self, address=connection.getpeername()[0])
        except OSError as error:
            raise BenchError(f"{self.authority} cannot be reached: {_reason(error)}.") from error

    def ask(self, method: str, headers: Headers, body: bytes | None, timeout_s: float) -> Reply:
        """One request on a connection of its own. Raises BenchError where no whole answer comes."""
        client = self._client(timeout_s)
        try:
            client.request(method, self.path, body, dict(headers))
            response = client.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Reply(response.status, found, response.read())
        except (OSError, http.client.HTTPException) as error:
            raise BenchError(f"{self.url} gave no whole answer: {_reason(error)}.") from error
        finally:
            client.close()

    async def connect(self, factory: Callable[[], Connection]) -> Any:
        """Opens a connection of the load. Raises OSError."""
        name = self.host if self.tls else None
        return await asyncio.get_running_loop().create_connection(
            factory, self.address or self.host, self.port, ssl=self.tls, server_hostname=name
        )

    def data(self, headers: Headers, body: bytes) -> bytes:
        """All bytes of a POST."""
        fields = {"host": self.authority} | dict(headers) | {"content-length": str(len(body))}
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return f"POST {self.path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + body

    def _client(self, timeout_s: float) -> http.client.HTTPConnection:
        if self.tls is not None:
            return http.client.HTTPSConnection(self.host, self.port, timeout=timeout_s, context=self.tls)
        return http.client.HTTPConnection(self.host, self.port, timeout=timeout_s)


def parse(url: str) -> Target:
    """A URL, or what stands behind `http://` in one. Raises ValueError with a sentence."""
    whole = url if "://" in url else f"http://{url}"
    parts = urlsplit(whole)
    if not URL.fullmatch(whole) or not parts.hostname or parts.scheme not in SCHEMES:
        raise ValueError("expected http://HOST[:PORT][/PATH] or https://…")
    if parts.username is not None:
        raise ValueError("a name or password in a URL is not sent; use -H 'Authorization: …'")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    tls = ssl.create_default_context() if parts.scheme == "https" else None
    return Target(
        parts.scheme, parts.hostname, SCHEMES[parts.scheme] if parts.port is None else parts.port, path, tls=tls
    )


def common_headers(given: Sequence[str], token: str | None) -> dict[str, str]:
    """The headers of every request, names in lower case: `given` as `Name: value`. Raises ValueError."""
    found = {"user-agent": f"actserve/{__version__}", "accept": "*/*"}
    for text in (f"Authorization: Bearer {token}",) * bool(token) + tuple(given):
        name, colon, value = text.partition(":")
        if not colon or not NAME.fullmatch(name) or not VALUE.fullmatch(value):
            raise ValueError(f"expected `Name: value` of printable characters, got {text!r}")
        if name.lower() in FRAMING:
            raise ValueError(f"`{name}` is set by the load itself")
        found[name.lower()] = value.strip()
    return found


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return said.rstrip(".") or type(error).__name__
