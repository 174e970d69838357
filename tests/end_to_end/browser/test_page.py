"""The page as a whole: its tabs, who can use it, what it loads."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

PANELS = ("Predict", "Inside", "Activations", "Service")


@pytest.mark.parametrize("panel", PANELS)
def test_axe_finds_nothing_serious(browser: Any, server: Any, widths: Any, panel: str) -> None:
    browser.open(server, f"/#{panel.lower()}")
    for scheme in ("light", "dark"):
        for width in ("phone", "wide"):
            browser.view(*widths[width], scheme=scheme)
            assert browser.serious() == []


def test_axe_finds_nothing_serious_in_what_is_opened(browser: Any, serve: Any, strangers: Path) -> None:
    browser.expected = ["422", "400"]
    server = serve("--models", str(strangers))
    browser.open(server)
    browser.named("Garments").click()
    browser.until(lambda: "9 activations" in browser.text("summary"), "the family is not there")
    browser.until(lambda: len(browser.all(".comparison .verdict strong")) == 9, "not all of them are there")
    assert browser.serious() == []
    Select(browser.find(".controls select")).select_by_visible_text("pair")
    browser.find(".form textarea").clear()
    browser.named("Send").click()
    browser.find(".form .problem")
    assert browser.serious() == []


def test_tabs_are_walked_with_the_arrow_keys(browser: Any, server: Any) -> None:
    browser.open(server)
    browser.named("Predict", "[role=tab]").send_keys(Keys.ARROW_RIGHT)
    assert browser.text("main section:not([hidden]) h2").startswith("Inside")
    browser.driver.switch_to.active_element.send_keys(Keys.END)
    browser.until(lambda: browser.text("main section:not([hidden]) h2") == "Service", "the last tab is not reached")


@pytest.mark.parametrize("panel", PANELS)
def test_page_is_never_wider_than_the_screen(browser: Any, server: Any, widths: Any, panel: str) -> None:
    browser.open(server, f"/#{panel.lower()}")
    for width, height in widths.values():
        browser.view(width, height)
        assert browser.run("return document.documentElement.scrollWidth") <= width


def test_nothing_moves_by_itself_while_the_page_fills(browser: Any, server: Any, widths: Any) -> None:
    """https://web.dev/articles/cls calls up to 0.1 good."""
    for width in ("phone", "wide"):
        browser.view(*widths[width])
        browser.open(server, f"/?{width}")
        browser.find(".answer-card .bars li")
        time.sleep(1)
        assert browser.driver.execute_async_script(SHIFTS) < 0.05


SHIFTS = """
const done = arguments[arguments.length - 1];
let sum = 0;
const add = (list) => list.getEntries().forEach((shift) => { sum += shift.hadRecentInput ? 0 : shift.value; });
new PerformanceObserver(add).observe({type: "layout-shift", buffered: true});
setTimeout(() => done(sum), 200);
"""


def test_without_a_wish_for_motion_nothing_moves_smoothly(browser: Any, server: Any, widths: Any) -> None:
    browser.view(*widths["wide"], motion="reduce")
    browser.open(server)
    level = browser.find(".answer-card .bars .track").find_element("css selector", ".level")
    assert level.value_of_css_property("transition-duration") == "0s"


def test_page_of_a_server_without_one_is_json(browser: Any, serve: Any) -> None:
    server = serve("--no-page", measured=False)
    browser.driver.get(f"http://127.0.0.1:{server.port}/")
    assert '{"status":"alive"}' in browser.run("return document.body.innerText")
    browser.expected = ["favicon.ico"]


def test_panel_comes_back_where_the_address_says(browser: Any, server: Any) -> None:
    browser.open(server, "/#inside")
    assert browser.named("Inside", "[role=tab]").get_attribute("aria-selected") == "true"
    browser.find(".unit-grid button")


def test_page_behind_a_path_of_a_proxy_finds_its_files_and_its_api(browser: Any, server: Any) -> None:
    """Every address that the page uses is relative to its own."""
    page = server.get("/", {"Accept": "text/html"}).body.decode()
    assert not re.search(r"""(?:src|href)=["'](?:/|https?:)""", page)
    browser.open(server)
    script = "const api = await import(document.querySelector('script[src]').src.replace('main.js', 'api.js'));"
    mine = browser.run(script + "return api.address('/models')")
    assert mine == f"http://127.0.0.1:{server.port}/models"
