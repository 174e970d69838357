"""The report as a page and as a table: everything in it, nothing from elsewhere, well formed."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from service.diagnosis import page, table

TEXT = """g (float[n, 12] x) => (float[n, 12] y, float[n, 12] z)
    { a = Relu(x) b = Tanh(a) y = LeakyRelu <alpha = 0.25> (b) z = Exp(x) }"""
VOID = {"meta", "br"}


@pytest.fixture
def told(written: Any, diagnosed: Any) -> dict[str, Any]:
    x = np.random.default_rng(0).normal(size=(300, 12)).astype(np.float32)
    x[:, 3], x[:, 5], x[0, 7] = -1, 30, np.nan
    report: dict[str, Any] = diagnosed(written(TEXT), x, bins=10)
    report["layers"][0]["node"] = "<odd> & node"
    report["findings"][0]["text"] += " <odd>"
    return report


class Elements(HTMLParser):
    """Fails where an element is not closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_page_is_well_formed_and_needs_nothing_else(told: dict[str, Any]) -> None:
    text = page.write(told, "rows & columns.npy")
    found = Elements()
    found.feed(text)
    found.close()
    assert found.open == []
    assert not {"script", "link", "img", "iframe"} & {tag for tag, _ in found.seen}
    assert not re.search(r"https?:|url\(|@import", text)
    assert "prefers-color-scheme: dark" in text
    for name in set(re.findall(r"var\((--\w+)\)", text)):
        assert text.count(f"{name}:") == 2, name  # for light and for dark
    for svg in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        ElementTree.fromstring(svg)
    assert "<odd>" not in text
    assert "<code>b</code>" in text
    assert "&lt;odd&gt; &amp; node" in text
    assert "rows &amp; columns.npy" in text


def test_page_draws_every_bar_and_every_unit(told: dict[str, Any]) -> None:
    found = Elements()
    found.feed(page.write(told))
    classes = [attributes.get("class") for tag, attributes in found.seen if tag == "rect"]
    layers = told["layers"]
    assert classes.count("bar") == sum(len(layer["histogram"]["counts"]) for layer in layers)
    assert classes.count("dead") == sum(len(layer["dead_units"]) for layer in layers) == 1
    assert classes.count("saturated") == sum(len(layer["saturated_units"]) for layer in layers) == 1
    assert classes.count("alive") == 12 * 3 - 2
    assert sum(tag == "section" for tag, _ in found.seen) == 3
    assert sum(tag == "li" for tag, _ in found.seen) == len(told["findings"])


def test_page_tells_where_it_leaves_units_out(told: dict[str, Any]) -> None:
    told["layers"][0]["units"] = page.MAX_CELLS + 1
    text = page.write(told)
    assert "the first 4,096 of 4,097" in text
    assert text.count('<rect class="alive"') == page.MAX_CELLS - 1 + 23


def test_page_and_table_of_no_finite_value_have_a_dash(written: Any, diagnosed: Any) -> None:
    report = diagnosed(written(TEXT), np.full((2, 12), np.nan, np.float32))
    assert "No value is finite." in page.write(report)
    assert "– ± –" in table.write(report)


@pytest.mark.parametrize(
    "values", [[1e300, 1e300], [-1.7e308, 1.7e308], [0, 5e-324], [1e-300, 2e-300], [1e6, 1e6 + 1e-9], [7, 7]]
)
def test_page_and_table_of_any_range_are_drawn(written: Any, diagnosed: Any, values: list[float]) -> None:
    text = "g (double[n, 1] x) => (double[n, 1] y) { a = Mul(x, f) y = Max(x, a) }"
    path = written(text, {"f": np.full((), 0.999)})
    report = diagnosed(path, np.array(values, np.float64).reshape(-1, 1))
    (layer,) = report["layers"]
    assert sum(layer["histogram"]["counts"]) == 2
    for svg in re.findall(r"<svg.*?</svg>", page.write(report), re.DOTALL):
        ElementTree.fromstring(svg)
    assert table.write(report)


def test_page_and_table_without_layers_have_the_finding(written: Any, diagnosed: Any) -> None:
    report = diagnosed(written("g (float[n] x) => (float[n] y) { y = Exp(x) }"), np.ones(3, np.float32))
    for text in (page.write(report), table.write(report)):
        assert "no activation that can be observed" in text


def test_table_has_a_line_for_each_layer_and_each_finding(told: dict[str, Any]) -> None:
    told["layers"][1]["node"] = "/a/very/long/name/as/exporters/write/them/Tanh"
    lines = table.write(told).splitlines()
    assert lines[0] == "model, version 1, 300 rows"
    assert " ".join(lines[2].split()) == " ".join(table.HEAD)
    assert [line.split()[1] for line in lines[4:6]] == ["tanh", "leaky_relu"]
    assert lines[4].startswith("…s/exporters/write/them/Tanh  ")
    assert max(map(len, lines[7:])) <= table.WIDTH
    assert sum(line.startswith(("error:", "warning:", "note:", "ok:")) for line in lines) == len(told["findings"])


def test_signs_that_would_steer_a_terminal_are_not_printed(told: dict[str, Any]) -> None:
    told["layers"][0]["node"] = "\x1b[31mred\x07"
    text = table.write(told)
    assert "?[31mred?" in text
    assert all(sign.isprintable() for line in text.splitlines() for sign in line)


@pytest.mark.parametrize(
    ("share", "drawn"), [(0, "    "), (0.001, "▏   "), (0.25, "█   "), (0.5, "██  "), (0.53, "██▏ "), (1, "████")]
)
def test_bar_is_as_long_as_its_share(share: float, drawn: str) -> None:
    assert table.bar(share, 4) == drawn


def test_outline_is_highest_where_most_are() -> None:
    assert table.outline([0, 1, 4, 8]) == " ▁▄█"
    assert table.outline([0, 1, 10_000]) == " ▁█"
    assert table.outline([]) == ""
