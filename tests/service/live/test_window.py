"""The sliding window: parts that come and go, merged without loss, also over the wire between workers."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

import numpy as np

from service.diagnosis import slopes
from service.diagnosis.diagnosis import Record
from service.diagnosis.measurement import Measurement
from service.diagnosis.observer import Layer, Observed
from service.diagnosis.report import layer
from service.live import wire
from service.live.window import Seen, Window, merged

RELU = Layer("relu", "relu", "Relu", partial(slopes.slope, "relu", {}), {}, -1)
EDGES = np.array([[0.0, 0.5, 0.0], [1.0, np.inf, 0.1]])


def seen(x: np.ndarray) -> Seen:
    record = Record(RELU, Measurement("relu", EDGES))
    record.add(Observed(x, np.maximum(x, 0)), 0)
    return Seen(len(x), [record])


def values(rows: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, 3)) * [1, 2, 0.1]


def assert_same(one: Seen, other: Seen) -> None:
    """But for sums in another order, and with the histogram of a window."""
    assert one.rows == other.rows
    told, expected = layer(merged([one]).records[0]), layer(merged([other]).records[0])
    for name in ("mean", "std", "slope_mean"):
        assert np.isclose(told.pop(name), expected.pop(name), rtol=1e-12, atol=0)
    assert told.pop("pre_activation")["min"] == expected.pop("pre_activation")["min"]
    assert told == expected
    assert np.array_equal(one.records[0].measurement.at_most, other.records[0].measurement.at_most)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_window_holds_what_came_in_its_time_and_no_more() -> None:
    clock = Clock()
    window = Window(600, clock)
    pieces = {minute: values(20, minute) for minute in range(15)}
    for minute, piece in pieces.items():
        clock.now = 1000.0 + 60 * minute
        window.add(seen(piece[:9]))
        window.add(seen(piece[9:]))
    assert_same(window.seen(), seen(np.concatenate([pieces[minute] for minute in range(5, 15)])))
    clock.now += 300
    assert window.seen().rows == 5 * 20
    clock.now += 300
    assert (window.seen().rows, window.seen().records) == (0, [])


def test_counts_between_edges_are_those_of_numpy() -> None:
    x = values(200, 1)
    x[:3, 0] = [np.nan, np.inf, -np.inf]
    x[3:6, 0] = [1.0, 0.0, -1.0]
    y = np.maximum(x, 0)
    expected = [
        [np.count_nonzero(y[np.isfinite(y[:, unit]), unit] <= edge) for unit, edge in enumerate(row)] for row in EDGES
    ]
    assert seen(x).records[0].measurement.at_most.tolist() == expected
    pooled = Measurement("relu", EDGES[:, :1])
    pooled.add(x, y, 1, RELU.slope)
    finite = y[np.isfinite(y)]
    assert pooled.at_most.tolist() == [[np.count_nonzero(finite <= 0)], [np.count_nonzero(finite <= 1)]]


def test_edges_of_another_number_of_units_count_nothing() -> None:
    found = Measurement("relu", EDGES[:, :2])
    x = values(10, 0)
    found.add(x, np.maximum(x, 0), 1, RELU.slope)
    assert found.at_most.tolist() == [[0, 0], [0, 0]]


def test_reading_a_window_leaves_it_as_it_was() -> None:
    window = Window(600, Clock())
    window.add(seen(values(10, 0)))
    first = window.seen()
    window.add(seen(values(10, 1)))
    assert (first.rows, window.seen().rows) == (10, 20)
    assert_same(first, seen(values(10, 0)))


def test_what_another_worker_tells_is_what_it_saw() -> None:
    mine, other = seen(values(30, 0)), seen(values(40, 1))
    heard = wire.heard(json.loads(json.dumps(wire.told(other))))
    assert_same(heard, other)
    assert_same(merged([mine, heard]), seen(np.concatenate([values(30, 0), values(40, 1)])))


def test_layers_that_only_one_of_them_has_stay() -> None:
    one, other = seen(values(5, 0)), seen(values(5, 1))
    other.records[0].layer = replace(RELU, node="second")
    assert [record.layer.node for record in merged([one, other]).records] == ["relu", "second"]
