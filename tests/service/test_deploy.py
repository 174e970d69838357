"""What lies in deploy/ names only what the service really exports, metric by metric and label by label."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from onnx import helper
from starlette.testclient import TestClient

from service.lifecycle import QUIET_S
from service.server import KEEP_ALIVE_S
from service.settings import Settings

DEPLOY = Path(__file__).parents[2] / "deploy"
BY_PROMETHEUS = {"instance", "job", "le"}
SELECTOR = re.compile(r"(actserve_\w+)(?:\{([^}]*)\})?")
FILES = {
    "alerts": DEPLOY / "prometheus" / "alerts.yml",
    "dashboard": DEPLOY / "grafana" / "actserve.json",
}


@pytest.fixture
def exported(graphs: Any, tmp_path: Path, start: Callable[..., TestClient]) -> dict[str, set[str]]:
    """The labels of every metric, of a server in which each has something to show."""
    nodes = [helper.make_node("Relu", ["x"], ["y"], name="relu")]
    layer = {"node": "relu", "edges": [0.0], "counts": [1, 1]}
    properties = {"activation_reference": json.dumps({"rows": 2, "layers": [layer]})}
    graphs.write(tmp_path / "own.onnx", nodes, [("x", 1, ["n", 2])], [("y", 1, ["n", 2])], {}, properties)
    (tmp_path / "broken.onnx").write_bytes(b"no graph")
    control = {"model_control": "explicit", "load_model": "own"}
    client = start(models=tmp_path, activation_sample_rate=1, activation_cpu_share=1, **control)
    assert client.post("/v2/repository/models/broken/load").status_code != 200
    headers = {"content-type": "application/octet-stream"}
    for rows in (5, 300):
        body = np.ones((rows, 2), np.float32).tobytes()
        assert client.post("/predict/own", content=body, headers=headers).status_code == 200
    assert client.get("/nowhere").status_code == 404
    until = time.monotonic() + 30
    while "actserve_activation_drift_psi{" not in (text := client.get("/metrics").text):
        assert time.monotonic() < until
        time.sleep(0.2)
    return labels_of(text)


def labels_of(text: str) -> dict[str, set[str]]:
    samples = re.findall(r"^(actserve_\w+)(?:\{(.*)\})? \S+$", text, re.MULTILINE)
    return {name: set(re.findall(r'(\w+)="', labels)) for name, labels in samples}


def expressions(name: str) -> Iterator[str]:
    """Whatever is asked of Prometheus, in either file."""
    if name == "alerts":
        for group in yaml.safe_load(FILES[name].read_text())["groups"]:
            yield from (rule["expr"] for rule in group["rules"])
        return
    dashboard = json.loads(FILES[name].read_text())
    yield from (target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ()))
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield re.sub(r"label_values\((.*), (\w+)\)", r"sum by (\2) (\1)", variable["query"]["query"])


@pytest.mark.parametrize("name", FILES)
def test_every_metric_and_label_is_one_that_the_service_exports(name: str, exported: dict[str, set[str]]) -> None:
    found = list(expressions(name))
    assert len(found) > 8
    for expression in found:
        used = SELECTOR.findall(expression)
        assert used, expression
        assert {metric for metric, _ in used} <= exported.keys(), expression
        known = set.union(*(exported[metric] for metric, _ in used)) | BY_PROMETHEUS
        for metric, selector in used:
            named = set(re.findall(r'(\w+)\s*(?:=~|!~|!=|=)\s*"', selector))
            assert named <= exported[metric] | BY_PROMETHEUS, expression
        for grouped in re.findall(r"(?:by|on) \(([^)]*)\)", expression):
            assert {label.strip() for label in grouped.split(",")} <= known, expression


def test_every_gauge_of_activations_has_a_panel(exported: dict[str, set[str]]) -> None:
    shown = {metric for expression in expressions("dashboard") for metric, _ in SELECTOR.findall(expression)}
    assert {name for name in exported if name.startswith("actserve_activation_")} <= shown


def test_alerts_on_windows_wait_for_enough_rows_and_name_what_they_are_about() -> None:
    rules = [rule for group in yaml.safe_load(FILES["alerts"].read_text())["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        assert rule.keys() >= {"alert", "expr", "labels", "annotations"}
        assert rule["annotations"].keys() == {"summary", "description"}
        if re.search("drift|dead_share|saturated", rule["expr"]):
            assert "actserve_activation_rows >= 500" in rule["expr"]
            assert "$labels.layer" in rule["annotations"]["description"]


def test_panels_of_the_dashboard_do_not_overlap() -> None:
    panels = json.loads(FILES["dashboard"].read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for place in (panel["gridPos"] for panel in panels):
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells


def _time_s(name: str) -> float:
    """A time of the load balancer's, by the words before it."""
    found = re.search(rf"^ .*\b{name} (\d+)(ms|s)\b", (DEPLOY / "haproxy" / "haproxy.cfg").read_text(), re.MULTILINE)
    assert found is not None
    return float(found[1]) / (1000 if found[2] == "ms" else 1)


def test_times_of_the_load_balancer_agree_with_the_defaults_of_the_service() -> None:
    settings = Settings()
    assert _time_s("timeout http-request") == settings.request_timeout_s
    assert settings.request_timeout_s < _time_s("timeout server") < _time_s("hard-stop-after")
    assert _time_s("timeout server") == _time_s("timeout client")
    assert _time_s("inter") + _time_s("timeout check") + QUIET_S < settings.drain_timeout_s / 2
    assert _time_s("timeout http-keep-alive") < KEEP_ALIVE_S
