"""What is agreed to be served: every version of every model, or why it is not; plain data that workers hand on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from service.errors import ModelError
from service.folder import Candidate, Candidates
from service.session import NotCarriedModel
from service.vetting import is_required

Key = tuple[str, str]  # name and version
Failures = dict[Key, ModelError]


@dataclass(frozen=True, slots=True)
class Record:
    """One version: what answers, if anything does, and why the newest file does not, if it does not."""

    candidate: Candidate | None = None
    error: ModelError | None = None
    is_required: bool = True

    def as_list(self) -> list[Any]:
        candidate = self.candidate and self.candidate.as_dict()
        return [candidate, self.error and error_as_list(self.error), self.is_required]

    @classmethod
    def from_list(cls, given: list[Any]) -> Record:
        candidate, error, is_required = given
        return cls(candidate and Candidate.from_dict(candidate), error and error_from_list(error), is_required)


Records = dict[str, Record]  # by version


@dataclass(frozen=True, slots=True)
class State:
    """`models` by name, a name without versions where it was demanded and is not there; `demanded` are the names that
    the service is not ready without (None for all); `refused` says of files without a servable name why."""

    models: dict[str, Records] = field(default_factory=dict)
    demanded: list[str] | None = None
    refused: list[str] = field(default_factory=list)

    def served(self, name: str) -> dict[str, Candidate]:
        """What is to be served under a name, by version."""
        found = self.models[name].items()
        return {version: record.candidate for version, record in found if record.candidate is not None}

    def candidates(self) -> list[Candidate]:
        """All that is to be served."""
        records = (record for found in self.models.values() for record in found.values())
        return [record.candidate for record in records if record.candidate is not None]

    def changed(
        self, wanted: Candidates, usable: Mapping[Key, Candidate], failed: Failures, *, is_whole: bool
    ) -> State:
        """With these versions of these names and no others; `usable` are the new ones that are good. One that failed
        leaves the one before in its place, and with `is_whole` its whole name as it was."""
        models = dict(self.models)
        for name, found in wanted.items():
            records = _records(models.pop(name, {}), found, usable, failed, is_whole=is_whole)
            models |= {name: records} if records else {}
        return replace(self, models=models)

    def as_dict(self) -> dict[str, Any]:
        models = {
            name: {version: record.as_list() for version, record in records.items()}
            for name, records in self.models.items()
        }
        return {"models": models, "demanded": self.demanded, "refused": self.refused}

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> State:
        models = {
            name: {version: Record.from_list(record) for version, record in records.items()}
            for name, records in given["models"].items()
        }
        return cls(models, given["demanded"], given["refused"])


def error_as_list(error: ModelError) -> list[Any]:
    return [isinstance(error, NotCarriedModel), str(error)]


def error_from_list(given: list[Any]) -> ModelError:
    return (NotCarriedModel if given[0] else ModelError)(given[1])


def _records(
    known: Records, found: Mapping[str, Candidate], usable: Mapping[Key, Candidate], failed: Failures, *, is_whole: bool
) -> Records:
    """What holds for one name from now on."""
    refused = {
        version: broken(known, one, failed[one.name, version])
        for version, one in found.items()
        if (one.name, version) in failed
    }
    if is_whole and refused:
        return known | refused
    served = {version: usable.get((one.name, version)) for version, one in found.items() if version not in refused}
    good = {version: Record(one) if one else replace(known[version], error=None) for version, one in served.items()}
    return good | refused


def broken(known: Records, candidate: Candidate, error: ModelError) -> Record:
    """What was served goes on, if anything was, with the reason why the newest file is not."""
    before = known.get(candidate.version, Record())
    return Record(before.candidate, error, is_required(candidate))
