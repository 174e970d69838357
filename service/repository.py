"""The models being served, by name and version: the shipped ones and those in the user's folder.

What is looked up is an immutable snapshot, and another takes its place in one step: a request sees one or the other.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from service import memory
from service.errors import ModelError, NotCarried, NotFound, NotReady, ServiceError
from service.folder import NAME, SHIPPED, Candidate, Candidates, Folders, shipped
from service.model import Model
from service.session import NotCarriedModel, Runtime
from service.vetting import Version, Vetting

__all__ = ["NAME", "SHIPPED", "Entry", "Repository", "Version", "refuse"]

log = logging.getLogger("actserve.repository")


@dataclass(frozen=True, slots=True)
class Entry:
    """Every version known under one name; none where a name that was asked for is not in the folder."""

    name: str
    versions: Mapping[str, Version] = field(default_factory=dict)
    loaded: tuple[Model, ...] = field(init=False)
    """The versions that answer, the newest first."""

    def __post_init__(self) -> None:
        versions = sorted(self.versions.values(), key=lambda version: -int(version.number))
        loaded = tuple(version.model for version in versions if version.model is not None)
        object.__setattr__(self, "loaded", loaded)

    @property
    def failures(self) -> dict[str, ModelError]:
        """Why versions do not answer."""
        return {number: found.error for number, found in self.versions.items() if found.error and not found.model}

    @property
    def refused(self) -> dict[str, ModelError]:
        """Why the newer file of a version that answers was not taken."""
        return {number: found.error for number, found in self.versions.items() if found.error and found.model}


class Repository:
    """Loads the shipped activations and, unless told otherwise, what its folders have.

    A file that cannot be served never stops the others: it stays in its entry with the reason."""

    def __init__(
        self,
        folder: Path | None,
        runtime: Runtime,
        default_model: str = "",
        *,
        with_networks: bool = True,
        model_name: str | None = None,
        is_default_demanded: bool = False,
        is_empty: bool = False,
    ) -> None:
        self.swaps = 0
        """How often something else has been put in its place; between two of them every name means the same model."""
        self._default_model = default_model
        self._is_default_demanded = is_default_demanded
        vetting = Vetting(runtime)
        everything = vetted(shipped(), vetting)
        self._entries = {name: entry for name, entry in everything.items() if _is_activation(entry)}
        self._fixed = frozenset(self._entries)
        self._aliases = {
            alias: model.name for model in self.activations() for alias in model.metadata.catalogue.get("aliases", ())
        }
        self.folders = Folders(folder, self._fixed, with_networks=with_networks, model_name=model_name)
        self.refused: list[str] = []  # files that have no entry, since their names cannot be served: why
        self.demanded: Collection[str] | None = None  # the names without which it is not ready, where they were named
        # Shipped networks, loaded to tell them from activations; not loaded again by who wants them.
        self.spare = {
            version.candidate: version for entry in everything.values() for version in entry.versions.values()
        }
        if not is_empty:
            look = self.folders.look()
            self.tell_refused(look.refused)
            self.swap(vetted(look.candidates, vetting, self.spare))
            self.spare.clear()

    @property
    def default_model(self) -> str:
        """The name that stands for none: the setting's, or unless that was demanded the only network's."""
        if self._default_model in self._entries or self._is_default_demanded:
            return self._default_model
        networks = self.networks()
        return networks[0].name if len(networks) == 1 else self._default_model

    def model(self, name: str = "", version: str | None = None) -> Model:
        """The model to run; without a name the default one, without a version the highest.

        Raises NotFound, NotReady (there, but broken) or NotCarried."""
        name = name or self.default_model
        entry = self._entries.get(name) or self._entries.get(self._aliases.get(name, ""))
        if entry is None or not entry.versions:
            raise NotFound(f"There is no model `{name}`; `GET /models` lists those there are.")
        if version is None:
            return entry.loaded[0] if entry.loaded else refuse(entry.name, next(iter(entry.failures.values())))
        found = entry.versions.get(version)
        if found is None:
            raise NotFound(
                f"Model `{entry.name}` has no version `{version}`; it has {', '.join(sorted(entry.versions))}."
            )
        return found.model or refuse(entry.name, entry.failures[version])

    def activation(self, name: str) -> Model:
        """An activation by its name or one of its aliases."""
        entry = self._entries.get(self._aliases.get(name, name))
        model = entry.loaded[0] if entry and entry.loaded else None
        if model is None or not model.metadata.is_activation:
            raise NotFound(f"There is no activation `{name}`; `GET /activations` lists those there are.")
        return model

    def versions(self, name: str) -> list[str]:
        """The versions of a model that answer, the newest first."""
        return [model.version for model in self._entries[name].loaded]

    def give_back(self) -> None:
        """Gives back to the machine what models that are gone held, and what runs left in the arena and the heap."""
        for model in self.activations()[:1]:
            with suppress(ServiceError):  # of a run that cannot be had just now
                model.session.give_back({"x": np.zeros((), np.float32)}, ["y"])
        memory.give_back()

    def activations(self) -> list[Model]:
        return [model for model in self._newest() if model.metadata.is_activation]

    def networks(self) -> list[Model]:
        return [model for model in self._newest() if not model.metadata.is_activation]

    def served(self) -> list[Model]:
        """Every version of every model that answers."""
        return [model for entry in self._entries.values() for model in entry.loaded]

    def entries(self) -> list[Entry]:
        """Everything found, by name."""
        return [entry for _, entry in sorted(self._entries.items())]

    def entry(self, name: str) -> Entry:
        """What is known under a name, an entry without versions where that is nothing."""
        return self._entries.get(name, Entry(name))

    def names(self) -> set[str]:
        """All but the activations' names."""
        return self._entries.keys() - self._fixed

    def swap(self, entries: Mapping[str, Entry | None]) -> list[Model]:
        """Puts entries in the place of those of their names, None for none; gives the models that are gone by that."""
        before = self._entries
        after = {**before, **entries}
        self._entries = {name: entry for name, entry in after.items() if entry is not None}
        self.swaps += 1
        kept = {id(model) for entry in entries.values() if entry for model in entry.loaded}
        known = (before[name] for name in entries if name in before)
        return [model for entry in known for model in entry.loaded if id(model) not in kept]

    def tell_refused(self, reasons: list[str]) -> None:
        """Takes note of files whose names cannot be served, and logs those that are news."""
        for reason in reasons:
            if reason not in self.refused:
                log.error(reason)
        self.refused = reasons

    def problems(self) -> list[str]:
        """Why the service is not ready, one sentence each; empty when it is."""
        missing = [] if self.networks() else ["No model is loaded."]
        if self._is_default_demanded and not self.entry(self._default_model).loaded:
            missing.append(f"Model `{self._default_model}` (`--default-model`) is not loaded.")
        return [*missing, *self.refused, *self._broken(), *self.faults()]

    def faults(self) -> list[str]:
        """One sentence for each model whose device failed and cannot be used again, by this process at least."""
        told = ((model, model.fault) for model in self.served())
        return [f"Model `{model.name}` version {model.version}: {fault}" for model, fault in told if fault]

    def _broken(self) -> list[str]:
        entries = [entry for entry in self.entries() if self.demanded is None or entry.name in self.demanded]
        absent = [
            f"Model `{entry.name}` (`--load-model`) is not in the folder." for entry in entries if not entry.versions
        ]
        return absent + [
            f"Model `{entry.name}` version {version}: {error}"
            for entry in entries
            for version, error in entry.failures.items()
            if entry.versions[version].is_required
        ]

    def _newest(self) -> Iterator[Model]:
        return (entry.loaded[0] for entry in self.entries() if entry.loaded)


def vetted(
    candidates: Candidates, vetting: Vetting, ready: Mapping[Candidate | None, Version] = {}
) -> dict[str, Entry]:
    """Every candidate as a version that answers or says why not; what is `ready` is taken as it is."""
    found: dict[str, Entry] = {}
    among = sum(len(versions) for versions in candidates.values())
    for name, versions in candidates.items():
        made = {number: ready.get(one) or vetting.vet(one, among) for number, one in versions.items()}
        found[name] = Entry(name, made)
    return found


def refuse(name: str, error: ModelError) -> Model:
    """Raises what a request to a model gets that is not loaded for this reason."""
    if isinstance(error, NotCarriedModel):
        raise NotCarried(f"Model `{name}` cannot be served: {error}") from error
    raise NotReady(f"Model `{name}` is not loaded: {error}", headers=(("Retry-After", "5"),)) from error


def _is_activation(entry: Entry) -> bool:
    return bool(entry.loaded and entry.loaded[0].metadata.is_activation)
