"""The paired t-test against tabled values, Holm's correction against a case worked by hand."""

import math

import pytest

from models.study.comparison import Difference, corrected, p_value, paired, spread


@pytest.mark.parametrize(
    ("t", "count"), [(12.706, 2), (4.303, 3), (2.776, 5), (2.262, 10)]
)  # 5 % points of Student's t
def test_p_value_of_the_tabled_t_is_five_percent(t: float, count: int) -> None:
    assert p_value(t / math.sqrt(count), 1, count) == pytest.approx(0.05, abs=1e-4)


def test_difference_is_taken_seed_by_seed() -> None:
    found = paired([1.1, 2.1, 3.2], [1, 2, 3])
    assert found.mean == pytest.approx(0.4 / 3)
    assert found.std == pytest.approx(0.1 / math.sqrt(3))
    assert found.direction == 0  # t = 4, and 4.3 would be needed


def test_clear_difference_has_its_direction() -> None:
    assert paired([2.0, 3.1, 4.05], [1, 2, 3]).direction == 1
    assert paired([1, 2, 3], [2.0, 3.1, 4.05]).direction == -1


def test_equal_series_do_not_differ_and_a_constant_gap_does() -> None:
    assert paired([1, 2], [1, 2]).direction == 0
    assert paired([2, 3], [1, 2]).direction == 1


def test_correction_multiplies_by_the_number_that_is_left_and_never_falls() -> None:
    given = {"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.9}
    found = corrected({name: Difference(1, 1, p) for name, p in given.items()})
    assert list(found) == list(given)
    assert [found[name].p for name in "acbd"] == pytest.approx([0.04, 0.09, 0.09, 0.9])


def test_spread_of_numbers_that_are_not_finite_is_nan() -> None:
    assert math.isnan(spread([1, math.nan]))
