"""Ids of requests: the caller's own, or ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from secrets import token_hex

MAX_LENGTH = 128

_OCTETS = [f"{number:02x}" for number in range(256)]
new_id: Callable[[], str] = map("".join, product([token_hex(8)], *[_OCTETS] * 8)).__next__
"""An id of this process, and of one request in it: all numbers of sixteen digits in turn."""


def request_id(headers: Mapping[str, str]) -> str:
    """The caller's own, else a new one."""
    return sent_id(headers) or new_id()


def sent_id(headers: Mapping[str, str]) -> str:
    """The caller's `X-Request-Id` where it is printable and short, else nothing."""
    sent = headers.get("x-request-id", "")
    return sent if len(sent) <= MAX_LENGTH and sent.isascii() and sent.isprintable() else ""
