"""What every inference handler goes through: signature check, scheduler, and the long work kept off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import ParamSpec, TypeVar

from service.exchange import Request
from service.job import Size
from service.model import Model
from service.scheduler import Scheduler
from service.session import Session
from service.signature import check
from service.tensors import Array

P = ParamSpec("P")
T = TypeVar("T")

ASIDE_BYTES = 1 << 20  # two milliseconds of parsing; beyond it the loop must be free for others meanwhile


class Engine:
    """Runs arrays through a model and writes down, in the request, which one it was and where the time went."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    async def infer(
        self, request: Request, model: Model, session: Session, feeds: Mapping[str, Array], fetches: Sequence[str]
    ) -> Sequence[Array]:
        """The outputs named in `fetches`. Raises Unfit before anything is queued where the arrays do not fit."""
        size = checked(model, session, feeds)
        request.rows, request.model = size.instances, model
        about = model.metadata
        result = await self._scheduler.run(
            session,
            feeds,
            fetches,
            size,
            about.joinable,
            model.tally.ran,
            elementwise=about.is_elementwise,
            tap=model.tap,
        )
        request.timings.took(result)
        return result.arrays


def checked(model: Model, session: Session, feeds: Mapping[str, Array]) -> Size:
    """How large a request is. Raises Unfit where its arrays do not fit the graph."""
    # What overrides an initializer holds for a whole run, so it must not be joined with another caller's.
    alone = fit(session, feeds)
    rows = row_count(session, feeds)
    return Size(rows, _instances(model, feeds, rows), alone)


def fit(session: Session, feeds: Mapping[str, Array]) -> bool:
    """Whether initializers are overridden. Raises Unfit where the arrays do not fit the session's signature."""
    overridden = tuple(spec for spec in session.parameters if spec.name in feeds) if session.parameters else ()
    check(feeds, (*session.inputs, *overridden) if overridden else session.inputs)
    return bool(overridden)


def row_count(session: Session, feeds: Mapping[str, Array]) -> int:
    """Rows in the batch: the size of the first free leading dimension, 1 where there is none."""
    for spec in session.inputs:
        if spec.has_rows:
            return len(feeds[spec.name])
    return 1


def _instances(model: Model, feeds: Mapping[str, Array], rows: int) -> int:
    """What the caller sent at once. To an activation any tensor is one thing, but whoever sends it a batch, as the
    model's configuration lets him, counts along the first dimension of several."""
    if not model.metadata.is_activation or feeds["x"].ndim < 2:
        return rows
    return len(feeds["x"])


async def aside(size: int, work: Callable[P, T], *arguments: P.args, **keywords: P.kwargs) -> T:
    """Does `work` on `size` bytes here where that is quick, in a thread where it is not."""
    if size <= ASIDE_BYTES:
        return work(*arguments, **keywords)
    return await asyncio.to_thread(work, *arguments, **keywords)
