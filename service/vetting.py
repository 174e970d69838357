"""Makes a candidate a model: what it names is looked at, it is loaded, and run once, away from the serving path."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from service import graph
from service.errors import Internal, ModelError
from service.folder import Candidate
from service.model import Model, properties
from service.session import ProviderError, Runtime

log = logging.getLogger("actserve.repository")

WARM_UP_S = 10.0
DEVICE_BYTES = "cuda_memory_limit_bytes"
CHANGED = "its files changed while they were read, or since another worker has read them."
SINCE = "its files have changed since it was loaded, and others would tell of another model."
POOL_THREADS = 256  # of all pools together; two for each of a thousand models would not even be allowed in a container


@dataclass(frozen=True, slots=True)
class Version:
    """One version under a name: the model that answers and what it was made of, if there is one, and why what lies in
    the folder now does not answer."""

    number: str
    candidate: Candidate | None = None
    model: Model | None = None
    error: ModelError | None = None
    is_required: bool = True


class Vetting:
    """`is_copying` where files may be replaced while they are served: external data is mapped into memory, and a mapped
    file that somebody cuts short takes the process with it."""

    def __init__(self, runtime: Runtime, *, is_copying: bool = False, shares_threads: bool = True) -> None:
        self._runtime = runtime
        self._is_copying = is_copying
        self._shares_threads = shares_threads

    def vet(self, candidate: Candidate, among: int = 1) -> Version:
        """The candidate as a version that answers, or with the reason why not; `among` so many models of the user's.

        Raises ProviderError, since that is no fault of the model's: none could be served as demanded."""
        try:
            model = self._model(candidate, among)
        except ProviderError:
            raise
        except ModelError as error:
            return self._refused(candidate, error)
        except Exception:
            log.exception("model %s version %s cannot be loaded", candidate.name, candidate.version)
            return self._refused(candidate, ModelError("loading it failed in a way nobody thought of; see the log."))
        return Version(candidate.version, candidate, model, None, is_required(candidate))

    def _refused(self, candidate: Candidate, error: ModelError) -> Version:
        log.error("model %s version %s is not served: %s", candidate.name, candidate.version, error)
        return Version(candidate.version, candidate, None, error, is_required(candidate))

    def _model(self, candidate: Candidate, among: int) -> Model:
        with self._held(candidate) as held:
            model = self._loaded(held, among)
        model.reopened = partial(self._reopened, candidate)
        return model

    @contextmanager
    def _held(self, candidate: Candidate) -> Iterator[Candidate]:
        """The candidate, or a copy of it, whose files nobody cuts short while they are mapped."""
        if not self._is_copying or candidate.copied_from or not candidate.has_external_data:
            yield candidate
            return
        with tempfile.TemporaryDirectory(prefix="actserve-") as folder:  # what is mapped lives on without a name
            yield copied(candidate, Path(folder))

    @contextmanager
    def _reopened(self, candidate: Candidate) -> Iterator[Path]:
        if not candidate.is_unchanged():
            raise ModelError(SINCE)
        with self._held(candidate) as held:
            yield held.path
            if not held.is_unchanged():
                raise ModelError(SINCE)

    def _loaded(self, candidate: Candidate, among: int) -> Model:
        model = Model(
            candidate.name,
            candidate.version,
            candidate.path,
            self._share(candidate, among),
            candidate.toml_path,
            sleeps=candidate.is_shipped,  # there are many, and whoever serves here uses few
        )
        if not isinstance(properties(candidate.toml_path).get("required", True), bool):
            raise ModelError("`required` in its model.toml must be true or false.")
        if not candidate.is_shipped:
            _warm_up(model)
        if left := model.session.nodes_on_cpu:
            level = logging.DEBUG if candidate.is_shipped else logging.WARNING
            log.log(level, "model %s version %s: CUDA leaves %d nodes to the CPU", model.name, model.version, left)
        if not candidate.is_unchanged():
            raise ModelError(CHANGED)
        if problem := model.reference.problem:
            about = (model.name, model.version, model.reference.place)
            log.warning("model %s version %s: its activations' reference, %s, is left out: %s", *about, problem)
        return model

    def _share(self, candidate: Candidate, among: int) -> Runtime:
        """Shipped networks have one thread: their runs are too short to gain from a second."""
        if candidate.is_shipped:
            return replace(self._runtime, intra_op_threads=1)
        runtime = replace(self._runtime, device_bytes=_device_bytes(candidate) or self._runtime.device_bytes)
        if not self._shares_threads:
            return runtime
        return replace(runtime, intra_op_threads=min(runtime.intra_op_threads, 1 + POOL_THREADS // max(among, 1)))


def _device_bytes(candidate: Candidate) -> int | None:
    """What the model's own `model.toml` says of a device's memory. Raises ModelError where that is no size."""
    said = properties(candidate.toml_path).get(DEVICE_BYTES)
    if said is not None and (not isinstance(said, int) or isinstance(said, bool) or said < 1):
        raise ModelError(f"`{DEVICE_BYTES}` in its model.toml must be a whole number of bytes, at least 1.")
    return said


def copied(candidate: Candidate, folder: Path) -> Candidate:
    """The same candidate in a folder of ours, where nobody changes it. Raises ModelError where it cannot be read, or
    was being written."""
    try:
        graph.check_external(candidate.path)
        for file, signs in candidate.files:
            if signs[0] >= 0:
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(candidate.base / file, folder / file)
    except OSError as error:
        raise ModelError(f"its files cannot be copied ({error.strerror}).") from error
    if not candidate.is_unchanged():
        raise ModelError(CHANGED)
    return candidate.moved(folder)


def _warm_up(model: Model) -> None:
    """One run of zeros. A machine that fails in it would fail in others. That the graph refuses these values, or
    takes long for them, says nothing of other values."""
    try:
        refusal = model.warm_up(WARM_UP_S)
    except Internal as error:
        raise ModelError("its first run failed: memory or the device gave out.") from error
    if refusal is not None:
        log.debug("model %s version %s: %s", model.name, model.version, refusal)


def is_required(candidate: Candidate) -> bool:
    """Whether the service is not ready without it, which it is unless its `model.toml` says otherwise."""
    try:
        return properties(candidate.toml_path).get("required", True) is not False
    except ModelError:
        return True
