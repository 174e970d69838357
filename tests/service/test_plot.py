"""A drawn curve: valid SVG whose points stand where the numbers say."""

import math
import re
from xml.etree import ElementTree

import pytest

from service import plot

SVG = "{http://www.w3.org/2000/svg}"


def polylines(document: str, kind: str) -> list[list[tuple[float, float]]]:
    lines = [line for line in ElementTree.fromstring(document).iter(f"{SVG}polyline") if kind in line.attrib["class"]]
    return [[tuple(map(float, point.split(","))) for point in line.attrib["points"].split()] for line in lines]


def test_draw_gives_one_line_for_function_and_one_for_derivative() -> None:
    document = plot.draw("relu", [-1.0, 0.0, 1.0], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0])
    (value,) = polylines(document, "value")
    (slope,) = polylines(document, "slope")
    assert value == slope
    assert [x for x, _ in value] == [plot.LEFT, (plot.LEFT + plot.WIDTH - plot.RIGHT) / 2, plot.WIDTH - plot.RIGHT]
    assert value[0][1] > value[2][1]  # a larger number stands higher up


def test_draw_leaves_a_gap_where_a_number_is_not_finite() -> None:
    document = plot.draw("gap", [0.0, 1.0, 2.0, 3.0, 4.0], [0.0, 1.0, math.nan, 1.0, math.inf], [0.0] * 5)
    assert [len(piece) for piece in polylines(document, "value")] == [2, 1]


def test_draw_survives_a_curve_without_any_finite_number() -> None:
    document = plot.draw("nan", [0.0, 1.0], [math.nan] * 2, [math.nan] * 2)
    assert polylines(document, "value") == []


def test_draw_escapes_its_title() -> None:
    document = plot.draw("a<b>&", [0.0, 1.0], [0.0, 1.0], [1.0, 1.0])
    titles = [element.text for element in ElementTree.fromstring(document).iter(f"{SVG}title")]
    assert titles == ["a<b>&: function and derivative"]


def test_draw_has_colours_for_light_and_dark_and_names_its_axes() -> None:
    document = plot.draw("elu", [0.0, 1.0], [0.0, 1.0], [1.0, 1.0])
    assert "prefers-color-scheme: dark" in document
    assert {"x", "y", "function", "derivative"} <= set(re.findall(r">([^<>]+)</text>", document))


@pytest.mark.parametrize("interval", [(-6.0, 6.0), (0.0, 1e-7), (-1e30, 1e30), (99.5, 100.5)])
def test_ticks_are_round_and_inside(interval: tuple[float, float]) -> None:
    found = plot.ticks(interval)
    assert 2 <= len(found) <= 8
    assert all(interval[0] <= value <= interval[1] for value in found)
