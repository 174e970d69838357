"""A headless Chromium in front of the real server.

Every test ends with the same questions: was anything said in the console, and was another host asked?
"""

from __future__ import annotations

import json
import shutil
import time
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import numpy_helper
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
PATIENCE_S = 30.0
AXE = Path(__file__).parents[2] / "assets" / "axe.min.js"
WIDTHS = {"phone": (360, 740), "tablet": (768, 1024), "wide": (1440, 900)}
PICTURES = Path(__file__).parents[3] / "build" / "screenshots"
SERIOUS = {"serious", "critical"}
OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
)
# Without a browser none of this can run, and the summary at the end says so.
collect_ignore_glob = [] if BROWSER and DRIVER else ["test_*.py"]


measurements: list[str] = []  # told at the end, and not asserted: a machine may be busy with other things


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for text in measurements:
        terminalreporter.write_line(f"measured: {text}")
    if not (BROWSER and DRIVER):
        terminalreporter.write_line(
            "NOT RUN: tests/end_to_end/browser. They need `apt-get install chromium chromium-driver`.", yellow=True
        )


def pytest_report_header() -> str:
    return f"browser: {BROWSER or 'none: tests/end_to_end/browser are NOT RUN'}"


@dataclass
class Browser:
    """A page of a browser, by what a person would do and see. Waits are bounded; one that is not met fails the test."""

    driver: Chrome
    expected: list[str] = field(default_factory=list)
    """Parts of what the console may say in this test: a server that is gone is told there, whatever the page does."""

    def open(self, server: Any, path: str = "/") -> None:
        """Loads a page from a server, and waits until it has got as far as its panels."""
        self.driver.get(f"http://127.0.0.1:{server.port}{path}")
        self.find("main section:not([hidden]) h2")

    def find(self, selector: str) -> WebElement:
        """The first element that is shown, waited for."""
        return self.until(lambda: next(iter(self.all(selector)), None), f"no `{selector}` is shown")

    def all(self, selector: str) -> list[WebElement]:
        """Those that are shown now."""
        return [one for one in self.driver.find_elements(By.CSS_SELECTOR, selector) if one.is_displayed()]

    def text(self, selector: str) -> str:
        return self.find(selector).text

    def named(self, name: str, selector: str = "button, a, [role=tab]") -> WebElement:
        """The control that a screen reader would call so."""

        def found() -> WebElement | None:
            candidates = self.run(CALLED, selector, name)  # asking the driver for the name of each would take long
            return next((one for one in candidates if one.is_displayed() and one.accessible_name == name), None)

        return self.until(found, f"nothing is called `{name}`")

    def panel(self, name: str) -> None:
        """Goes to a panel by its tab."""
        self.named(name, "[role=tab]").click()
        self.until(lambda: self.named(name, "[role=tab]").get_attribute("aria-selected") == "true", f"no panel {name}")

    def until(self, condition: Callable[[], Any], otherwise: str) -> Any:
        """What the condition gives once it is true."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                if found := condition():
                    return found
            except StaleElementReferenceException:  # it has been drawn anew meanwhile
                pass
            assert time.monotonic() < deadline, otherwise
            time.sleep(0.03)

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def command(self, name: str, **parameters: Any) -> Any:
        """One of the DevTools protocol (https://chromedevtools.github.io/devtools-protocol/)."""
        return self.driver.execute_cdp_cmd(name, parameters)

    def view(self, width: int, height: int, *, scheme: str = "light", motion: str = "no-preference") -> None:
        """Sets how wide the page is and what the person prefers."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.command("Emulation.setDeviceMetricsOverride", **metrics)
        wishes = {"prefers-color-scheme": scheme, "prefers-reduced-motion": motion}
        features = [{"name": name, "value": value} for name, value in wishes.items()]
        self.command("Emulation.setEmulatedMedia", features=features)

    def upload(self, selector: str, path: Path) -> None:
        self.driver.find_element(By.CSS_SELECTOR, selector).send_keys(str(path))

    def serious(self) -> list[str]:
        """What axe-core finds that keeps people out (https://github.com/dequelabs/axe-core)."""
        # Not as a script of the page: its policy would refuse that, as it should.
        self.command("Runtime.evaluate", expression=AXE.read_text())
        found = self.command("Runtime.evaluate", expression=RUN_AXE, awaitPromise=True, returnByValue=True)
        violations: Sequence[Mapping[str, Any]] = json.loads(found["result"]["value"])
        return [
            f"{one['id']}: {one['help']}: {node['target']} {node.get('failureSummary', '')}"
            for one in violations
            if one["impact"] in SERIOUS
            for node in one["nodes"]
        ]

    def photograph(self, name: str) -> Path:
        """The whole page as a picture, kept in `build/screenshots`."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        path = PICTURES / f"{name}.png"
        path.write_bytes(b64decode(self.command("Page.captureScreenshot", captureBeyondViewport=True)["data"]))
        return path

    def complaints(self) -> list[str]:
        """What the console said, warnings left out, and nothing that is expected."""
        entries = self.driver.get_log("browser")
        said = [entry["message"] for entry in entries if entry["level"] == "SEVERE"]
        return [message for message in said if not any(part in message for part in self.expected)]

    def hosts(self) -> set[str]:
        """The hosts that were asked for anything since the last call."""
        messages = (json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance"))
        sent = [one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"]
        return {host for url in sent if urlsplit(url).scheme in ("http", "https") and (host := urlsplit(url).hostname)}


CALLED = """
const [selector, name] = arguments;
const text = (element) => (element.ariaLabel ?? element.labels?.[0]?.innerText ?? element.innerText).trim();
return [...document.querySelectorAll(selector)].filter((element) => text(element) === name);
"""
RUN_AXE = "axe.run(document, {resultTypes: ['violations']}).then((found) => JSON.stringify(found.violations))"


@contextmanager
def chromium(profile: Path) -> Iterator[Chrome]:
    options = ChromeOptions()
    options.binary_location = str(BROWSER)
    for option in (*OPTIONS, f"--user-data-dir={profile}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = Chrome(options, Service(str(DRIVER)))
    try:
        yield driver
    finally:
        driver.quit()


@pytest.fixture(scope="session")
def _driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with chromium(tmp_path_factory.mktemp("chromium")) as driver:
        yield driver


@pytest.fixture
def browser(_driver: Chrome, serve: Any) -> Iterator[Browser]:
    """A wide page in light colours. It is left before the servers of the test are stopped, which `serve` does."""
    found = Browser(_driver)
    found.view(*WIDTHS["wide"])
    yield found
    complaints, hosts = found.complaints(), found.hosts()
    _driver.get("about:blank")
    found.complaints()
    assert not complaints
    assert hosts <= {"127.0.0.1"}


@pytest.fixture(scope="session")
def measured() -> Callable[[str], None]:
    """Takes what the summary of all tests is to tell."""
    return measurements.append


@pytest.fixture(scope="session")
def widths() -> Mapping[str, tuple[int, int]]:
    return WIDTHS


@pytest.fixture(scope="session")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models that the page knows nothing of: `picture` takes 1×28×28 floats and has no labels, `picture_bytes` bytes;
    `wide` gives 50 numbers; `pair` adds two inputs; `dense` has 4 inputs, 6 hidden units and 2 outputs."""
    folder = tmp_path_factory.mktemp("strangers") / "models"
    folder.mkdir()
    dice = np.random.default_rng(5)
    weights = {name: dice.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}
    for name, (signature, body) in STRANGERS.items():
        model = onnx.parser.parse_model(f'<ir_version: 9, opset_import: ["" : 20]> {name} {signature} {{ {body} }}')
        used = [key for key in weights if any(key in node.input for node in model.graph.node)]
        model.graph.initializer.extend(numpy_helper.from_array(weights[key], key) for key in used)
        onnx.save(model, folder / f"{name}.onnx")
    return folder


SHAPES = {"w784": (784, 10), "w50": (784, 50), "w4": (4, 6), "w6": (6, 2)}
FLATTEN = "f = Flatten <axis = 1> (%s) y = MatMul(f, w784)"
STRANGERS = {
    "picture": ("(float[n, 1, 28, 28] x) => (float[n, 10] y)", FLATTEN % "x"),
    "picture_bytes": (
        "(uint8[n, 28, 28] x) => (float[n, 10] y)",
        f"c = Cast <to = 1> (x) {FLATTEN % 'c'}",
    ),
    "wide": ("(float[n, 784] x) => (float[n, 50] y)", "y = MatMul(x, w50)"),
    "pair": ("(float[n, 2] a, float[n, 2] b) => (float[n, 2] sum)", "sum = Add(a, b)"),
    "dense": ("(float[n, 4] x) => (float[n, 2] y)", "h = MatMul(x, w4) r = Relu(h) y = MatMul(r, w6)"),
}
