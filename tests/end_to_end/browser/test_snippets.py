"""Requests to paste: each is copied from the page, run as it stands, and says what the page says."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

LIMIT_S = 60


@pytest.fixture
def page(browser: Any, server: Any) -> Any:
    """With the first prediction on it."""
    start(browser, server)
    return browser


def start(browser: Any, server: Any) -> None:
    browser.command("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
    browser.open(server)
    browser.find(".answer-card .bars li")


def copy(browser: Any, card: str, way: str) -> str:
    """What is on the clipboard when a person has asked for a request."""
    browser.find(card)
    button = next(one for one in browser.all(f"{card} .ways button") if one.accessible_name == f"Copy as {way}")
    button.click()
    browser.until(lambda: browser.text(f"{card} .said").startswith("Copied."), f"{way} is not copied")
    return str(browser.driver.execute_async_script("navigator.clipboard.readText().then(arguments[0])"))


def shell(text: str, folder: Path) -> str:
    return finished(["bash", "-c", text], folder)


def python(text: str, folder: Path) -> str:
    return finished([sys.executable, "-W", "error", "-c", text], folder)


def finished(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def javascript(browser: Any, text: str) -> list[Any]:
    """What it writes to the console, run where the page is."""
    script = "const [done, said] = [arguments[0], []]; const console = {log: (...all) => said.push(...all)};"
    said: list[Any] = browser.driver.execute_async_script(
        f"{script}(async () => {{ {text}\n }})().then(() => done(said))"
    )
    return said


def shown(browser: Any) -> list[float]:
    """The bars of the answer."""
    return [float(one.text.removesuffix(" %")) / 100 for one in browser.all(".answer-card .bars .value")]


def test_prediction_is_the_same_by_curl(page: Any, tmp_path: Path) -> None:
    answer = json.loads(shell(copy(page, ".answer-card", "curl"), tmp_path))
    assert answer["predictions"][0]["label"] == page.text(".answer-card .verdict strong")
    assert np.allclose(answer["predictions"][0]["scores"], shown(page), atol=6e-4)


def test_prediction_is_the_same_by_python(page: Any, tmp_path: Path) -> None:
    said = python(copy(page, ".answer-card", "Python"), tmp_path)
    assert f"'label': '{page.text('.answer-card .verdict strong')}'" in said


def test_prediction_is_the_same_by_the_client_of_triton(page: Any, tmp_path: Path) -> None:
    said = python(copy(page, ".answer-card", "tritonclient"), tmp_path)
    scores = said.split("probabilities ")[1].replace("[", "").replace("]", "").split()
    assert np.allclose([float(one) for one in scores], shown(page), atol=6e-4)


def test_prediction_is_the_same_by_javascript(page: Any) -> None:
    (answer,) = javascript(page, copy(page, ".answer-card", "JavaScript"))
    assert np.allclose(answer["predictions"][0]["scores"], shown(page), atol=6e-4)


def test_request_follows_the_picture(page: Any, tmp_path: Path) -> None:
    before = copy(page, ".answer-card", "curl")
    page.all(".samples button")[5].click()
    page.until(lambda: page.find(".answer-card .snippet").get_attribute("textContent") != before, "it stays as it was")
    answer = json.loads(shell(copy(page, ".answer-card", "curl"), tmp_path))
    assert answer["predictions"][0]["label"] == "0"


def test_what_the_open_protocol_cannot_ask_is_said(page: Any) -> None:
    page.panel("Inside")
    page.until(lambda: page.all(".report-card .ways button"), "no requests of the report")
    next(one for one in page.all(".report-card .ways button") if one.text == "tritonclient").click()
    page.until(lambda: "cannot ask this" in page.text(".report-card .said"), "not said")
    assert not page.all(".report-card .snippet")


def test_batch_of_ones_own_is_diagnosed_as_pasted(page: Any, tmp_path: Path, rows: Any) -> None:
    page.panel("Inside")
    page.find(".report-card")
    np.save(tmp_path / "it's mine.npy", rows[:4])
    page.upload(".report-card input[type=file]", tmp_path / "it's mine.npy")
    page.until(lambda: "4 rows" in page.text(".report-card h3"), "no report")
    zeros = page.text(".report-card tbody tr").split(" %")[0].split()[-1]
    other = tmp_path / "other"
    other.mkdir()  # small ones are in the text, and written by it
    found = json.loads(shell(copy(page, ".report-card", "curl"), other))
    assert f"{found['layers'][0]['zero_share'] * 100:.1f}" == zeros
    assert "'rows': 4" in python(copy(page, ".report-card", "Python"), other)
    assert javascript(page, copy(page, ".report-card", "JavaScript"))[0]["rows"] == 4


def test_long_batch_is_read_from_its_file(page: Any, tmp_path: Path, rows: Any) -> None:
    page.panel("Inside")
    page.find(".report-card")
    np.save(tmp_path / "long.npy", np.tile(rows, (3, 1)))
    page.upload(".report-card input[type=file]", tmp_path / "long.npy")
    page.until(lambda: "96 rows" in page.text(".report-card h3"), "no report")
    assert json.loads(shell(copy(page, ".report-card", "curl"), tmp_path))["rows"] == 96
    assert "'rows': 96" in python(copy(page, ".report-card", "Python"), tmp_path)


def test_model_with_several_inputs_is_asked_as_pasted(
    browser: Any, serve: Any, strangers: Path, tmp_path: Path
) -> None:
    server = serve("--models", str(strangers))
    start(browser, server)
    Select(browser.find(".controls select")).select_by_visible_text("pair")
    field = browser.find(".form textarea")
    field.clear()
    field.send_keys('{"inputs": {"a": [[1, 2]], "b": [[10, "Infinity"]]}}')
    browser.named("Send").click()
    browser.until(lambda: "11" in browser.text(".form pre"), "no answer")
    answers = [
        json.loads(shell(copy(browser, ".form", "curl"), tmp_path)),
        javascript(browser, copy(browser, ".form", "JavaScript"))[0],
    ]
    assert answers == [json.loads(browser.text(".form pre"))] * 2
    assert "[[11. inf]]" in python(copy(browser, ".form", "tritonclient"), tmp_path)


def test_token_is_never_in_what_is_copied(browser: Any, serve: Any, tmp_path: Path) -> None:
    browser.expected = ["401"]
    server = serve("--api-token", "correct horse")
    browser.command("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
    browser.driver.get(f"http://127.0.0.1:{server.port}/")
    browser.find("#token-value").send_keys("correct horse")
    browser.named("Use it").click()
    browser.find(".answer-card .bars li")
    for way, run in (("curl", shell), ("Python", python), ("tritonclient", python)):
        text = copy(browser, ".answer-card", way)
        assert "correct horse" not in text
        said = run(text.replace("YOUR_TOKEN", "correct horse"), tmp_path)
        assert browser.text(".answer-card .verdict strong") in said


def test_curve_is_the_same_in_every_way(page: Any, server: Any, tmp_path: Path) -> None:
    page.panel("Activations")
    field = page.find(".pick[aria-label=elu] input[type=number]")
    field.clear()
    field.send_keys("0.5", Keys.ENTER)
    card = ".knowledge article[aria-label=elu]"
    page.until(lambda: "alpha=0.5" in copy(page, card, "curl"), "the request does not follow")
    told = server.get("/activations/elu/curve?alpha=0.5").json()
    for answer in (
        json.loads(shell(copy(page, card, "curl"), tmp_path)),
        ast.literal_eval(python(copy(page, card, "Python"), tmp_path)),
        javascript(page, copy(page, card, "JavaScript"))[0],
    ):
        assert answer == told
    said = python(
        f"{copy(page, card, 'tritonclient')}\nassert np.array_equal(x0, np.array({told['x']}, np.float32))", tmp_path
    )
    assert f"{told['y'][0]:.8f}"[:8] in said


def test_tensor_is_the_same_in_every_way(page: Any, tmp_path: Path) -> None:
    page.panel("Activations")
    page.named("softmax").click()
    page.named("Random tensor").click()
    card = ".knowledge article[aria-label=softmax]"
    page.until(lambda: "/activate/softmax" in copy(page, card, "curl"), "the request does not follow")
    answer = json.loads(shell(copy(page, card, "curl"), tmp_path))
    assert answer["shape"] == [64, 64]
    assert ast.literal_eval(python(copy(page, card, "Python"), tmp_path)) == answer
    assert javascript(page, copy(page, card, "JavaScript")) == [answer]
    check = f"assert np.array_equal(result.as_numpy('y'), np.array({answer['tensor']}, np.float32))"
    python(f"{copy(page, card, 'tritonclient')}\n{check}", tmp_path)


def test_long_file_of_text_is_read_by_its_name(page: Any, tmp_path: Path, rows: Any) -> None:
    page.panel("Inside")
    page.find(".report-card")
    (tmp_path / "long.json").write_text(json.dumps({"instances": rows.tolist()}))
    page.upload(".report-card input[type=file]", tmp_path / "long.json")
    page.until(lambda: "32 rows" in page.text(".report-card h3"), "no report")
    text = copy(page, ".report-card", "curl")
    assert len(text) < 300
    assert json.loads(shell(text, tmp_path))["rows"] == 32
    assert "'rows': 32" in python(copy(page, ".report-card", "Python"), tmp_path)


def test_request_is_copied_where_the_browser_has_no_clipboard_for_the_page(page: Any, tmp_path: Path) -> None:
    """As on a plain http address of another machine."""
    page.run("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    button = next(one for one in page.all(".answer-card .ways button") if one.text == "curl")
    button.click()
    page.until(lambda: page.text(".answer-card .said").startswith("Copied."), "it is not copied")
    page.run("document.querySelector('main').append(Object.assign(document.createElement('textarea'), {id: 'other'}))")
    page.find("#other").send_keys(Keys.CONTROL, "v")
    answer = json.loads(shell(page.find("#other").get_attribute("value"), tmp_path))
    assert answer["predictions"][0]["label"] == page.text(".answer-card .verdict strong")
