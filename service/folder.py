"""What lies in the folders of models, by name and version, and by which signs a change is seen."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from service import graph, reference
from service.errors import ModelError

NAME = re.compile(r"[A-Za-z0-9._-]{1,128}")
SHIPPED = Path(__file__).parent.parent / "models" / "repository"
LOST_AND_FOUND = "lost+found"
ABSENT = (-1, 0, 0)

Signs = tuple[int, int, int]  # size, time of change in ns, inode
Files = tuple[tuple[str, Signs], ...]
Known = dict[Path, tuple[Signs, list[str]]]  # the external data that graphs name, asked again when the file has changed


@dataclass(frozen=True, slots=True)
class Candidate:
    """One version as it lies in its folder. `files` are all that it is made of, relative to `base`, with their signs;
    two candidates that are equal have the same content."""

    name: str
    version: str
    base: Path
    file: str
    files: Files = ()
    is_shipped: bool = False
    copied_from: Files = ()  # where it is a copy: the files of the original

    @property
    def path(self) -> Path:
        return self.base / self.file

    @property
    def toml_path(self) -> Path:
        """What a graph cannot say stands there, if the file exists."""
        return self.base / f"{Path(self.file).stem}.toml"

    @property
    def has_external_data(self) -> bool:
        return len(self.files) > 3  # the graph, and what may stand beside it

    def is_same_as(self, other: Candidate | None) -> bool:
        """True when both are the same files, or copies of them."""
        return (
            other is not None
            and self.is_shipped == other.is_shipped
            and (self.copied_from or self.files) == (other.copied_from or other.files)
        )

    @property
    def changed_ns(self) -> int:
        """When the youngest of its files was written."""
        return max((signs[1] for _, signs in self.files), default=0)

    def is_unchanged(self) -> bool:
        """True when its files are still those that were looked at."""
        return all(_signs(self.base / file) == signs for file, signs in self.files)

    def moved(self, base: Path) -> Candidate:
        """The same files in another folder, where they have other signs."""
        files = tuple((file, _signs(base / file)) for file, _ in self.files)
        return replace(self, base=base, files=files, copied_from=self.copied_from or self.files)

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "base": str(self.base)}

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Candidate:
        files, copied_from = (_files_of(given[name]) for name in ("files", "copied_from"))
        return cls(**{**given, "base": Path(given["base"]), "files": files, "copied_from": copied_from})


def _files_of(given: Any) -> Files:
    return tuple((file, (size, changed, inode)) for file, (size, changed, inode) in given)


Candidates = dict[str, dict[str, Candidate]]  # by name, then by version


@dataclass(frozen=True, slots=True)
class Look:
    """What was found; `refused` says of each file that has no servable name why."""

    candidates: Candidates = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)


class Folders:
    """The shipped networks, and over them the user's folder, whose names take their place.

    With `model_name` the folder is that of one model: its file or its versions, or one other entry that has them."""

    def __init__(
        self,
        folder: Path | None,
        reserved: Collection[str] = (),
        *,
        with_networks: bool = True,
        model_name: str | None = None,
    ) -> None:
        self._folder = folder
        self._reserved = reserved
        self._model_name = model_name
        networks = shipped() if with_networks else {}
        self._shipped = {name: found for name, found in networks.items() if name not in reserved}
        self._known: Known = {}

    def look(self) -> Look:
        """All of it. Raises ModelError where the folder cannot be read."""
        if self._folder is None:
            return Look(dict(self._shipped))
        found = Look(dict(self._shipped))
        for name, versions in self._own(self._folder, found.refused).items():
            if reason := self._refusal(name):
                found.refused.append(reason)
            else:
                found.candidates[name] = versions
        return found

    def _own(self, folder: Path, refused: list[str]) -> Candidates:
        """The folder's models. Several keep their names, and one of them must have the name that was asked for."""
        found = _candidates(folder, self._known, self._model_name)
        name = self._model_name
        if name is None or name in found:
            return found
        if len(found) == 1:
            return {name: {number: replace(one, name=name) for number, one in found.popitem()[1].items()}}
        names = ", ".join(f"`{other[:128]}`" for other in found) or "none"
        refused.append(
            f"Model `{name}` (`--model-name`): expected one model in the folder, or this among them, got {names}."
        )
        return found

    def _refusal(self, name: str) -> str | None:
        if name in self._reserved:
            return f"Model `{name}`: that is the name of an activation, and those are reserved."
        if not NAME.fullmatch(name):
            return f"Model `{name[:128]}`: a name has 1 to 128 letters, digits, `.`, `_` and `-`."
        return None


def shipped() -> Candidates:
    """The shipped folder as it stands; which of its graphs are activations, their metadata say."""
    return _candidates(SHIPPED)


def _candidates(folder: Path, known: Known | None = None, model_name: str | None = None) -> Candidates:
    if not folder.is_dir():
        raise ModelError(f"`--models`: there is no folder `{folder}`.")
    found: Candidates = {}
    try:
        for name, version, base, file in _files(folder, model_name):
            if known is None:
                candidate = Candidate(name, version, base, file, is_shipped=True)
            else:
                candidate = _looked_at(name, version, base, file, known)
            found.setdefault(name, {})[version] = candidate
    except OSError as error:
        raise ModelError(f"`--models`: the folder `{folder}` cannot be read ({error.strerror}).") from error
    return found


def _files(folder: Path, model_name: str | None) -> Iterator[tuple[str, str, Path, str]]:
    """(name, version, base, file) of each model: `<name>/<version>/model.onnx`, or `<name>/model.onnx` and
    `<name>.onnx`, which are version 1; with `model_name` the folder itself may be that of the model. Hidden files are
    passed over, since Kubernetes mounts bring `..data`, and what volumes with ext4 have at their root."""
    with os.scandir(folder) as entries:
        seen = (entry for entry in entries if not entry.name.startswith(".") and entry.name != LOST_AND_FOUND)
        found = sorted(seen, key=lambda entry: entry.name)
    if model_name is not None and (own := _versions(str(folder))):
        yield from ((model_name, version, folder, file) for version, file in own)
        return
    for entry in found:
        if entry.name.endswith(".onnx") and entry.is_file():
            yield entry.name.removesuffix(".onnx"), "1", folder, entry.name
        elif entry.is_dir():
            yield from ((entry.name, version, Path(entry.path), file) for version, file in _versions(entry.path))


def _versions(folder: str) -> list[tuple[str, str]]:
    """(version, file) in a model's own folder; one that cannot be read has a version 1 which cannot be read either."""
    try:
        names = sorted(name for name in os.listdir(folder) if name.isdecimal())
    except OSError:
        return [("1", "model.onnx")]
    found = [("1", "model.onnx"), *((name, f"{name}/model.onnx") for name in names)]
    return [(version, file) for version, file in found if os.path.isfile(f"{folder}/{file}")]


def _looked_at(name: str, version: str, base: Path, file: str, known: Known) -> Candidate:
    path = base / file
    signs = _signs(path)
    if path not in known or known[path][0] != signs:
        known[path] = (signs, _external(path))
    inside = [location for location in known[path][1] if graph.is_inside(path, location)]
    found = Candidate(name, version, base, file)
    beside = (found.toml_path.name, reference.beside(found.toml_path).name)
    made_of = (*beside, *(os.path.join(os.path.dirname(file), location) for location in inside))
    return replace(found, files=((file, signs), *((other, _signs(base / other)) for other in made_of)))


def _external(path: Path) -> list[str]:
    try:
        return graph.external_files(path)
    except OSError:  # it cannot be read, as loading it will tell
        return []


def _signs(path: Path) -> Signs:
    try:
        found = path.stat()
    except (OSError, ValueError):
        return ABSENT
    return (found.st_size, found.st_mtime_ns, found.st_ino)
