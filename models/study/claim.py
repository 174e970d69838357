"""A saying of tutorials, and the words in which numbers answer it. The words follow from the numbers by rule."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

HOLDS: Final = "holds"
IN_PART: Final = "holds in part"
NOT_SHOWN: Final = "does not show"
OPPOSITE: Final = "the opposite shows"
OPPOSITE_IN_PART: Final = "the opposite shows in part"
MIXED: Final = "holds in part, the opposite in part"


@dataclass(frozen=True)
class Claim:
    """What is `said`, the `verdict`, what was `seen` in a sentence or two, and the `evidence` in Markdown."""

    said: str
    verdict: str
    seen: str
    evidence: str

    @property
    def anchor(self) -> str:
        """Where the heading with `said` is found in the page."""
        return "".join(letter for letter in self.said.lower().replace(" ", "-") if letter.isalnum() or letter in "-_")


def by_direction(directions: Iterable[int]) -> str:
    """The verdict on several comparisons: 1 where the saying shows, −1 where its opposite does, 0 where neither."""
    found = frozenset(directions)
    simple = {frozenset({1}): HOLDS, frozenset({0}): NOT_SHOWN, frozenset({-1}): OPPOSITE}
    partial = {frozenset({0, 1}): IN_PART, frozenset({0, -1}): OPPOSITE_IN_PART}
    return (simple | partial).get(found, MIXED)


def by_count(right: int, of: int) -> str:
    """The verdict on something that is so in `right` of so many cases."""
    if right == 0:
        return NOT_SHOWN
    return HOLDS if right == of else IN_PART
