"""Which models are served: those of the start, and what the folder or calls make of them later.

`none` is what lay in the folder at the start, `poll` follows the folder, `explicit` follows calls.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Collection, Coroutine, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from service.agreement import Agreement
from service.errors import Forbidden, ModelError, NotCarried, NotFound, ServiceError, Unfit
from service.folder import Candidates, Look
from service.metrics import Metrics
from service.repository import Repository
from service.session import NotCarriedModel
from service.settings import Settings
from service.state import Failures, Record, State
from service.watch import Watch

log = logging.getLogger("actserve.control")

TICK_S = 0.25
ALL = "*"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Line:
    """One version in the index; `state` is READY, UNAVAILABLE, LOADING or UNLOADING."""

    name: str
    version: str
    state: str
    reason: str = ""

    def as_dict(self) -> dict[str, str]:
        return asdict(self)


class Control:
    """`open` loads the first models; from `start` to `close` it follows the folder, the calls and the other workers."""

    def __init__(self, settings: Settings, repository: Repository, agreement: Agreement, metrics: Metrics) -> None:
        self._mode = settings.model_control
        self._named = list(settings.load_model or ())
        self._interval_s = settings.poll_interval_s
        self._repository = repository
        self._agreement = agreement
        self._metrics = metrics
        self._watch = Watch(settings.poll_interval_s)
        self._tasks: set[asyncio.Task[Any]] = set()

    def open(self) -> None:
        """Loads what this worker is to serve. Raises ModelError where the folder or the provider cannot be used."""
        self._count(self._agreement.open(self._first))

    async def start(self) -> None:
        """Once the other workers can ask this one."""
        await self._agreement.start()
        self._go(self._keep_up())
        if self._mode == "poll":
            self._go(self._follow_folder())

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._agreement.close()

    # --- what callers ask ---

    async def index(self, ready: bool = False) -> list[Line]:
        """Every version of every model, those that are not loaded too; with `ready` only those that answer."""
        found = {(line.name, line.version): line for line in self._lines()}
        for name, version in self._agreement.loading:
            if (name, version) not in found or found[name, version].state != "READY":
                found[name, version] = Line(name, version, "LOADING")
        for old in self._agreement.leaving:
            if old.model() is not None:
                line = Line(old.name, old.version, "UNLOADING", "its last requests are being answered")
                found.setdefault((old.name, old.version), line)
        if self._mode == "explicit":
            for versions in (await self._look()).candidates.values():
                for one in versions.values():
                    found.setdefault((one.name, one.version), Line(one.name, one.version, "UNAVAILABLE", "unloaded"))
        lines = sorted(found.values(), key=lambda line: (line.name, int(line.version or 0)))
        return [line for line in lines if line.state == "READY" or not ready]

    async def load(self, name: str, parameters: Mapping[str, object] | None = None) -> None:
        """Loads every version that lies in the folder under a name, or anew those that have changed; returns once every
        worker serves them. Where one version fails, all stays as it was.

        Raises Forbidden, NotFound, NotCarried, and Unfit for what cannot be served."""
        self._check(parameters or {}, "load", set())
        if self._is_activation(name):
            return
        versions = (await self._look()).candidates.get(name)
        if not versions:
            raise NotFound(f"There is nothing to load under the name `{name[:128]}` in the folder of models.")
        failed = await self._unbroken(self._agreement.change({name: versions}, is_whole=True))
        self._count(failed)
        for (_, version), error in failed.items():
            _raise(name, version, error)
        log.info("model %s is loaded, version %s", name, ", ".join(versions))

    async def unload(self, name: str, parameters: Mapping[str, object] | None = None) -> None:
        """Takes all versions of a model out of service in every worker; what has begun is still answered.

        Raises Forbidden, NotFound."""
        self._check(parameters or {}, "unload", {"unload_dependents"})
        if self._is_activation(name):
            raise Forbidden(f"`{name[:128]}` is an activation, and those are always served.")
        if name not in self._repository.names() and name not in (await self._look()).candidates:
            raise NotFound(f"There is no model `{name[:128]}`; `POST /v2/repository/index` lists those there are.")
        await self._unbroken(self._agreement.change({name: {}}))
        log.info("model %s is unloaded", name)

    def _check(self, parameters: Mapping[str, object], verb: str, known: Collection[str]) -> None:
        if self._mode != "explicit":
            raise Forbidden(
                f"No call can {verb} a model here: that needs `--model-control explicit`, and this server runs with"
                f" `--model-control {self._mode}`."
            )
        for parameter in parameters.keys() - known:
            expected = "no such parameter (a model and its settings come from the folder)"
            raise Unfit.at(f"parameters.{parameter[:60]}", expected, "one")

    def _is_activation(self, name: str) -> bool:
        return any(model.metadata.is_activation for model in self._repository.entry(name).loaded)

    def _lines(self) -> Iterator[Line]:
        for entry in self._repository.entries():
            if not entry.versions:
                yield Line(entry.name, "", "UNAVAILABLE", "it is not in the folder")
            for number, found in entry.versions.items():
                said = str(found.error or "")
                if found.model is None:
                    yield Line(entry.name, number, "UNAVAILABLE", said)
                else:
                    yield Line(entry.name, number, "READY", said and f"a newer file was refused: {said}")

    # --- the first models ---

    def _first(self) -> State:
        look = self._repository.folders.look()
        if self._mode != "explicit":
            return _state(look.candidates, None, look)
        names = sorted(look.candidates) if self._named == [ALL] else self._named
        return _state({name: look.candidates.get(name, {}) for name in names}, names, look)

    # --- following ---

    async def _keep_up(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            with _logged("following the other workers failed"):
                await self._agreement.keep_up()

    async def _follow_folder(self) -> None:
        while True:
            await asyncio.sleep(self._interval_s)
            with _logged("looking at the folder of models failed"):
                if self._agreement.leads():
                    await self._look_again()

    async def _look_again(self) -> None:
        look = await self._look()
        state = await self._agreement.state()
        wanted = self._watch.due(look.candidates, {name: state.served(name) for name in state.models})
        if wanted or look.refused != state.refused:
            try:
                failed = await self._unbroken(self._agreement.change(wanted, look.refused))
            except Exception:
                self._watch.forget(wanted)
                raise
            self._count(failed)
            for name in wanted:
                log.info("model %s has changed in the folder: serving version %s", name, self._served(name))

    def _served(self, name: str) -> str:
        return ", ".join(model.version for model in self._repository.entry(name).loaded) or "none"

    async def _look(self) -> Look:
        return await asyncio.to_thread(self._repository.folders.look)

    def _count(self, failed: Failures) -> None:
        for name, _ in failed:
            self._metrics.load_failures.labels(name).inc()

    async def _unbroken(self, change: Coroutine[Any, Any, T]) -> T:
        """A change goes on to its end even when whoever asked for it has left."""
        return await asyncio.shield(self._go(change))

    def _go(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _state(candidates: Candidates, demanded: list[str] | None, look: Look) -> State:
    models = {
        name: {version: Record(one) for version, one in versions.items()} for name, versions in candidates.items()
    }
    return State(models, demanded, look.refused)


def _raise(name: str, version: str, error: ModelError) -> None:
    """What a call gets whose model was refused."""
    if isinstance(error, NotCarriedModel):
        raise NotCarried(f"Model `{name}` version {version} cannot be served: {error}") from error
    raise Unfit(f"Model `{name}` version {version} was not loaded: {error}") from error


@contextlib.contextmanager
def _logged(what: str) -> Iterator[None]:
    """Goes on after an error, which the next time may not have."""
    try:
        yield
    except (ServiceError, ModelError, OSError) as error:
        log.error("%s: %s", what, error)
    except Exception:
        log.exception(what)
