"""Copies of the files of what is served, from which a worker that starts later loads the very same."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from service.errors import ModelError
from service.folder import Candidate
from service.state import Failures, Key, State, broken
from service.vetting import copied


class Copies:
    """In a folder of the workers' own, whatever becomes of the originals; without a folder nothing is copied, since
    nobody will need it, or the originals do not change."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def of_all(self, state: State) -> State:
        """The same state, made of copies."""
        usable, failed = self.of(state.candidates())
        models = {
            name: {
                version: broken({}, record.candidate, failed[name, version])
                if (name, version) in failed and record.candidate
                else replace(record, candidate=usable.get((name, version)))
                for version, record in records.items()
            }
            for name, records in state.models.items()
        }
        return replace(state, models=models)

    def of(self, candidates: Iterable[Candidate]) -> tuple[dict[Key, Candidate], Failures]:
        """Copies by name and version, and why there is none of the others."""
        usable: dict[Key, Candidate] = {}
        failed: Failures = {}
        for one in candidates:
            try:
                usable[one.name, one.version] = self._copied(one)
            except ModelError as error:
                failed[one.name, one.version] = error
        return usable, failed

    def _copied(self, candidate: Candidate) -> Candidate:
        if self._folder is None or candidate.is_shipped:
            return candidate
        return copied(candidate, self._folder / uuid4().hex)

    def keep_only(self, state: State) -> None:
        """Removes the copies of what is not served any more."""
        if self._folder is not None and self._folder.is_dir():
            for folder in set(self._folder.iterdir()) - {candidate.base for candidate in state.candidates()}:
                shutil.rmtree(folder, ignore_errors=True)
