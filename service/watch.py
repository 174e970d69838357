"""Decides when a change that is seen in the folder is whole: a file that is still being written is waited for."""

from __future__ import annotations

import time
from collections.abc import Mapping

from service.folder import Candidate, Candidates

Versions = Mapping[str, Candidate]


class Watch:
    """Compares each look at the folder with what is served and with the look before."""

    def __init__(self, interval_s: float) -> None:
        self._settled_ns = int(2 * interval_s * 1e9)
        self._before: Candidates = {}
        self._tried: Candidates = {}

    def due(self, found: Candidates, served: Mapping[str, Versions]) -> Candidates:
        """The names that are to be changed now, with all the versions they have (none where a model is gone).

        What was tried is not tried again until it changes."""
        changed = {
            name: found.get(name, {})
            for name in found.keys() | served.keys()
            if not _equal(found.get(name, {}), served.get(name, {})) and found.get(name, {}) != self._tried.get(name)
        }
        due = {name: versions for name, versions in changed.items() if self._is_settled(name, versions, served)}
        self._before = found
        self._tried = {name: tried for name, tried in self._tried.items() if name in found} | due
        return due

    def _is_settled(self, name: str, versions: Versions, served: Mapping[str, Versions]) -> bool:
        """Seen so in two looks; or nothing is missing and the youngest file has not been written to for a while, as
        when it was renamed into its place."""
        if self._before.get(name, {}) == versions:
            return True
        youngest = max((one.changed_ns for one in versions.values()), default=0)
        return versions.keys() >= served.get(name, {}).keys() and time.time_ns() - youngest > self._settled_ns


def _equal(found: Versions, served: Versions) -> bool:
    return found.keys() == served.keys() and all(one.is_same_as(served[version]) for version, one in found.items())
