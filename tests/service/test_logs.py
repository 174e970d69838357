"""One line for each event."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator

import pytest

from service import logs


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger, put back as it was afterwards."""
    logger, ours = logging.getLogger(), logging.getLogger("actserve")
    before = (logger.handlers[:], logger.level, ours.level)
    yield logger
    logger.handlers[:], level, own = before
    logger.setLevel(level)
    ours.setLevel(own)


def record(message: str = "hello", **fields: object) -> logging.LogRecord:
    made = logging.LogRecord("actserve", logging.INFO, __file__, 1, message, None, None)
    made.__dict__.update(fields)
    return made


def failed() -> logging.LogRecord:
    made = record()
    try:
        raise ValueError("why")
    except ValueError:
        made.exc_info = sys.exc_info()
    return made


def test_text_has_message_and_fields_on_one_line() -> None:
    line = logs.TextFormatter().format(record(request_id="abc", status=404, secret="x"))
    assert "info" in line
    assert line.endswith("hello request_id=abc status=404")
    assert "\n" not in line


def test_json_is_one_object_with_time_level_and_fields() -> None:
    line = logs.JsonFormatter().format(record("two\nlines", request_id="abc", duration_ms=1.5))
    assert "\n" not in line
    found = json.loads(line)
    assert found.pop("time").endswith("+00:00")
    assert found == {
        "level": "info",
        "logger": "actserve",
        "message": "two\nlines",
        "request_id": "abc",
        "duration_ms": 1.5,
    }


def test_traceback_is_kept() -> None:
    assert "ValueError: why" in logs.TextFormatter().format(failed())
    assert "ValueError: why" in json.loads(logs.JsonFormatter().format(failed()))["traceback"]


def test_message_and_fields_cannot_forge_a_line() -> None:
    line = logs.TextFormatter().format(record("a\nb", path="/x\r\n12:00 info forged"))
    assert len(line.splitlines()) == 1


@pytest.mark.parametrize(("log_format", "level", "shown"), [("json", "info", True), ("text", "error", False)])
def test_levels_and_format_are_configured(
    root: logging.Logger, capsys: pytest.CaptureFixture[str], log_format: str, level: str, shown: bool
) -> None:
    logs.configure(log_format, level)
    logging.getLogger("actserve.x").info("ours")
    logging.getLogger("library").info("theirs")
    written = capsys.readouterr().err
    assert ("ours" in written) is shown
    assert "theirs" not in written
    if shown:
        assert json.loads(written)["message"] == "ours"
