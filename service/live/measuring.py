"""Measures the rows that taps have set aside: through the models' observers, and no longer than a share of a core."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import shuffle

import numpy as np
from prometheus_client import Counter

from service.diagnosis.diagnosis import Diagnosis
from service.diagnosis.observer import Observer
from service.diagnosis.observers import Observers
from service.errors import ServiceError
from service.live import told
from service.live.budget import Budget
from service.live.window import Seen, Window
from service.model import Model
from service.session import Run
from service.tap import Taken

log = logging.getLogger("actserve.activations")

PIECE_S = 0.02  # of CPU that rows measured at once may take, about
FIRST_ROWS = 8  # that are measured at once before it is known what they cost
NONE_INSIDE = "The graph has no activation that can be observed."


@dataclass(slots=True)
class Watched:
    """What is known of one model; `reason` is why it is left alone, `most` how many rows are measured at once."""

    window: Window
    reason: str | None = None
    most: int = FIRST_ROWS
    run: Run | None = None
    stop: Callable[[], None] = lambda: None

    def learn(self, rows: int, spent_s: float) -> None:
        """From what so many rows have cost at once. Few of them say nothing of many: a piece has its cost by itself."""
        if spent_s > PIECE_S:
            self.most = max(1, int(rows * PIECE_S / spent_s))
        elif rows >= self.most:
            self.most *= 4


class Measuring:
    """What one thread does. `dropped` counts the rows that were set aside and not measured."""

    def __init__(self, observers: Observers, budget: Budget, dropped: Counter) -> None:
        self.is_over = False
        """Whether it should come to its end."""
        self._observers = observers
        self._budget = budget
        self._dropped = dropped

    def look(self, work: list[tuple[Model, Watched]]) -> None:
        """Empties the taps of these models, as far as there is time; takes them off the list, to hold none of them."""
        shuffle(work)  # where there is not time for all, none is always the last
        while work:
            model, one = work.pop()
            try:
                self._measure(model, one)
            except Exception:
                log.exception("the activations of model %s cannot be measured", model.name)
                one.reason = "Measuring failed in a way nobody thought of; see the log."
            if one.reason is not None:
                model.tap.close()
            if rows := model.tap.dropped():
                self._dropped.labels(model.name, model.version).inc(rows)

    def _measure(self, model: Model, one: Watched) -> None:
        """All that waits at once, though it should take longer than there is time now: the next look comes later then.
        A piece has its cost whatever its size, and each of its many small steps may have to wait for the event loop to
        let go of the interpreter, and the other way round."""
        if one.reason is not None or self._budget.left() <= 0:
            return
        # What is made once, and would leave the first minutes unseen, is no part of what is spent.
        looking = self._looking(model, one)
        is_more = True
        while looking and is_more and self._budget.left() > 0 and not self.is_over:
            taken = model.tap.take(one.most)
            rows = sum(each.rows for each in taken)
            is_more = rows >= one.most  # what has come meanwhile waits for others
            with self._budget.spending() as spent:
                self._add(model, one, looking, taken)
            one.learn(rows, spent())

    def _looking(self, model: Model, one: Watched) -> Observer | None:
        """What looks into the model; None where nothing can."""
        try:
            found = self._observers.of(model)
        except ServiceError as error:
            log.warning("the activations of model %s version %s: %s", model.name, model.version, error.message)
            one.reason = error.message
            return None
        if not found.layers:
            one.reason = NONE_INSIDE
            return None
        if one.run is None:
            one.run, one.stop = found.stoppable()
            _tell_strangers(model, found)
        return found

    def _add(self, model: Model, one: Watched, looking: Observer, taken: Sequence[Taken]) -> None:
        assert one.run is not None
        edges = told.edges(model)
        for feeds, rows, _ in _joined(taken) if model.tap.by_row else taken:
            piece = Diagnosis(looking, model.inputs, model.metadata.joinable, edges)
            try:
                piece.add(feeds, rows, one.run)
            except ServiceError:  # memory gives out, say; its caller has had his answer
                model.tap.drop(rows)
            else:
                one.window.add(Seen(piece.rows, piece.records))


def _tell_strangers(model: Model, looking: Observer) -> None:
    """Says where the reference is of layers that the graph does not have."""
    strangers = told.edges(model).keys() - {layer.node for layer in looking.layers}
    if strangers:
        named = ", ".join(sorted(strangers)[:5])
        log.warning("model %s: its reference is of layers that its graph does not have: %s", model.name, named)


def _joined(taken: Sequence[Taken]) -> Iterator[Taken]:
    """Rows of one shape and type as one batch."""
    groups: dict[tuple[object, ...], list[Taken]] = {}
    for one in taken:
        key = tuple((name, array.dtype, array.shape[1:]) for name, array in sorted(one.feeds.items()))
        groups.setdefault(key, []).append(one)
    for group in groups.values():
        feeds = {name: np.concatenate([one.feeds[name] for one in group]) for name in group[0].feeds}
        yield Taken(feeds, sum(one.rows for one in group), sum(one.bytes for one in group))
