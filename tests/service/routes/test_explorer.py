"""The page's files: how they are addressed, kept and held in."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

# As browsers send it.
BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8"}
FOLDER = Path(__file__).parents[3] / "service" / "explorer"
MOST_COMPRESSED_BYTES = 250_000


def base(client: TestClient) -> str:
    """Where the page says that its files lie."""
    found = re.search(r'src="(explorer/[0-9a-f]{16}/)main\.js"', client.get("/", headers=BROWSER).text)
    assert found
    return "/" + found[1]


def test_browser_gets_the_page_and_asks_for_it_anew_each_time(client: TestClient) -> None:
    answer = client.get("/", headers=BROWSER)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert "{{" not in answer.text


@pytest.mark.parametrize("sent", [{}, {"accept": "*/*"}, {"accept": "application/json"}])
def test_client_that_is_no_browser_is_told_that_the_server_is_alive(client: TestClient, sent: dict[str, str]) -> None:
    """https://kserve.github.io/website/docs/concepts/architecture/data-plane/v1-protocol, liveness"""
    answer = client.get("/", headers=sent)
    assert answer.json() == {"status": "alive"}
    assert "Accept" in answer.headers["vary"]
    assert "Accept" in client.get("/", headers=BROWSER).headers["vary"]


def test_policy_allows_nothing_inline_and_no_other_host(client: TestClient) -> None:
    policy = client.get("/", headers=BROWSER).headers["content-security-policy"]
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert directives["default-src"] == "'none'"
    sources = " ".join(value for name, value in directives.items() if name.endswith("-src"))
    assert set(sources.split()) == {"'none'", "'self'"}
    page = client.get("/", headers=BROWSER).text
    assert not re.search(r"<style|style=|<script(?![^>]*src=)|\son\w+=", page)


def test_every_file_is_kept_for_good_under_the_name_of_its_content(client: TestClient) -> None:
    folder = base(client)
    page = client.get("/", headers=BROWSER).text
    named = re.findall(r'(?:src|href)="(explorer/[^"]+)"', page)
    assert len(named) > 10
    for path in named:
        answer = client.get("/" + path)
        assert answer.status_code == 200, path
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert path.startswith(folder[1:])


def test_what_a_script_imports_lies_beside_it(client: TestClient) -> None:
    folder = base(client)
    scripts = "".join(file.read_text() for file in FOLDER.glob("*.js"))
    imported = set(re.findall(r'(?:from|import\()\s*"\./([\w.-]+)"', scripts))
    assert len(imported) > 5
    for name in imported:
        assert client.get(folder + name).status_code == 200, name


def test_whole_page_is_small(client: TestClient) -> None:
    folder = base(client)
    total = len(gzip.compress(client.get("/", headers=BROWSER).content))
    for file in FOLDER.iterdir():
        if file.suffix in (".js", ".css", ".svg", ".png", ".json"):
            answer = client.get(folder + file.name, headers={"accept-encoding": "gzip"})
            total += int(answer.headers["content-length"])
    assert total < MOST_COMPRESSED_BYTES


@pytest.mark.parametrize("name", ["nothing", "index.html", "uplot.LICENSE.txt", "..%2fsettings.py", "%00"])
def test_file_that_is_none_of_the_page_is_404(client: TestClient, is_error: Any, name: str) -> None:
    is_error(client.get(base(client) + name), 404)


def test_file_of_another_version_is_404(client: TestClient, is_error: Any) -> None:
    is_error(client.get("/explorer/0123456789abcdef/main.js"), 404)


def test_without_the_page_everybody_is_told_that_the_server_is_alive(
    client: TestClient, start: Callable[..., TestClient], is_error: Any
) -> None:
    path = base(client) + "main.js"
    plain = start(no_page=True)
    assert plain.get("/", headers=BROWSER).json() == {"status": "alive"}
    is_error(plain.get(path), 404)
    assert plain.get("/docs").status_code == 200
