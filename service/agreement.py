"""How all workers come to serve the same models: a change has two phases.

Every worker loads and tries the candidates. Then the one that leads the change writes down what holds from now on, with
a reason for each candidate that was refused anywhere, and every worker takes that over in one step. A worker that
missed it sees the newer state and follows by itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar
from weakref import ref

from service.copies import Copies
from service.errors import ModelError, ServiceError
from service.folder import Candidate, Candidates
from service.ledger import Ledger
from service.model import Model
from service.repository import Entry, Repository
from service.scheduler import Scheduler
from service.session import ProviderError
from service.state import Failures, Key, Record, State, error_as_list, error_from_list
from service.vetting import Version, Vetting
from service.workers import Content, Workers

log = logging.getLogger("actserve.repository")

PATIENCE_S = 600.0  # of one worker for the others, which may have many gigabytes to load

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Leaving:
    """A model that nobody finds any more, while its last requests are answered."""

    name: str
    version: str
    model: ref[Model]


class Agreement:
    """This worker's part in it. `loading` are the versions being tried."""

    def __init__(
        self,
        repository: Repository,
        vetting: Vetting,
        ledger: Ledger,
        workers: Workers,
        scheduler: Scheduler,
        watch: Callable[[Iterable[Model]], None],
        copies: Copies,
    ) -> None:
        self.loading: set[Key] = set()
        self.leaving: list[Leaving] = []
        self._repository = repository
        self._vetting = vetting
        self._ledger = ledger
        self._workers = workers
        self._scheduler = scheduler
        self._watch = watch
        self._copies = copies
        self._prepared: dict[Candidate | None, Version] = {}
        self._following = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, "actserve-load")  # one, so that the cores are left to requests
        workers.on("models.prepare", self._prepare_asked)
        workers.on("models.follow", self._follow_asked)

    def open(self, first: Callable[[], State]) -> Failures:
        """Loads what the workers have agreed on: what `first` says where this is the first of them. Gives what failed,
        in that case, so that it is counted once."""
        with self._ledger.first_turn():
            known = self._ledger.read()
            if known is None:
                self._ledger.write(self._copies.of_all(first()))
        state = known or self._ledger.read() or State()
        wanted = state.candidates()
        for candidate in wanted:
            spare = self._repository.spare.get(candidate)
            self._prepared[candidate] = spare or self._vetting.vet(candidate, len(wanted))
        self._repository.spare.clear()
        self._take_over(state)
        return self._failures(state) if known is None else {}

    async def start(self) -> None:
        """Once the others can ask this worker: takes over what was agreed on since `open`."""
        async with self._ledger.turn():
            await self._follow()

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._ledger.close()

    def leads(self) -> bool:
        """True in the one worker that looks after the folder for all."""
        return self._ledger.leads()

    async def state(self) -> State:
        """What holds now, for all workers."""
        return await self._in_thread(self._ledger.read) or State()

    async def change(self, wanted: Candidates, refused: list[str] | None = None, *, is_whole: bool = False) -> Failures:
        """Has all workers serve these versions under these names and no others; gives what failed, anywhere, and why.

        A version that fails leaves the one before in its place; with `is_whole` it leaves its whole name as it was."""
        async with self._ledger.turn():
            state = await self.state()
            usable, failed = await self._in_thread(lambda: self._copies.of(self._news(wanted, state)))
            failed |= await self._prepare_everywhere(usable)
            state = state.changed(wanted, usable, failed, is_whole=is_whole)
            state = state if refused is None else replace(state, refused=refused)
            await self._in_thread(lambda: self._ledger.write(state))
            await self._follow_everywhere()
            await self._in_thread(lambda: self._copies.keep_only(state))
        return failed

    async def keep_up(self) -> None:
        """Does what is due now and then: follows a change that this worker was not told of, and lets go of models whose
        last request is answered, their memory too."""
        if self._ledger.is_news:
            await self._follow()
        if not self.leaving:
            return
        self._scheduler.sweep()
        alive = [one for one in self.leaving if one.model() is not None]
        if len(alive) < len(self.leaving):
            await self._in_thread(self._repository.give_back)
        self.leaving = alive

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """Long work, one piece after the other."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _failures(self, state: State) -> Failures:
        entries = map(self._repository.entry, state.models)
        return {(entry.name, version): error for entry in entries for version, error in entry.failures.items()}

    # --- the first phase ---

    async def _prepare_everywhere(self, candidates: Mapping[Key, Candidate]) -> Failures:
        if not candidates:
            return {}
        content = {"candidates": [candidate.as_dict() for candidate in candidates.values()]}
        asked = asyncio.create_task(self._workers.ask("models.prepare", content, PATIENCE_S))
        failed = await self._prepare(list(candidates.values()))
        try:
            for answer in await asked:
                failed |= {(name, version): error_from_list(error) for name, version, error in answer["failed"]}
        except ServiceError as error:
            failed |= dict.fromkeys(candidates, ModelError(f"another worker could not try it: {error.message}"))
        return failed

    async def _prepare_asked(self, content: Content) -> Content:
        failed = await self._prepare([Candidate.from_dict(given) for given in content["candidates"]])
        return {"failed": [[*key, error_as_list(error)] for key, error in failed.items()]}

    async def _prepare(self, candidates: list[Candidate]) -> Failures:
        self._prepared.clear()  # what a change that was never finished has left
        self.loading = {(one.name, one.version) for one in candidates}
        try:
            await self._load(candidates)
        finally:
            self.loading = set()
        found = [(one, self._prepared[one].error) for one in candidates]
        return {(one.name, one.version): error for one, error in found if error is not None}

    async def _load(self, candidates: Iterable[Candidate]) -> None:
        among = len(self._repository.networks()) + 1
        for candidate in candidates:
            self._prepared[candidate] = await self._in_thread(partial(self._vet, candidate, among))

    def _vet(self, candidate: Candidate, among: int) -> Version:
        try:
            return self._vetting.vet(candidate, among)
        except ProviderError as error:
            return Version(candidate.version, candidate, None, error)

    # --- the second phase ---

    async def _follow_everywhere(self) -> None:
        asked = asyncio.create_task(self._workers.ask("models.follow", {}, PATIENCE_S))
        await self._follow()
        try:
            await asked
        except ServiceError as error:  # it will see by itself that the state is another one
            log.error("a worker did not follow at once: %s", error.message)

    async def _follow_asked(self, content: Content) -> Content:
        await self._follow()
        return {}

    async def _follow(self) -> None:
        """Takes over what holds now; what was not prepared for it is loaded first."""
        async with self._following:
            state = await self.state()
            known = {version.candidate for entry in self._repository.entries() for version in entry.versions.values()}
            await self._load(one for one in state.candidates() if one not in known and one not in self._prepared)
            self._take_over(state)
        await self.keep_up()

    def _take_over(self, state: State) -> None:
        """One step: no request sees a part of it."""
        changed: dict[str, Entry | None] = dict.fromkeys(self._repository.names() - state.models.keys())
        for name, records in state.models.items():
            known = self._repository.entry(name)
            changed[name] = Entry(
                name, {version: self._version(known, version, one) for version, one in records.items()}
            )
        gone = self._repository.swap(changed)
        self._watch([model for entry in changed.values() if entry for model in entry.loaded])
        self._repository.demanded = state.demanded
        self._repository.tell_refused(state.refused)
        self._prepared.clear()
        for model in gone:
            self._scheduler.retire(model.session)
            self.leaving.append(Leaving(model.name, model.version, ref(model)))

    def _version(self, known: Entry, number: str, record: Record) -> Version:
        if record.candidate is None:
            return Version(number, None, None, record.error, record.is_required)
        made = self._prepared.get(record.candidate) or known.versions[number]
        error = record.error or (None if made.model else made.error)
        return Version(number, record.candidate, made.model, error, made.is_required)

    def _news(self, wanted: Candidates, state: State) -> list[Candidate]:
        """Those that are not served as they lie there."""
        return [one for found in wanted.values() for one in found.values() if not self._is_served(one, state)]

    def _is_served(self, candidate: Candidate, state: State) -> bool:
        record = state.models.get(candidate.name, {}).get(candidate.version)
        served = self._repository.entry(candidate.name).versions.get(candidate.version)
        answers = served is not None and served.model is not None
        return answers and record is not None and candidate.is_same_as(record.candidate)
