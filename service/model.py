"""One version of one model: its session, and for an activation the same graph in every datatype."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from service import metadata
from service.errors import ModelError, Unfit
from service.session import Runtime, Session
from service.statistics import Tally
from service.tensors import Array, Datatype, TensorSpec

VARIANTS = {"FP16": "model.fp16.onnx", "BF16": "model.bf16.onnx", "FP64": "model.fp64.onnx"}


class Model:
    """`session` is the graph of `model.onnx`. Raises ModelError when the file cannot be served."""

    def __init__(self, name: str, version: str, path: Path, runtime: Runtime, toml: Path | None = None) -> None:
        self.name = name
        self.version = version
        self.tally = Tally()
        self.session = Session(path, runtime)
        self.metadata = metadata.read(self.session.metadata | properties(toml or _toml_beside(path)))
        self._path = path
        self._runtime = runtime
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

    def in_datatype(self, datatype: Datatype) -> Session:
        """The same activation computed in another datatype, loaded when first asked for."""
        if datatype.name not in self._variants:
            if datatype.name not in self.datatypes:
                raise Unfit.at("datatype", f"one of {', '.join(self.datatypes)}", datatype.name)
            path = self._path.with_name(VARIANTS[datatype.name])
            self._variants[datatype.name] = Session(path, self._runtime)
        return self._variants[datatype.name]

    @property
    def datatypes(self) -> list[str]:
        """The datatypes that `in_datatype` can give."""
        found = [name for name, file in VARIANTS.items() if self._path.with_name(file).is_file()]
        return sorted({*found, *self._variants})

    def example(self) -> dict[str, Array]:
        """Arrays that fit the inputs, made from the graph alone: zeros, with 1 for each free dimension."""
        return {spec.name: _zeros(spec) for spec in self.inputs}


def _is_activation(session: Session, catalogue: Mapping[str, Any]) -> bool:
    """True where graph and catalogue have what the handlers of activations rely on."""
    try:
        set(catalogue.get("aliases", ()))
        names = {"x", *(parameter["name"] for parameter in catalogue.get("parameters", ()))}
    except (TypeError, KeyError):
        return False
    given = {spec.name for spec in (*session.inputs, *session.parameters)}
    return names <= given and {"y", "grad_x"} <= {spec.name for spec in session.outputs}


def _zeros(spec: TensorSpec) -> Array:
    shape = tuple(size if isinstance(size, int) else 1 for size in spec.shape or ())
    return np.full(shape, "", np.object_) if spec.datatype.name == "BYTES" else np.zeros(shape, spec.datatype.dtype)


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
