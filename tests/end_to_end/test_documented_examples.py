"""The examples in Python are run as they stand and print what the page says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
EXAMPLES = re.findall(r"^```python\n(.*?)^```\n```text\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_every_example_in_python_says_what_it_prints() -> None:
    assert len(EXAMPLES) == PAGE.count("```python") > 0


@pytest.mark.parametrize(("code", "printed"), EXAMPLES, ids=range(len(EXAMPLES)))
def test_example_prints_what_the_page_says(protocol_server: Any, code: str, printed: str) -> None:
    ports = {"127.0.0.1:8000": protocol_server.port, "127.0.0.1:8001": protocol_server.grpc_port}
    for address, port in ports.items():
        code = code.replace(address, f"127.0.0.1:{port}")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.returncode) == (printed, 0), done.stderr
