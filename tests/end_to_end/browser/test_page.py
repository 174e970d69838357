"""The page as a whole: its tabs, who can use it, what it loads."""

from __future__ import annotations

from typing import Any

import pytest
from selenium.webdriver.common.keys import Keys

PANELS = ("Predict", "Inside", "Activations", "Service")


@pytest.mark.parametrize("panel", PANELS)
def test_axe_finds_nothing_serious(browser: Any, server: Any, widths: Any, panel: str) -> None:
    browser.open(server, f"/#{panel.lower()}")
    for scheme in ("light", "dark"):
        for width in ("phone", "wide"):
            browser.view(*widths[width], scheme=scheme)
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
