"""The pages and the OpenAPI document, with no other host."""

from __future__ import annotations

import re
from typing import Any

import pytest
from starlette.testclient import TestClient

# As browsers send it.
BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8"}


def test_documentation_loads_nothing_from_another_host(client: TestClient) -> None:
    text = client.get("/docs", headers=BROWSER).text
    loaded = re.findall(r'(?:src|<link[^>]*href)="([^"]+)"', text)
    assert loaded
    for path in loaded:
        assert path.startswith("/")
        assert not path.startswith("//")
        answer = client.get(path)
        assert answer.status_code == 200
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"]


@pytest.mark.parametrize(
    "name", ["nothing", "..%2fsettings.py", "%2e%2e%2f__init__.py", "swagger-ui.LICENSE.txt", "%00"]
)
def test_asset_that_is_none_is_404(client: TestClient, is_error: Any, name: str) -> None:
    is_error(client.get(f"/assets/{name}"), 404)


def test_openapi_documents_every_verb_and_the_shape_of_errors(client: TestClient) -> None:
    found = client.get("/openapi.json").json()
    assert found["openapi"].startswith("3.")
    for path, method in (
        ("/predict", "post"),
        ("/predict/{model}", "post"),
        ("/activate/{name}", "post"),
        ("/activate/{name}/gradient", "post"),
        ("/activations", "get"),
        ("/models/{model}", "get"),
        ("/health/ready", "get"),
        ("/metrics", "get"),
    ):
        described = found["paths"][path][method]
        assert described["summary"]
        assert described["description"]
    body = found["paths"]["/predict"]["post"]["requestBody"]["content"]
    assert body.keys() >= {
        "application/json",
        "application/x-npy",
        "application/octet-stream",
        "image/png",
        "image/jpeg",
    }
    parameters = found["paths"]["/predict/{model}"]["post"]["parameters"]
    named = [found["components"]["parameters"].get(one.get("$ref", "").rpartition("/")[2], one) for one in parameters]
    assert {parameter["name"] for parameter in named} == {"model", "scores", "top_k", "version"}
    assert "/assets/{file}" not in found["paths"]
