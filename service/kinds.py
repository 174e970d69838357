"""What a setting may be: the words for it, and how it is made of the text of a flag or variable, or of a value.

pydantic would do the same for 9 MB of memory and a tenth of a second of each start.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from operator import index
from pathlib import Path
from typing import Any, TypeVar

WRONG = (ValueError, TypeError, KeyError)  # what `read` raises
TRUTHS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
MOST_S = 86_400
PATH_OF_A_REQUEST = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@/-]*")  # no query, no template, no escapes

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Kind:
    """`expected` stands in the sentence about what is something else."""

    expected: str
    read: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Secret:
    """Text that stands in no log and no traceback."""

    text: str = field(repr=False)


def whole(least: int, most: int | None = None, word: str | None = None) -> Kind:
    """A whole number within bounds, or the one word that may stand for it."""

    def read(given: Any) -> int | str:
        if word is not None and given == word:
            return word
        number = int(given) if isinstance(given, str) else index(given)
        return _demanded(number, number >= least and (most is None or number <= most))

    bounds = f"a whole number from {least} {'up' if most is None else f'to {most}'}"
    return Kind(bounds if word is None else f"`{word}` or {bounds}", read)


def number(least: float, most: float) -> Kind:
    """A number within bounds."""

    def read(given: Any) -> float:
        value = float(given)
        return _demanded(value, least <= value <= most)

    return Kind(f"a number from {least:g} to {most:,g}", read)


def one_of(*names: str) -> Kind:
    """One of a few words."""
    return Kind(f"one of {', '.join(names)}", lambda given: _demanded(given, given in names))


def _text(given: str) -> str:
    return _demanded(given, isinstance(given, str))


def _seconds(given: Any) -> float:
    seconds = float(given)
    return _demanded(seconds, 0 < seconds <= MOST_S)


def _switch(given: Any) -> bool:
    return given if isinstance(given, bool) else TRUTHS[given.lower()]


def _path_of_a_request(given: str) -> str:
    return _demanded(given, PATH_OF_A_REQUEST.fullmatch(given))


def _secret(given: Secret | str) -> Secret:
    return given if isinstance(given, Secret) else Secret(_demanded(_text(given), given))


def _names(given: Any) -> tuple[str, ...]:
    texts = (given,) if isinstance(given, str) else given
    return tuple(name.strip() for text in texts for name in text.split(",") if name.strip())


def _demanded(value: T, holds: object) -> T:
    if not holds:
        raise ValueError
    return value


TEXT = Kind("text", _text)
PATH = Kind("a path", Path)
SWITCH = Kind("true or false", _switch)
SECONDS = Kind(f"seconds, more than 0 and at most {MOST_S}", _seconds)
ROUTE = Kind("a path as it stands in a request, such as `/predict`", _path_of_a_request)
SECRET = Kind("text that is not empty", _secret)
NAMES = Kind("names, with commas between them where there are several", _names)
