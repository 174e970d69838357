"""Requests as files for wrk; those of one form are written once and shared by the peers that take it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cases import Case
from benchmarks.faces import Face


@dataclass(frozen=True, slots=True)
class Requests:
    """The headers, which all have, and a file for each body."""

    headers: Mapping[str, str]
    files: list[Path]

    @property
    def body_bytes(self) -> int:
        """Of one body, in the mean."""
        return sum(file.stat().st_size for file in self.files) // len(self.files)


class Bodies:
    """The requests of each form and case, in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written: dict[tuple[object, Case], Requests] = {}

    def requests(self, face: Face, case: Case) -> Requests:
        key = (face.write, case)
        if key not in self._written:
            self._written[key] = _write(face, case, self._folder / str(len(self._written)))
        return self._written[key]


def _write(face: Face, case: Case, folder: Path) -> Requests:
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for number, rows in enumerate(case.batches()):
        message = face.write(rows)
        files.append(folder / str(number))
        files[-1].write_bytes(message.body)
    return Requests(message.headers, files)
