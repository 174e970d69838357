"""What activations do with served traffic: a sample is set aside, measured in a thread of its own, and told over all
workers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from weakref import WeakKeyDictionary

from prometheus_client import Counter

from service.diagnosis.observers import Observers
from service.errors import ServiceError
from service.live import told, wire
from service.live.budget import Budget
from service.live.measuring import Measuring, Watched
from service.live.told import Told
from service.live.window import Window, merged
from service.model import Model
from service.settings import Settings
from service.workers import Content, Workers

EVERY_S = 1.0
VERB = "activations"
WORKERS_ANSWER_S = 5.0
OFF = "Sampling is off (`--activation-sample-rate 0`)."
ITSELF = "Activations served by themselves are not sampled; `POST /diagnose` tells of them."


class Live:
    """`served` gives the models that are told of. Lives on one event loop, and measures in one thread."""

    def __init__(
        self,
        settings: Settings,
        observers: Observers,
        workers: Workers,
        served: Callable[[], Sequence[Model]],
        dropped: Counter,
    ) -> None:
        self.shown: list[Told] = []
        """What is seen of each model, over all workers, as of the last `refresh`."""
        self._rate = settings.activation_sample_rate
        self._window_s = settings.activation_window_s
        self._measuring = Measuring(observers, Budget(settings.activation_cpu_share), dropped)
        self._workers = workers
        self._served = served
        self._watched: WeakKeyDictionary[Model, Watched] = WeakKeyDictionary()
        self._thread = ThreadPoolExecutor(1, "actserve-activations")
        self._refreshed = -EVERY_S
        workers.on(VERB, self._own)

    def watch(self, models: Iterable[Model]) -> None:
        """Samples what these models are asked from now on."""
        for model in models:
            if self._rate and not model.metadata.is_activation and model not in self._watched:
                self._watched[model] = Watched(Window(self._window_s))
                model.tap.open(self._rate, model.inputs, joinable=model.metadata.joinable)

    async def run(self) -> None:
        """Measures what has come, every second, until it is cancelled."""
        while self._rate:
            await asyncio.sleep(EVERY_S)
            if any(model.tap.has_news for model in list(self._watched)):
                work = [(model, one) for model, one in self._watched.items() if model.tap.has_news]
                looking = asyncio.get_running_loop().run_in_executor(self._thread, self._measuring.look, work)
                del work  # a model that is unloaded should not stay for it
                await looking

    def close(self) -> None:
        """Ends what is under way."""
        self._measuring.is_over = True
        self._thread.shutdown(wait=False, cancel_futures=True)
        for one in self._watched.values():
            one.stop()

    async def about(self, model: Model) -> Told:
        """The window of a model, over all workers. Raises DeadlinePassed where one does not answer."""
        answers = await self._workers.ask(VERB, {"model": model.name}, WORKERS_ANSWER_S)
        return await asyncio.to_thread(self._told, model, answers)

    async def refresh(self) -> None:
        """Brings `shown` up to date, at most once a second. A worker that is too busy to answer leaves it as it was."""
        if monotonic() - self._refreshed < EVERY_S or not self._rate:
            return
        self._refreshed = monotonic()
        try:
            answers = await self._workers.ask(VERB, {"model": ""}, EVERY_S)
        except ServiceError:
            return
        self.shown = await asyncio.to_thread(self._told_of_all, answers)

    def _told_of_all(self, answers: Sequence[Content]) -> list[Told]:
        return [self._told(model, answers) for model in self._known("")]

    def _told(self, model: Model, answers: Sequence[Content]) -> Told:
        key = [model.name, model.version]
        others = [wire.heard(one) for answer in answers for one in answer["windows"] if one["model"] == key]
        one = self._watched.get(model)
        seen = merged(others if one is None else [one.window.seen(), *others])
        found = told.told(model, seen, self._window_s, self._rate)
        return found if seen.records else found | {"reason": self._reason(model, one)}

    def _reason(self, model: Model, one: Watched | None) -> str:
        if model.metadata.is_activation:
            return ITSELF
        if one is None:
            return OFF
        return one.reason or f"No row was sampled in the last {self._window_s:g} s."

    async def _own(self, question: Content) -> Content:
        """This worker's part of another's answer."""
        return await asyncio.to_thread(self._own_windows, question["model"])

    def _own_windows(self, name: str) -> Content:
        seen = ((model, self._watched[model].window.seen()) for model in self._known(name))
        return {
            "windows": [
                {"model": [model.name, model.version]} | wire.told(found) for model, found in seen if found.rows
            ]
        }

    def _known(self, name: str) -> list[Model]:
        return [model for model in self._served() if name in ("", model.name) and model in self._watched]
