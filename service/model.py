"""One version of one model: its session, and for an activation the same graph in every datatype."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from service import example, metadata, reference
from service.errors import ModelError, Unfit
from service.example import Example
from service.session import Runtime, Session
from service.statistics import Tally
from service.tap import Tap
from service.tensors import Datatype, TensorSpec

FIRST_RUN_S = 10.0
VARIANTS = {"FP16": "model.fp16.onnx", "BF16": "model.bf16.onnx", "FP64": "model.fp64.onnx"}


class Model:
    """`session` is the graph of `model.onnx`; it `sleeps` until its first run. Raises ModelError when the file cannot
    be served."""

    def __init__(
        self, name: str, version: str, path: Path, runtime: Runtime, toml: Path | None = None, *, sleeps: bool = False
    ) -> None:
        self.name = name
        self.version = version
        self.tally = Tally()
        self.tap = Tap()
        self.session = Session(path, runtime, sleeps=sleeps)
        toml = toml or _toml_beside(path)
        self.metadata = metadata.read(self.session.metadata | properties(toml))
        self.reference = reference.find(reference.beside(toml), self.metadata.notes.get(reference.PROPERTY))
        self.runtime = runtime
        self.reopened: Callable[[], AbstractContextManager[Path]] = lambda: nullcontext(path)
        """The file that it was loaded from, for as long as the context lasts; raises ModelError where that is gone."""
        self._path = path
        self._example: Example | None = None
        self._variants = {self.session.inputs[0].datatype.name: self.session} if self.session.inputs else {}
        self._check()

    def _check(self) -> None:
        """Raises ModelError where the metadata promises what the graph has not."""
        scores = self.metadata.scores
        floats = [spec.name for spec in self.outputs if spec.datatype.is_float]
        if scores is not None and scores not in floats:
            raise ModelError(f"its metadata names the scores `{scores}`, and no float output has that name.")
        if self.metadata.is_activation and not _is_activation(self.session, self.metadata.catalogue):
            raise ModelError("its metadata says that it is an activation, and its graph or catalogue is not one's.")

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        return self.session.inputs

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        return self.session.outputs

    @property
    def output_names(self) -> tuple[str, ...]:
        return tuple(spec.name for spec in self.outputs)

    @property
    def fault(self) -> str | None:
        """Why a device that failed could not be used again, None while all is well."""
        sessions = (self.session, *self._variants.values())
        return next((session.fault for session in sessions if session.fault), None)

    def in_datatype(self, datatype: Datatype) -> Session:
        """The same activation computed in another datatype, loaded when first asked for."""
        if datatype.name not in self._variants:
            if datatype.name not in self.datatypes:
                raise Unfit.at("datatype", f"one of {', '.join(self.datatypes)}", datatype.name)
            path = self._path.with_name(VARIANTS[datatype.name])
            self._variants[datatype.name] = Session(path, self.runtime)
        return self._variants[datatype.name]

    @property
    def datatypes(self) -> list[str]:
        """The datatypes that `in_datatype` can give."""
        found = [name for name, file in VARIANTS.items() if self._path.with_name(file).is_file()]
        return sorted({*found, *self._variants})

    def warm_up(self, limit_s: float) -> str | None:
        """One run of zeros, ended after `limit_s`; why the graph refused them, None where it took them.

        Raises Internal where the machine fails in it."""
        found = example.first(self.session, limit_s)
        if found.refusal is None:
            self._example = found
        return found.refusal

    def example(self) -> Example:
        """Arrays for every input, made from the graph alone. The first call may run the graph; a second knows."""
        if self._example is None:
            self._example = example.find(self.session, FIRST_RUN_S)
        return self._example


def _is_activation(session: Session, catalogue: Mapping[str, Any]) -> bool:
    """True where graph and catalogue have what the handlers of activations rely on."""
    try:
        set(catalogue.get("aliases", ()))
        names = {"x", *(parameter["name"] for parameter in catalogue.get("parameters", ()))}
    except (TypeError, KeyError):
        return False
    given = {spec.name for spec in (*session.inputs, *session.parameters)}
    return names <= given and {"y", "grad_x"} <= {spec.name for spec in session.outputs}


def properties(toml: Path) -> dict[str, Any]:
    """What a `model.toml` says, nothing where there is none. Raises ModelError where it cannot be read."""
    try:
        return tomllib.loads(toml.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else error
        raise ModelError(f"`{toml.name}` cannot be read: {said}.") from error


def _toml_beside(path: Path) -> Path:
    """`<name>/model.toml`, or `<name>.toml` beside a plain `<name>.onnx`."""
    folder = path.parent.parent if path.parent.name.isdecimal() else path.parent
    return folder / "model.toml" if path.name == "model.onnx" else path.with_suffix(".toml")
