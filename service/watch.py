"""Decides when a change that is seen in the folder is whole: a file that is still being written is waited for."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from service.folder import Candidate, Candidates

Versions = Mapping[str, Candidate]


class Watch:
    """Compares each look at the folder with what is served and with the look before."""

    def __init__(self, interval_s: float) -> None:
        self._settled_ns = int(2 * interval_s * 1e9)
        self._before: Candidates | None = None
        self._tried: Candidates = {}

    def due(self, found: Candidates, served: Mapping[str, Versions]) -> Candidates:
        """The names that are to be changed now, with all the versions they have (none where a model is gone).

        What was tried is not tried again until it changes."""
        every = {name: found.get(name, {}) for name in found.keys() | served.keys()}
        changed = {name: versions for name, versions in every.items() if self._is_news(name, versions, served)}
        due = {name: versions for name, versions in changed.items() if self._is_settled(name, versions, served)}
        self._before = found
        self._tried = {name: tried for name, tried in self._tried.items() if name in found} | due
        return due

    def forget(self, names: Iterable[str]) -> None:
        """Has names tried again, since something else than their files has failed."""
        for name in names:
            self._tried.pop(name, None)

    def _is_news(self, name: str, versions: Versions, served: Mapping[str, Versions]) -> bool:
        """True for what differs from what is served; after a candidate was refused, for the old one's return too."""
        if name in self._tried:
            return versions != self._tried[name]
        return not _equal(versions, served.get(name, {}))

    def _is_settled(self, name: str, versions: Versions, served: Mapping[str, Versions]) -> bool:
        """Seen so in two looks; or nothing is missing and the youngest file has not been written to for a while, as
        when it was renamed into its place."""
        if self._before is not None and self._before.get(name, {}) == versions:
            return True
        youngest = max((one.changed_ns for one in versions.values()), default=0)
        return versions.keys() >= served.get(name, {}).keys() and time.time_ns() - youngest > self._settled_ns


def _equal(found: Versions, served: Versions) -> bool:
    return found.keys() == served.keys() and all(one.is_same_as(served[version]) for version, one in found.items())
