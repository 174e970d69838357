"""Activations: what is plotted and read is what the API says, by pointer and by keyboard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

POINTS = 241
PLACE = ".view:not([hidden]) .place input[type=range]"


@pytest.fixture
def page(browser: Any, server: Any) -> Any:
    browser.open(server, "/#activations")
    browser.until(lambda: len(reading(browser)) == 3, "nothing is read")
    return browser


def reading(browser: Any) -> Mapping[str, Sequence[float]]:
    """The numbers of the table by activation, for the place that is read."""
    rows = [row.text.split() for row in browser.all(".view:not([hidden]) .reading tbody tr")]
    return {name: [float(cell.replace("−", "-")) for cell in cells] for name, *cells in rows}


def place(browser: Any) -> float:
    return float(browser.text(".view:not([hidden]) .place output").replace("−", "-"))


def curve(server: Any, name: str, **parameters: Any) -> Any:
    query = urlencode({"from": -6, "to": 6, "points": POINTS, **parameters})
    return server.get(f"/activations/{name}/curve?{query}").json()


def at(server: Any, name: str, x: float, **parameters: Any) -> list[float]:
    """Value and slope by the API, at the point of the curve that is nearest."""
    told = curve(server, name, **parameters)
    index = int(np.argmin(np.abs(np.array(told["x"]) - x)))
    return [told["y"][index], told["grad"][index]]


def control(browser: Any, activation: str, kind: str) -> Any:
    return browser.find(f".pick[aria-label={activation}] input[type={kind}]")


def test_slider_moves_the_curve_to_what_the_api_says(page: Any, server: Any) -> None:
    page.find(PLACE).send_keys(Keys.HOME)
    before = reading(page)["elu"]
    slider = control(page, "elu", "range")
    ActionChains(page.driver).move_to_element_with_offset(slider, slider.size["width"] // 3, 0).click().perform()
    alpha = float(control(page, "elu", "number").get_attribute("value"))
    assert alpha > 1
    page.until(lambda: reading(page)["elu"] != before, "the curve does not follow")
    page.until(lambda: reading(page)["elu"] == at(server, "elu", -6, alpha=alpha), "it is not what the API says")


def test_slider_is_moved_by_keyboard_and_an_exact_value_is_written(page: Any, server: Any) -> None:
    slider = control(page, "elu", "range")
    slider.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert slider.get_attribute("aria-valuetext") == "1.02"
    field = control(page, "elu", "number")
    field.clear()
    field.send_keys("0.3125", Keys.ENTER)
    page.find(PLACE).send_keys(Keys.HOME)
    page.until(lambda: reading(page)["elu"] == at(server, "elu", -6, alpha=0.3125), "it is not what the API says")


def test_every_value_is_read_by_keyboard(page: Any, server: Any) -> None:
    slider = page.find(PLACE)
    slider.send_keys(Keys.HOME, *[Keys.ARROW_RIGHT] * 3)
    page.until(lambda: place(page) == -5.85, f"it stands at {place(page)}")
    assert reading(page) == {name: at(server, name, -5.85) for name in ("relu", "elu", "silu")}
    told = slider.get_attribute("aria-valuetext")
    assert told.startswith("x −5.85. relu: value 0, slope 0; elu: value −0.99")


def test_value_under_the_pointer_is_read(page: Any, server: Any) -> None:
    plot = page.find(".pair .u-over")
    ActionChains(page.driver).move_to_element_with_offset(plot, plot.size["width"] // 4, 0).perform()
    page.until(lambda: 2.9 < place(page) < 3.1, "the pointer is not followed")
    assert reading(page) == {name: at(server, name, place(page)) for name in ("relu", "elu", "silu")}


def test_up_to_six_are_picked(page: Any, server: Any) -> None:
    for name in ("tanh", "softmax", "threshold"):
        page.named(name).click()
    page.until(lambda: len(reading(page)) == 6, "not all of them are read")
    assert not page.named("gelu").is_enabled()
    page.find(PLACE).send_keys(Keys.END)
    page.until(lambda: reading(page)["softmax"] == at(server, "softmax", 6), "softmax is not what the API says")
    for name in ("relu", "elu", "silu", "tanh", "softmax"):
        page.named(name).click()
    page.until(lambda: list(reading(page)) == ["threshold"], "they do not go")
    assert "two elements" not in page.text(".view:not([hidden])")


def test_lower_bound_takes_the_upper_one_along(page: Any) -> None:
    page.named("hardtanh").click()
    low, high = page.until(lambda: page.all(".pick[aria-label=hardtanh] input[type=number]"), "no parameters")
    low.clear()
    low.send_keys("1.5", Keys.ENTER)
    assert high.get_attribute("value") == "1.5"
    page.until(lambda: "hardtanh" in reading(page), "it is not read")
    assert not page.all(".problem")


def test_parameter_out_of_range_is_said_in_place(page: Any) -> None:
    page.expected = ["422"]
    page.named("celu").click()
    field = control(page, "celu", "number")
    field.clear()
    field.send_keys("-1", Keys.ENTER)
    assert "parameters.alpha" in page.text(".stage .problem")
    control(page, "celu", "range").send_keys(Keys.ARROW_RIGHT)
    page.until(lambda: not page.all(".problem"), "the problem stays")


def test_error_is_that_of_fp32_against_fp64(page: Any, server: Any) -> None:
    page.named("Error").click()
    page.until(lambda: len(reading(page)) == 3, "nothing is read")
    page.find(PLACE).send_keys(Keys.HOME)
    page.until(lambda: place(page) == -6, "the place is not followed")
    x = np.linspace(-6, 6, POINTS).astype(np.float32)
    for name, (single, exact, error, largest) in reading(page).items():
        told = [
            np.array(server.post(f"/activate/{name}", {"tensor": x.tolist(), "datatype": kind}).json()["tensor"])
            for kind in ("FP32", "FP64")
        ]
        errors = (told[0].astype(np.float32).astype(float) - told[1]) / np.spacing(np.abs(told[1]).astype(np.float32))
        assert (single, exact) == (told[0][0], told[1][0])
        assert error == pytest.approx(errors[0], abs=0.02)
        assert largest == pytest.approx(np.abs(errors).max(), abs=0.02)
        assert largest <= 4


def test_formula_as_a_book_has_it_is_told_apart(page: Any) -> None:
    page.named("Error").click()
    page.until(lambda: len(reading(page)) == 3, "nothing is read")
    page.find(".view:not([hidden]) input[type=checkbox]").click()
    page.find(PLACE).send_keys(Keys.HOME, *[Keys.ARROW_RIGHT] * 119)  # next to 0, where exp(x) − 1 loses its digits
    texts = page.until(lambda: [one.text for one in page.all(".view:not([hidden]) .reading tbody tr")], "no rows")
    elu = next(text for text in texts if text.startswith("elu")).replace("−", "-").split()
    assert abs(float(elu[-1])) > 2 > abs(float(elu[3]))
    assert next(text for text in texts if text.startswith("relu")).endswith("– –")


def test_tensor_goes_through_as_the_api_says(page: Any, server: Any) -> None:
    page.named("leaky_relu").click()
    page.named("Random tensor").click()
    rows = page.until(
        lambda: (found := page.all(".view:not([hidden]) tbody tr")) and len(found) == 5 and found, "no numbers"
    )
    shown = {row.text.split()[0]: row.text.replace("−", "-").replace(" %", "").split()[1:] for row in rows}
    assert float(shown["before"][0]) == pytest.approx(0, abs=0.05)
    assert float(shown["before"][1]) == pytest.approx(1, abs=0.05)
    assert float(shown["relu"][2]) == pytest.approx(50, abs=3)
    assert shown["relu"][2] == shown["relu"][3]  # zero is where it is flat
    assert shown["leaky_relu"][2:4] == ["0.0", "0.0"]
    assert len(page.all(".view:not([hidden]) figure")) == 5
    page.named("Another tensor").click()
    page.until(
        lambda: page.all(".view:not([hidden]) tbody tr")[0].text.split()[1] != shown["before"][0], "the same tensor"
    )


def test_formulas_and_what_they_rest_on_are_told(page: Any, server: Any) -> None:
    about = server.get("/activations/elu").json()
    card = page.find(".knowledge article[aria-label=elu]")
    assert len(card.find_elements("css selector", ".formula math")) == 2
    told = [one.text for one in card.find_elements("css selector", ".claims li")]
    claims = [one for part in ("strengths", "weaknesses", "use") for one in about[part]]
    assert told == [f"{one['text']} {one['evidence']}: {one['source']}" for one in claims]
    assert about["promise"] in card.text


def test_panel_can_be_used_in_all_its_views(page: Any, widths: Any) -> None:
    for view in ("Function and slope", "Error", "Random tensor"):
        page.named(view).click()
        for scheme in ("light", "dark"):
            page.view(*widths["wide"], scheme=scheme)
            assert page.serious() == []
        for name, (width, height) in widths.items():
            page.view(width, height)
            assert page.run("return document.documentElement.scrollWidth") <= width, (view, name)


def test_range_is_chosen(page: Any, server: Any) -> None:
    Select(page.find(".range select")).select_by_visible_text("−100 to 100")
    page.find(PLACE).send_keys(Keys.HOME)
    page.until(lambda: place(page) == -100, "the range is not followed")
    told = server.get(f"/activations/silu/curve?from=-100&to=100&points={POINTS}").json()
    page.until(lambda: reading(page)["silu"] == [told["y"][0], told["grad"][0]], "not what the API says")
