"""What workers show one another, and the share that each takes by it."""

from __future__ import annotations

from itertools import repeat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service import board
from service.board import LEAVING, OPEN, Board, Connections, share


@pytest.fixture
def boards(tmp_path: Path) -> list[Board]:
    """Those of three workers, who are open."""
    board.make(tmp_path, 3)
    made = [Board(tmp_path, place) for place in range(3)]
    for one in made:
        one.open()
    return made


LOADS = st.lists(st.integers(1, 30), min_size=1, max_size=6)


def by_one_at_a_time(loads: list[int], newcomers: int) -> list[int]:
    """How many each gets when every newcomer goes where there are fewest: `share` written apart."""
    filled = list(loads)
    for _ in repeat(None, newcomers):
        filled[filled.index(min(filled))] += 1
    return [after - before for before, after in zip(loads, filled, strict=True)]


@given(loads=LOADS, newcomers=st.integers(0, 60))
def test_share_is_that_of_newcomers_who_go_one_by_one_where_there_are_fewest(loads: list[int], newcomers: int) -> None:
    shares = [share(loads, mine, newcomers) for mine in range(len(loads))]
    one_by_one = by_one_at_a_time(loads, newcomers)
    assert all(0 <= mine - other <= 1 for mine, other in zip(shares, one_by_one, strict=True))
    assert sum(shares) >= newcomers  # whoever is quicker gets the last of them, and nobody is left


@given(loads=LOADS, newcomers=st.integers(0, 60), data=st.data())
def test_workers_who_look_at_any_time_and_act_later_end_as_even_as_can_be(
    loads: list[int], newcomers: int, data: st.DataObject
) -> None:
    """Each step is a worker that looks, or one that takes in one of those it was to take by its last look."""
    had, waiting, to_take = list(loads), newcomers, [0] * len(loads)
    while waiting:
        worker = data.draw(st.sampled_from(range(len(loads))), label="worker")
        if to_take[worker]:
            to_take[worker] -= 1
            had[worker] += 1
            waiting -= 1
        else:
            to_take[worker] = share(had, worker, waiting)
    assert sorted(had) == sorted(
        before + more for before, more in zip(loads, by_one_at_a_time(loads, newcomers), strict=True)
    )


def test_nobody_gets_anything_when_nobody_waits() -> None:
    assert share([1, 5], 0, 0) == 0


def test_worker_sees_the_connections_of_others_who_are_open(boards: list[Board]) -> None:
    boards[0].count(4)
    boards[1].count(2)
    boards[2].close()
    assert boards[0].look() == ([OPEN + 4, OPEN + 2], 0)
    assert boards[1].look() == ([OPEN + 4, OPEN + 2], 1)


def test_worker_that_is_not_open_shows_nothing(tmp_path: Path) -> None:
    board.make(tmp_path, 2)
    first, second = Board(tmp_path, 0), Board(tmp_path, 1)
    first.open()
    second.count(3)
    second.leave()
    assert first.look() == ([OPEN], 0)
    second.open()
    assert first.look() == ([OPEN, LEAVING + 3], 0)  # told to leave while it started


def test_worker_that_leaves_is_asked_last_and_after_its_closing_not_at_all(boards: list[Board]) -> None:
    boards[0].count(50)
    boards[1].leave()
    boards[2].close()
    assert share(*boards[0].look(), 9) == 9
    assert share(*boards[1].look(), 9) == 0
    assert boards[1].is_another_open
    assert boards[0].is_another_open is False
    boards[0].leave()
    assert boards[1].is_another_open is False
    assert share(*boards[1].look(), 9) == 9
    boards[1].close()
    boards[1].count(1)
    assert boards[0].look() == ([LEAVING + 50], 0)


def test_worker_passed_over_is_left_out_until_it_looks(boards: list[Board]) -> None:
    boards[0].count(2)
    boards[1].count(1)
    boards[2].count(2)
    boards[0].pass_over()
    assert boards[0].look() == ([OPEN + 2, OPEN + 2], 0)
    boards[1].look()
    assert boards[0].look() == ([OPEN + 2, OPEN + 1, OPEN + 2], 0)


def test_dead_workers_place_is_cleared_and_taken_by_another(boards: list[Board], tmp_path: Path) -> None:
    boards[0].count(1)
    boards[0].pass_over()
    Board(tmp_path, 1).close()
    Board(tmp_path, 2).close()
    assert boards[0].look() == ([OPEN + 1], 0)
    Board(tmp_path, 1).open()
    assert boards[0].look() == ([OPEN + 1, OPEN], 0)


def test_connections_are_counted_as_they_come_and_go(boards: list[Board]) -> None:
    connections = Connections(boards[0])
    for name in "abb":
        connections.add(name)
    assert boards[1].look()[0][0] == OPEN + 2
    connections.discard("b")
    connections.discard("b")
    assert boards[1].look()[0][0] == OPEN + 1
