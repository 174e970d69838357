"""What is told of an outcome, to a person and to a machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from service.bench import report
from service.bench.connection import CLOSED, TIMEOUT, Answer, Request
from service.bench.load import Plan
from service.bench.outcome import CONNECT, STAGES, Outcome

SENT = report.Sent("http://there/predict", "input FP32 [2, 784] as json", "application/json", 17_000, 8)
CLOSED_LOOP = Plan(connections=8, rate=None, duration_s=2, warm_up_s=1, timeout_s=30, seed=0)
OPEN_LOOP = Plan(connections=256, rate=100, duration_s=2, warm_up_s=1, timeout_s=30, seed=0)
TIMING = b"decode;dur=1.000, queue;dur=2.000, compute;dur=3.000, encode;dur=0.500"
ALL_GOOD = {200: 100}
REQUEST = Request(b"x" * 1000, 2)


def outcome(statuses: Mapping[int, int] = ALL_GOOD, timing: bytes = TIMING, **errors: int) -> Outcome:
    """Answers that took 10 ms each, the first of them 1 ms late."""
    found = Outcome()
    for status, count in statuses.items():
        for _ in range(count):
            answer = Answer(REQUEST, 1.0, 1.001, 1.010, status, timing, 500)
            found.came(answer)
            found.answered(answer)
    found.errors.update(errors)
    found.window_s, found.opened, found.reason = 2.0, 8, "refused"
    return found


def test_json_has_all_figures() -> None:
    told = json.loads(json.dumps(report.as_dict(SENT, CLOSED_LOOP, outcome({200: 100, 429: 3}, timeout=1))))
    assert told.pop("actserve")
    assert told["sent"]["url"] == "http://there/predict"
    assert told["plan"]["loop"] == "closed"
    assert told["requests"] == {"answered": 100, "failed": 4, "unfinished": 0}
    assert (told["per_second"], told["rows_per_second"]) == (50, 100)
    assert told["bytes"] == {"sent": 103_000, "received": 51_500}
    assert told["statuses"] == {"200": 100, "429": 3}
    assert told["errors"] == {kind: int(kind == TIMEOUT) for kind in report.ERRORS}
    assert told["connections"] == {"opened": 8, "closed_by_server": 0}
    assert told["arrivals"] is None
    assert told["latency_ms"].keys() == {"count", "mean", "p50", "p90", "p99", "p99.9", "max"}
    assert told["latency_ms"]["p99.9"] == pytest.approx(10, rel=0.005)
    assert told["split_ms"].keys() == {*STAGES, "elsewhere"}
    assert told["split_ms"]["compute"]["mean"] == pytest.approx(3)
    assert told["split_ms"]["elsewhere"]["mean"] == pytest.approx(9 - 6.5)
    assert told.keys() == {
        *("sent", "plan", "window_s", "requests", "per_second", "rows_per_second", "bytes", "statuses", "errors"),
        *("connections", "arrivals", "client_busy_share", "latency_ms", "split_ms"),
    }


def test_json_of_an_open_loop_has_its_arrivals() -> None:
    found = outcome()
    found.arrivals, found.late, found.missed = 104, 3, 4
    told = report.as_dict(SENT, OPEN_LOOP, found)
    assert told["arrivals"] == {"due": 104, "late": 3, "missed": 4}
    assert told["plan"]["loop"] == "open"
    assert told["split_ms"]["waiting"]["mean"] == pytest.approx(1)
    assert "3 sent more than 1 ms late, 4 not sent" in report.table(SENT, OPEN_LOOP, found)


def line(text: str, name: str) -> list[str]:
    """The words of the line that begins with a name."""
    return next(words[1:] for words in map(str.split, text.splitlines()) if words[:1] == [name])


def test_table_shows_rates_times_and_their_parts() -> None:
    text = report.table(SENT, CLOSED_LOOP, outcome())
    assert "POST http://there/predict" in text
    assert "17 kB, 8 of them in turn" in text
    assert line(text, "requests")[:3] == ["50.0/s,", "100.0", "rows/s,"]
    assert line(text, "answers") == ["100", "with", "200"]
    assert line(text, "errors") == ["none"]
    assert line(text, "bytes") == ["50", "kB/s", "out,", "25", "kB/s", "in"]
    assert [float(cell) for cell in line(text, "answer")] == pytest.approx([10] * 6, rel=0.005)
    for stage, expected in zip((*STAGES, "elsewhere"), (1, 2, 3, 0.5, 2.5), strict=True):
        assert [float(cell) for cell in line(text, stage)] == pytest.approx([expected] * 6, rel=0.005)
    assert "waiting  " not in text
    assert "unfinished" not in text


def test_table_leaves_out_what_is_not_known() -> None:
    found = outcome(timing=b"")
    found.are_rows_known = False
    text = report.table(SENT, CLOSED_LOOP, found)
    assert "rows/s" not in text
    assert "elsewhere" not in text
    assert "decode" not in text
    assert report.as_dict(SENT, CLOSED_LOOP, found)["rows_per_second"] is None


def test_table_says_when_the_client_may_be_what_is_measured() -> None:
    found = outcome()
    found.busy_share = 0.97
    assert "97% busy; it may be" in report.table(SENT, CLOSED_LOOP, found)
    found.busy_share = 0.4
    assert "it may be" not in report.table(SENT, CLOSED_LOOP, found)


def test_table_without_answers_has_no_times() -> None:
    found = outcome({})
    found.errors[CONNECT], found.reason, found.unfinished = 7, "Connection refused", 2
    text = report.table(SENT, CLOSED_LOOP, found)
    assert "7 no connection (Connection refused)" in text
    assert "answers      none" in text
    assert "unfinished   2" in text
    assert "p99" not in text


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (outcome(), None),
        (outcome({201: 5, 204: 1}), None),
        (outcome({}), "Nothing was answered while it was measured."),
        (outcome({}, connect=3), "3 connections could not be opened (refused), nothing was answered"),
        (outcome({}, closed=3), "3 requests failed, nothing was answered"),
        (outcome({200: 1000, 503: 2, 302: 1}, timeout=1), "4 requests failed."),
        (outcome({200: 5, 500: 1}, connect=1), "1 requests failed, 1 connections could not be opened (refused)."),
    ],
)
def test_failure_is_told_in_a_sentence(found: Outcome, says: str | None) -> None:
    said = report.failure(found)
    assert (said is None) if says is None else str(said).startswith(says)


def test_rate_that_was_not_held_is_a_failure() -> None:
    found: Any = outcome()
    found.missed = 12
    assert report.failure(found) == "12 requests were due and not sent, as no connection was free."


def test_every_kind_of_error_has_words() -> None:
    assert {CLOSED, TIMEOUT, CONNECT} <= report.ERRORS.keys()
