"""Flags and variables, what is said about wrong ones, and what stands in the log."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path
from typing import Any

import pytest


def sentence(run: Any) -> str:
    """What a run that failed says: one sentence."""
    assert run.stdout == b""
    lines = run.stderr.decode().strip().splitlines()
    assert not any("Traceback" in line for line in lines), lines
    assert len(lines) == 1, lines
    return lines[0]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "70000"),
        ("workers", "0"),
        ("providers", "tpu"),
        ("request_timeout_s", "inf"),
        ("api_token_file", "/nowhere/token"),
    ],
)
def test_wrong_flag_is_one_sentence_and_status_2(command: Any, name: str, value: str) -> None:
    flag = "--" + name.replace("_", "-")
    run = command("serve", flag, value)
    assert run.returncode == 2
    assert flag in sentence(run)


@pytest.mark.parametrize(
    ("variable", "value"),
    [("ACTSERVE_MAX_BODY_BYTES", "-5"), ("ACTSERVE_LOG_FORMAT", "xml"), ("ACTSERVE_DRAIN_TIMEOUT_S", "soon")],
)
def test_wrong_variable_is_one_sentence_and_status_2(command: Any, variable: str, value: str) -> None:
    run = command("serve", **{variable: value})
    assert run.returncode == 2
    assert variable in sentence(run)


def test_address_of_another_machine_is_one_sentence_and_status_2(command: Any) -> None:
    run = command("serve", "--host", "203.0.113.7", "--port", "0")
    assert run.returncode == 2
    assert "203.0.113.7" in sentence(run)


def test_port_in_use_is_one_sentence_and_status_2(command: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run = command("serve", "--port", port)
    assert run.returncode == 2
    assert f"127.0.0.1:{port}" in sentence(run)


def test_cuda_that_is_not_there_is_one_sentence(command: Any) -> None:
    run = command("serve", "--port", "0", "--providers", "cuda")
    assert run.returncode == 3
    assert "--providers cuda" in sentence(run)


def test_folder_of_models_that_is_not_there_is_one_sentence(command: Any) -> None:
    run = command("serve", "--port", "0", "--models", "/nowhere/models")
    assert run.returncode in (2, 3)
    assert "--models" in sentence(run)


def test_unknown_flag_is_refused(command: Any) -> None:
    run = command("serve", "--prot", "1")
    assert run.returncode == 2
    assert b"--prot" in run.stderr


def test_help_names_each_flag_with_its_variable(command: Any) -> None:
    text = command("serve", "--help").stdout.decode()
    for flag in ("--port", "--workers", "--max-body-bytes", "--drain-timeout-s", "--api-token-file"):
        assert flag in text
        assert "ACTSERVE_" + flag[2:].replace("-", "_").upper() in text
    assert command("--version").stdout.startswith(b"actserve")


def test_variables_set_what_flags_set_and_flags_win(serve: Any) -> None:
    server = serve(
        "--default-model",
        "digits",
        ACTSERVE_PORT="0",
        ACTSERVE_HOST="127.0.0.1",
        ACTSERVE_DEFAULT_MODEL="fashion_mnist",
        ACTSERVE_MAX_BODY_BYTES="50",
        ACTSERVE_LOG_FORMAT="json",
        ACTSERVE_LOG_LEVEL="debug",
        ACTSERVE_INTRA_OP_THREADS="1",
        ACTSERVE_CORS_ORIGIN="https://example.org",
        ACTSERVE_PROVIDERS="cpu",
    )
    assert server.get("/models").json()["default"] == "digits"
    assert server.post("/activate/relu", b" " * 51).status == 413
    assert server.get("/models").headers["access-control-allow-origin"] == "https://example.org"
    assert server.ask("OPTIONS", "/predict", None, {"Origin": "https://example.org"}).status == 204
    lines = [json.loads(line) for line in server.log.splitlines()]
    assert any("1 threads" in line["message"] for line in lines)
    answered = [line for line in lines if line.get("path") == "/models"]
    assert answered
    assert all(line["level"] == "debug" and line["request_id"] for line in answered)


def test_no_shipped_models_leaves_the_activations(serve: Any, slow_models: Path) -> None:
    server = serve("--no-shipped-models", "--models", str(slow_models), "--default-model", "slow")
    listed = server.get("/models").json()
    assert [model["name"] for model in listed["models"]] == ["slow"]
    assert "relu" in listed["activations"]
    assert server.get("/health/ready").status == 200
    assert server.post("/predict", {"inputs": 1}).json()["model"] == "slow"
    assert server.post("/predict/fashion_mnist", {"instances": []}).status == 404


def test_json_log_is_one_object_a_line_and_carries_the_request_id(serve: Any) -> None:
    server = serve("--log-format", "json")
    refused = server.post("/activate/relu", {"tensor": "x"}, X_Request_Id="refused-1")
    assert refused.status == 422
    server.ask("GET", "/no%0awhere%1b%e2%80%a8", None, {"X-Request-Id": "refused-2"})
    server.exchange(b"this is not HTTP\r\n\r\n")
    server.stop()
    lines = [json.loads(line) for line in server.log.rstrip().split("\n")]
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)
    by_id = {line["request_id"]: line for line in lines if "request_id" in line}
    assert by_id["refused-1"]["status"] == 422
    assert by_id["refused-1"]["message"] == refused.json()["error"]
    assert by_id["refused-2"]["status"] == 404
    assert server.stdout.read_bytes() == b""  # what is there for people would break a machine's parser


def test_text_log_is_one_line_an_event(serve: Any) -> None:
    server = serve()
    server.ask("GET", "/models/a%0a21:00:00.000%20error%20forged%1b[31m%e2%80%a8", None, {"X-Request-Id": "odd"})
    server.post("/activate/relu", {"tensor": [1], "parameters": {"a\nb\x1b": 1}})
    server.stop()
    for line in server.log.rstrip().splitlines():
        assert re.match(r"\d\d:\d\d:\d\d\.\d{3} (debug|info|warning|error) ", line), line
    assert server.log.count("request_id=odd") == 1
    assert "\x1b" not in server.log
    assert "/docs" in server.stdout.read_text()
