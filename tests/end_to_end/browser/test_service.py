"""Service: what the page counts and says is what was asked of the server, and what it says itself."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

EXPLICIT = ("--model-control", "explicit", "--load-model", "fashion_mnist", "--load-model", "digits")


def start(browser: Any, server: Any) -> None:
    browser.open(server, "/#service")
    browser.find(".served li")
    browser.until(lambda: tiles(browser)["rows waiting"] == "0", "no figures")


def tiles(browser: Any) -> Mapping[str, str]:
    return dict(one.text.split("\n") for one in browser.all(".tiles div"))


def rate(browser: Any) -> float:
    """Requests per second, 0 while that is not known."""
    return float(tiles(browser)["requests per second"].replace("–", "0"))


def routes(browser: Any) -> Mapping[str, Sequence[str]]:
    """Cells of each route: per second, p50, p99, requests, errors."""
    rows = [row.text.replace(" ms", "").split() for row in browser.all(".routes tbody tr")]
    return {path: cells for path, *cells in rows}


def row(browser: Any, model: str) -> Any:
    return next(one for one in browser.all(".served li") if one.text.split()[0] == model)


@contextmanager
def traffic(ask: Callable[[], object], per_second: float) -> Iterator[None]:
    """As from other callers, at an even pace."""
    over = threading.Event()

    def run() -> None:
        began = time.monotonic()
        for count in range(10_000):
            if over.wait(max(0.0, began + count / per_second - time.monotonic())):
                return
            ask()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_requests_of_others_are_counted(browser: Any, serve: Any, rows: Any) -> None:
    server = serve()
    start(browser, server)
    body = {"instances": rows[:3].tolist()}
    with traffic(lambda: server.post("/predict/fashion_mnist", body), per_second=10):
        browser.until(lambda: 8 <= rate(browser) <= 11, "the rate is not told")
    shown = tiles(browser)
    assert shown["rows in a run"] == "3.0"
    assert 0 < float(shown["half are answered within"].removesuffix(" ms")) < 1000
    assert shown["errors per second"] == "0.0"
    counted = server.metrics()
    total = counted['actserve_requests_total{method="POST",path="/predict/{model}",status="200"}']
    browser.until(lambda: routes(browser)["/predict/{model}"][3:] == [f"{total:.0f}", "0"], "not all are counted")
    runs = counted['actserve_run_rows_count{model="fashion_mnist",version="1"}']
    browser.until(
        lambda: f"{runs * 3:.0f} rows in {runs:.0f} runs" in row(browser, "fashion_mnist").text, "not all rows"
    )
    assert "3 to 4 100.0 %" in browser.text(".runs").replace("\n", " ")
    assert not any(path in routes(browser) for path in ("/metrics", "/", "/v2/repository/index"))


def test_errors_are_counted_with_their_reason(browser: Any, serve: Any) -> None:
    server = serve()
    start(browser, server)
    for _ in range(4):
        server.post("/predict", {"instances": [[1, 2]]})
    browser.until(lambda: routes(browser).get("/predict", [""])[3:] == ["4", "4"], "they are not counted")
    assert float(tiles(browser)["errors per second"]) > 0
    assert re.search(r"Errors by reason: .* 4\.", browser.text(".routes"))


def test_memory_is_what_the_process_holds(browser: Any, server: Any) -> None:
    start(browser, server)
    resident = server.status("VmRSS") * 1024
    shown = float(tiles(browser)["of memory, with all models"].removesuffix(" MB")) * 1e6
    assert shown == pytest.approx(resident, rel=0.3)


def test_model_is_unloaded_and_loaded_by_keyboard(browser: Any, serve: Any) -> None:
    server = serve(*EXPLICIT)
    start(browser, server)
    assert "ready" in row(browser, "digits").text
    browser.named("Unload digits").send_keys("\n")
    assert server.get("/models/digits").status == 200  # asked once more before it is gone for everybody
    browser.named("Really unload digits? It is gone for every caller then.").send_keys("\n")
    browser.named("Load digits")
    assert server.get("/models/digits").status == 404
    assert "unavailable" in row(browser, "digits").text
    browser.named("Load digits").send_keys("\n")
    browser.named("Unload digits")
    assert server.get("/models/digits").status == 200
    assert browser.run("return document.activeElement.getAttribute('aria-label')") == "Unload digits"
    browser.named("Load fashion_mnist_tanh").click()
    browser.named("Unload fashion_mnist_tanh")
    assert server.get("/models/fashion_mnist_tanh").status == 200


def test_server_whose_models_are_fixed_says_so(browser: Any, server: Any) -> None:
    browser.expected = ["403"]
    start(browser, server)
    browser.named("Unload digits").click()
    browser.named("Really unload digits? It is gone for every caller then.").click()
    assert "--model-control explicit" in browser.text("#service .problem")
    browser.until(lambda: not browser.named("Unload digits").is_enabled(), "it can be pressed again")
    assert server.get("/models/digits").status == 200


def test_admin_token_is_asked_for_and_used(browser: Any, serve: Any) -> None:
    browser.expected = ["401", "403"]
    server = serve(*EXPLICIT, "--admin-token", "open sesame")
    start(browser, server)
    sure = "Really unload digits? It is gone for every caller then."
    browser.named("Unload digits").click()
    browser.named(sure).click()
    field = browser.find(".key-field input")
    assert browser.driver.switch_to.active_element == field
    assert not browser.all("#token")  # the page as a whole needs none
    field.send_keys("open sesame")
    browser.named("Unload digits").click()
    browser.named(sure).click()
    browser.named("Load digits")
    assert server.get("/models/digits").status == 404


def test_broken_model_is_told_with_its_reason(browser: Any, serve: Any, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "broken.onnx").write_bytes(b"no graph")
    server = serve("--models", str(folder))
    browser.open(server, "/#service")
    browser.until(lambda: browser.all(".served .badge.bad"), "no model is bad")
    told = next(one for one in server.post("/v2/repository/index", b"").json() if one["name"] == "broken")
    assert told["reason"] in row(browser, "broken").text
    assert "not ready" in browser.text("#service .opening")


def test_activations_of_live_traffic_are_those_of_the_api(browser: Any, serve: Any, rows: Any) -> None:
    server = serve("--activation-sample-rate", "1", "--activation-cpu-share", "1")
    start(browser, server)
    assert "No row was sampled" in browser.text(".vitals")
    server.post("/predict/digits", {"instances": rows.tolist()})
    browser.until(lambda: "32 rows of the last 10 minutes" in browser.text(".vitals"), "they are not looked at")
    relu = server.get("/models/digits/activations").json()["layers"][0]
    told = browser.text(".vitals tbody tr")
    assert told.startswith(f"relu {len(relu['dead_units'])} of 128 0 of 128 ")
    assert f"{relu['drift']['psi']:.3f}, of too few rows to tell" in told
    for sent in range(64, 545, 32):  # not faster than they are measured
        server.post("/predict/digits", {"instances": rows.tolist()})
        browser.until(lambda: server.get("/models/digits/activations").json()["rows"] == sent, "not all are measured")  # noqa: B023
    browser.until(lambda: ", moved" in browser.text(".vitals tbody tr"), "garments are no digits, and nothing says so")
    reference = server.get("/models/digits").json()["activation_reference"]
    assert f"{reference['source']}, {reference['rows']} rows, for relu" in browser.text(".vitals")


def test_server_is_not_asked_while_nobody_looks(browser: Any, server: Any) -> None:
    start(browser, server)
    browser.panel("Predict")
    looks = 'actserve_requests_total{method="GET",path="/metrics",status="200"}'
    time.sleep(0.5)
    before = server.metrics()[looks]
    time.sleep(3)
    assert server.metrics()[looks] == before + 1  # this test's own
    browser.panel("Service")
    browser.until(lambda: server.metrics()[looks] > before + 6, "it does not go on")


def test_panel_goes_on_when_the_server_is_back(browser: Any, serve: Any) -> None:
    browser.expected = ["ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE"]
    server = serve()
    start(browser, server)
    server.post("/predict", {"instances": [[0] * 784]})
    browser.until(lambda: "/predict" in routes(browser), "it is not counted")
    server.stop()
    browser.until(lambda: "does not answer" in browser.text(".banner"), "not said")
    again = serve("--port", str(server.port))
    browser.until(lambda: not browser.all(".banner"), "not back")
    again.post("/activate/relu", {"tensor": [1]})
    browser.until(lambda: "/activate/{name}" in routes(browser), "it does not go on")
    assert "/predict" not in routes(browser)  # the other server's


def test_panel_is_usable_at_every_width(browser: Any, server: Any, widths: Any) -> None:
    start(browser, server)
    for scheme in ("light", "dark"):
        browser.view(*widths["wide"], scheme=scheme)
        assert browser.serious() == []
    for width, height in widths.values():
        browser.view(width, height)
        assert browser.run("return document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("way", ["curl", "Python", "tritonclient", "JavaScript"])
def test_loading_is_the_same_as_pasted(browser: Any, serve: Any, tmp_path: Path, way: str) -> None:
    server = serve(*EXPLICIT)
    browser.command("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
    start(browser, server)
    browser.named("Load fashion_mnist_tanh").click()
    browser.named("Unload fashion_mnist_tanh")
    assert server.post("/v2/repository/models/fashion_mnist_tanh/unload", b"").status == 200
    next(one for one in browser.all(".served ~ div .ways button") if one.text == way).click()
    browser.until(lambda: browser.text(".served ~ div .said").startswith("Copied."), "it is not copied")
    text = browser.driver.execute_async_script("navigator.clipboard.readText().then(arguments[0])")
    if way == "JavaScript":
        script = f"const done = arguments[0]; (async () => {{ {text}\n }})().then(() => done())"
        browser.driver.execute_async_script(script)
    else:
        command = ["bash", "-c", text] if way == "curl" else [sys.executable, "-W", "error", "-c", text]
        subprocess.run(command, cwd=tmp_path, check=True, timeout=60)
    assert server.get("/models/fashion_mnist_tanh").status == 200


@pytest.mark.parametrize("width", ["phone", "wide"])
def test_nothing_moves_while_figures_come(browser: Any, server: Any, widths: Any, width: str) -> None:
    browser.view(*widths[width])
    browser.open(server, f"/?{width}#service")
    browser.find(".served li")
    where = "return ['h2', '.gauges', '.tiles', '.routes', '.runs'].map((one) => "
    where += "Math.round(document.querySelector(`#service ${one}`).getBoundingClientRect().y))"
    before = browser.run(where)
    for name in ("relu", "elu", "gelu", "silu"):
        server.post(f"/activate/{name}/gradient", {"tensor": [1]})
        server.post(f"/v2/models/{name}/infer", {"inputs": []})
    browser.until(lambda: "/v2/models/{model}/infer" in browser.text(".routes"), "they are not counted")
    assert browser.run(where) == before


def test_models_are_told_once_the_token_is_there(browser: Any, serve: Any) -> None:
    browser.expected = ["401"]
    server = serve("--api-token", "open sesame")
    browser.open(server, "/#service")
    assert "token" in browser.text("#service .problem")
    browser.find("#token-value").send_keys("open sesame\n")
    browser.find(".served li")
    browser.until(lambda: not browser.all("#service .problem"), "the problem stays")
