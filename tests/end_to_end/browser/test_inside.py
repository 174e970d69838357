"""Inside: the units for a picture, what goes into one, and reports, each against what the API says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from selenium.webdriver.common.keys import Keys

BOOT = Path(__file__).parents[3] / "docs" / "images" / "boot.png"


def look(browser: Any, server: Any) -> None:
    """At the boot, in the garments' network."""
    browser.open(server)
    browser.named("Garments").click()
    browser.named("Ankle boot, test image 0").click()
    browser.panel("Inside")
    browser.find(".unit-grid button")


def report_on(browser: Any, rows: str) -> None:
    browser.until(lambda: rows in browser.text(".report-card h3"), f"no report on {rows}")


def test_units_are_lit_by_what_the_api_says(browser: Any, server: Any) -> None:
    look(browser, server)
    told = server.post("/diagnose/fashion_mnist?by_row=true", BOOT.read_bytes(), "image/png").json()
    values = told["layers"][0]["by_row"][0]
    cells = browser.until(lambda: browser.all(".unit-grid button"), "no units")
    shown = [float(cell.get_attribute("aria-label").split(": ")[1].split(",")[0]) for cell in cells]
    assert np.allclose(shown, values, rtol=5e-3, atol=5e-3)
    strongest = int(np.argmax(values))
    assert browser.text(".unit-card h3") == f"Unit {strongest}"


def test_dead_units_over_the_test_images_are_marked(browser: Any, server: Any) -> None:
    look(browser, server)
    report_on(browser, "100 rows")
    cells = browser.all(".unit-grid button")
    dead = [index for index, cell in enumerate(cells) if "dead" in cell.get_attribute("class")]
    assert f"{len(dead)} of 128 units" in browser.text(".findings li")
    assert all("dead over 100 rows" in cells[index].get_attribute("aria-label") for index in dead)
    assert f"{len(dead)} (" in browser.text(".report-card table")


def test_weights_of_the_unit_that_is_focused_are_those_of_the_api(browser: Any, server: Any) -> None:
    look(browser, server)
    report_on(browser, "100 rows")
    before = browser.text(".unit-card h3")
    browser.find(".unit-grid button[tabindex='0']").send_keys(Keys.HOME)
    browser.until(lambda: browser.text(".unit-card h3") == "Unit 0", f"still {before}")
    browser.driver.switch_to.active_element.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_DOWN)
    browser.until(lambda: browser.text(".unit-card h3") == "Unit 17", "the arrow keys do not walk")
    browser.until(lambda: "unit 17" in browser.find(".weights").get_attribute("aria-label"), "no weights")
    weights = np.array(server.get("/models/fashion_mnist/weights?node=relu&unit=17").json()["weights"])
    pixels = np.array(
        browser.run(
            "const c = document.querySelector('.weights');"
            "return Array.from(c.getContext('2d').getImageData(0, 0, 28, 28).data)"
        )
    ).reshape(784, 4)
    clear = np.abs(weights) > np.abs(weights).max() / 10
    is_blue = pixels[:, 2] > pixels[:, 0]
    assert np.array_equal(is_blue[clear], weights[clear] > 0)
    assert "Speaks for" in browser.text(".votes")


def test_unit_follows_the_pointer(browser: Any, server: Any) -> None:
    look(browser, server)
    browser.all(".unit-grid button")[40].click()
    browser.until(lambda: browser.text(".unit-card h3") == "Unit 40", "the pointer is not followed")


def test_batch_of_ones_own_is_diagnosed(browser: Any, server: Any, tmp_path: Path, rows: Any) -> None:
    look(browser, server)
    np.save(tmp_path / "batch.npy", rows)
    browser.upload(".report-card input[type=file]", tmp_path / "batch.npy")
    report_on(browser, "32 rows")
    told = server.post("/diagnose/fashion_mnist", (tmp_path / "batch.npy").read_bytes(), "application/x-npy").json()
    shown = browser.until(lambda: browser.all(".findings li"), "no findings")
    assert [one.text.split(" ", 1)[1] for one in shown] == [
        finding["text"].replace("`", "") for finding in told["findings"]
    ]
    (tmp_path / "batch.json").write_text(json.dumps({"instances": rows[:5].tolist()}))
    browser.upload(".report-card input[type=file]", tmp_path / "batch.json")
    report_on(browser, "5 rows")
    browser.named("Back to the test images").click()
    report_on(browser, "100 rows")


def test_any_network_can_be_chosen_here_as_well(browser: Any, server: Any) -> None:
    look(browser, server)
    report_on(browser, "100 rows")
    browser.named("Network", "select").send_keys("fashion_mnist_tanh")
    browser.until(lambda: browser.text("h2") == "Inside fashion_mnist_tanh", "it is not chosen")
    browser.until(lambda: "128 units of tanh" in browser.text(".grid-card h3"), "its units are not shown")
    browser.until(lambda: "tanh" in browser.text(".report-card table"), "it is not reported on")


def test_batch_that_does_not_fit_is_said_in_place(browser: Any, server: Any, tmp_path: Path) -> None:
    browser.expected = ["422"]
    look(browser, server)
    np.save(tmp_path / "batch.npy", np.zeros((3, 5), np.float32))
    browser.upload(".report-card input[type=file]", tmp_path / "batch.npy")
    assert "[3, 5]" in browser.text(".report-card .problem")


def test_model_of_another_shape_is_looked_into(browser: Any, serve: Any, strangers: Path) -> None:
    server = serve("--models", str(strangers), "--no-shipped-models", "--default-model", "dense")
    browser.open(server, "/#inside")
    browser.until(lambda: len(browser.all(".unit-grid button")) == 6, "no units")
    assert "the example" in browser.text(".grid-card h3")
    browser.until(lambda: "4 incoming weights" in browser.text(".unit-card figcaption"), "no weights")
