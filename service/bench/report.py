"""What a load has shown, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from service import __version__
from service.bench.connection import CLOSED, INCOMPLETE, MALFORMED, TIMEOUT, UNBOUNDED
from service.bench.latencies import Latencies
from service.bench.load import Plan
from service.bench.loops import LATE_S
from service.bench.outcome import CONNECT, Outcome

BUSY = 0.9  # share of the time from which on this client may be what is measured
ERRORS = {
    CONNECT: "no connection",
    CLOSED: "closed before the answer",
    INCOMPLETE: "closed within the answer",
    UNBOUNDED: "an answer without a length",
    MALFORMED: "no HTTP answer, or more than one",
    TIMEOUT: "no answer in time",
}
COLUMNS = ("mean", "p50", "p90", "p99", "p99.9", "max")
Told = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sent:
    """What was posted: where, what in words, the bytes of the first body, and how many bodies there were."""

    url: str
    about: str
    media_type: str
    bytes: int
    bodies: int


def as_dict(sent: Sent, plan: Plan, outcome: Outcome) -> Told:
    """All of it, in plain values."""
    is_open = plan.rate is not None
    arrivals = {"due": outcome.arrivals, "late": outcome.late, "missed": outcome.missed}
    split = {name: latencies.as_dict() for name, latencies in _split(outcome, is_open).items()}
    return {
        "actserve": __version__,
        "sent": asdict(sent),
        "plan": {"loop": "open" if is_open else "closed", **asdict(plan)},
        "window_s": round(outcome.window_s, 6),
        "requests": {"answered": outcome.good, "failed": outcome.failed, "unfinished": outcome.unfinished},
        "per_second": round(_rate(outcome.came_good, outcome), 3),
        "rows_per_second": round(_rate(outcome.rows, outcome), 3) if outcome.are_rows_known else None,
        "bytes": {"sent": outcome.sent, "received": outcome.received},
        "statuses": {str(status): count for status, count in sorted(outcome.statuses.items())},
        "errors": {kind: outcome.errors[kind] for kind in ERRORS},
        "connections": {"opened": outcome.opened, "closed_by_server": outcome.closed_by_server},
        "arrivals": arrivals if is_open else None,
        "client_busy_share": round(outcome.busy_share, 3),
        "latency_ms": outcome.latency.as_dict(),
        "split_ms": split,
    }


def table(sent: Sent, plan: Plan, outcome: Outcome) -> str:
    """For a person."""
    return "\n".join([*_heading(sent, plan), "", *_counts(plan, outcome), "", *_times(plan, outcome)])


def failure(outcome: Outcome) -> str | None:
    """The sentence that ends a load which did not go well; None where every request was answered with a 2xx."""
    refused = outcome.errors[CONNECT]
    said = {
        f"{outcome.failed:,} requests failed": outcome.failed,
        f"{refused:,} connections could not be opened ({outcome.reason})": refused,
        f"{outcome.missed:,} requests were due and not sent, as no connection was free": outcome.missed,
        "nothing was answered while it was measured": not (outcome.good or outcome.came_good),
    }
    found = ", ".join(text for text, is_so in said.items() if is_so)
    return f"{found[0].upper()}{found[1:]}." if found else None


def _heading(sent: Sent, plan: Plan) -> Iterable[str]:
    several = f", {sent.bodies} of them in turn" if sent.bodies > 1 else ""
    yield f"POST {sent.url}"
    yield f"{sent.about}: {sent.media_type}, {_bytes(sent.bytes)}{several}"
    loop = "closed loop, " if plan.rate is None else f"open loop, {plan.rate:,g} requests/s, at most "
    yield f"{loop}{plan.connections} connections, {plan.duration_s:g} s after {plan.warm_up_s:g} s of warm-up"


def _counts(plan: Plan, outcome: Outcome) -> Iterable[str]:
    rows = f", {_rate(outcome.rows, outcome):,.1f} rows/s" if outcome.are_rows_known and outcome.rows else ""
    out, back = (f"{_bytes(_rate(count, outcome))}/s" for count in (outcome.sent, outcome.received))
    errors = [f"{count:,} {ERRORS[kind]}" for kind, count in outcome.errors.items()]
    reason = f" ({outcome.reason})" if outcome.errors[CONNECT] else ""
    statuses = [f"{count:,} with {status}" for status, count in sorted(outcome.statuses.items())]
    yield f"requests     {_rate(outcome.came_good, outcome):,.1f}/s{rows}, in {outcome.window_s:.1f} s"
    yield f"answers      {', '.join(statuses) or 'none'}"
    yield f"errors       {', '.join(errors) or 'none'}{reason}"
    if outcome.unfinished:
        yield f"unfinished   {outcome.unfinished:,}"
    if plan.rate is not None:
        late = f"{outcome.late:,} sent more than {LATE_S * 1e3:g} ms late"
        yield f"arrivals     {outcome.arrivals:,} due, {late}, {outcome.missed:,} not sent"
    yield f"bytes        {out} out, {back} in"
    yield f"connections  {outcome.opened:,} opened, {outcome.closed_by_server:,} closed by the server"
    busy = "; it may be what is measured here, more than the server" if outcome.busy_share >= BUSY else ""
    yield f"client       {outcome.busy_share:.0%} busy{busy}"


def _times(plan: Plan, outcome: Outcome) -> Iterable[str]:
    if not outcome.good:
        return
    yield f"{'ms':<12}" + "".join(f"{name:>11}" for name in COLUMNS)
    yield _line("answer", outcome.latency)
    for name, latencies in _split(outcome, plan.rate is not None).items():
        yield _line(f"  {name}", latencies)
    if outcome.elsewhere.count:
        yield "elsewhere: the network, this client, and waiting to be read by the server"


def _split(outcome: Outcome, is_open: bool) -> Mapping[str, Latencies]:
    """The parts of an answer's time, as far as they are told; only in an open loop one waits to be sent."""
    waiting = {"waiting": outcome.waiting} if is_open else {}
    told = {stage: latencies for stage, latencies in outcome.stages.items() if latencies.count}
    return waiting | told | ({"elsewhere": outcome.elsewhere} if outcome.elsewhere.count else {})


def _line(name: str, latencies: Latencies) -> str:
    told = latencies.as_dict()
    return f"{name:<12}" + "".join(f"{told[column]:>11,.3f}" for column in COLUMNS)


def _rate(count: int, outcome: Outcome) -> float:
    return count / outcome.window_s if outcome.window_s else 0.0


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"
