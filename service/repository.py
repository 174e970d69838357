"""The models being served, by name and version: the shipped ones and those in the user's folder."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from service.errors import ModelError, NotCarried, NotFound, NotReady
from service.model import Model
from service.session import NotCarriedModel, ProviderError, Runtime

log = logging.getLogger("actserve.repository")

NAME = re.compile(r"[A-Za-z0-9._-]{1,128}")
SHIPPED = Path(__file__).parent.parent / "models" / "repository"


@dataclass(slots=True)
class Entry:
    """Every version found under one name: loaded, or the reason why not."""

    name: str
    versions: dict[str, Model | ModelError] = field(default_factory=dict)

    @property
    def loaded(self) -> list[Model]:
        """The versions that answer, the newest first."""
        return [model for _, model in sorted(self.versions.items(), key=_newest_first) if isinstance(model, Model)]

    @property
    def failures(self) -> dict[str, ModelError]:
        return {version: found for version, found in self.versions.items() if isinstance(found, ModelError)}


class Repository:
    """Loads the shipped activations and, unless told otherwise, networks; then the user's folder, where a name takes
    the place of a shipped network's.

    A file that cannot be served never stops the others: it stays in its entry with the reason."""

    def __init__(
        self, folder: Path | None, runtime: Runtime, default_model: str = "", *, with_networks: bool = True
    ) -> None:
        self.default_model = default_model
        self._entries: dict[str, Entry] = {}
        self.refused: list[str] = []  # files that have no entry, since their names cannot be served: why
        # Their runs are too short to gain from a second thread, and each session would have its own.
        self._load_folder(SHIPPED, replace(runtime, intra_op_threads=1))
        if not with_networks:
            self._entries = {model.name: self._entries[model.name] for model in self.activations()}
        if folder is not None:
            self._load_folder(folder, runtime)
        networks = self.networks()
        if default_model not in self._entries and len(networks) == 1:
            self.default_model = networks[0].name  # the only one there is
        self._aliases = {
            alias: model.name for model in self.activations() for alias in model.metadata.catalogue.get("aliases", ())
        }

    def model(self, name: str = "", version: str | None = None) -> Model:
        """The model to run; without a name the default one, without a version the highest.

        Raises NotFound, NotReady (there, but broken) or NotCarried."""
        entry = self._entries.get(name or self.default_model) or self._entries.get(self._aliases.get(name, ""))
        if entry is None:
            raise NotFound(f"There is no model `{name or self.default_model}`; `GET /models` lists those there are.")
        if version is None:
            return entry.loaded[0] if entry.loaded else _refuse(entry.name, next(iter(entry.failures.values())))
        found = entry.versions.get(version)
        if found is None:
            raise NotFound(
                f"Model `{entry.name}` has no version `{version}`; it has {', '.join(sorted(entry.versions))}."
            )
        return found if isinstance(found, Model) else _refuse(entry.name, found)

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

    def activations(self) -> list[Model]:
        return [model for model in self._newest() if model.metadata.is_activation]

    def networks(self) -> list[Model]:
        return [model for model in self._newest() if not model.metadata.is_activation]

    def entries(self) -> list[Entry]:
        """Everything found, by name."""
        return [entry for _, entry in sorted(self._entries.items())]

    def problems(self) -> list[str]:
        """Why the service is not ready, one sentence each; empty when it is."""
        if not self.networks():
            return ["No model is loaded.", *self._broken()]
        return self._broken()

    def _broken(self) -> list[str]:
        return self.refused + [
            f"Model `{entry.name}` version {version}: {error}"
            for entry in self.entries()
            for version, error in entry.failures.items()
        ]

    def _newest(self) -> Iterator[Model]:
        return (entry.loaded[0] for entry in self.entries() if entry.loaded)

    def _load_folder(self, folder: Path, runtime: Runtime) -> None:
        if not folder.is_dir():
            raise ModelError(f"`--models`: there is no folder `{folder}`.")
        found: dict[str, Entry] = {}
        for name, version, path in _listed(folder):
            if self._is_activation(name):
                self._leave_out(f"Model `{name}`: that is the name of an activation, and those are reserved.")
                continue
            if not NAME.fullmatch(name):
                self._leave_out(f"Model `{name[:128]}`: a name has 1 to 128 letters, digits, `.`, `_` and `-`.")
                continue
            found.setdefault(name, Entry(name)).versions[version] = self._load(name, version, path, runtime)
        self._entries |= found

    def _leave_out(self, reason: str) -> None:
        self.refused.append(reason)
        log.error(reason)

    def _load(self, name: str, version: str, path: Path, runtime: Runtime) -> Model | ModelError:
        try:
            return Model(name, version, path, runtime)
        except ProviderError:  # no fault of the model's: none could be served as demanded
            raise
        except ModelError as error:
            log.error("model %s version %s is not served: %s", name, version, error)
            return error

    def _is_activation(self, name: str) -> bool:
        entry = self._entries.get(name)
        return bool(entry and entry.loaded and entry.loaded[0].metadata.is_activation)


def _listed(folder: Path) -> list[tuple[str, str, Path]]:
    try:
        return list(_files(folder))
    except OSError as error:
        raise ModelError(f"`--models`: the folder `{folder}` cannot be read ({error.strerror}).") from error


def _files(folder: Path) -> Iterator[tuple[str, str, Path]]:
    """(name, version, path) of each model: `<name>/<version>/model.onnx`, or `<name>/model.onnx` and `<name>.onnx`,
    which are version 1. Hidden files are passed over: Kubernetes mounts bring `..data`."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_file() and path.suffix == ".onnx":
            yield path.stem, "1", path
        elif path.is_dir():
            if (path / "model.onnx").is_file():
                yield path.name, "1", path / "model.onnx"
            numbered = (file for file in path.glob("*/model.onnx") if file.parent.name.isdecimal())
            yield from ((path.name, file.parent.name, file) for file in sorted(numbered))


def _newest_first(item: tuple[str, object]) -> int:
    return -int(item[0])


def _refuse(name: str, error: ModelError) -> Model:
    if isinstance(error, NotCarriedModel):
        raise NotCarried(f"Model `{name}` cannot be served: {error}") from error
    raise NotReady(f"Model `{name}` is not loaded: {error}", headers=(("Retry-After", "5"),)) from error
