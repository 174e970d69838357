"""What simdjson does not read, read by the standard library: numbers of any size, constants without quotes; and where
the mistake is in what is no JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from service.errors import BadBody

EXPLAIN_BYTES = 1 << 16  # a body up to this size is parsed a second time to tell where its mistake is
MAX_DIGITS = 400  # of a whole number; a float64 ends at 309


def parse(body: bytes, constant: Callable[[str], Any]) -> Any:
    """simdjson stops at a number that fits neither 64 bits nor a float64. It is legal JSON all the same, and where it
    stands decides whether it is a fine float or out of range, so the standard library reads it, made strict."""
    try:
        text = body.decode("utf-8-sig")
        found = json.loads(text, object_pairs_hook=unique, parse_constant=constant, parse_int=_whole)
        if "\\u" in text:
            json.dumps(found, ensure_ascii=False).encode()  # fails for half a surrogate pair, which is no text
        return found
    except (ValueError, RecursionError) as error:
        raise BadBody(f"The body is not JSON: {explain(body, error)}.") from error


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The members of an object. Raises BadBody where two have the same key."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadBody("The body has the same key twice.")
    return found


def refuse(constant: str) -> None:
    """NaN and the infinities without quotes."""
    raise ValueError(f"not JSON: {constant} must be a string")


def explain(body: bytes, error: Exception) -> str:
    """Where the mistake is, from the standard library's parser, which is slow but knows."""
    if len(body) <= EXPLAIN_BYTES:
        try:
            json.loads(body)
        except json.JSONDecodeError as found:
            return f"{found.msg} at line {found.lineno}, column {found.colno}"
        except UnicodeDecodeError:
            return "it is not UTF-8"
        except (RecursionError, ValueError):
            pass
    return str(error).partition(": ")[2].partition(":")[0].partition(".")[0] or "it cannot be parsed"


def _whole(digits: str) -> int | float:
    """Python takes a time that grows with the square of the digits, so it refuses more than 4,300; none has so many
    and fits a datatype."""
    return int(digits) if len(digits) < MAX_DIGITS else float(digits)
