"""The folder of the workers: it goes with its owner, however that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from service import shared

OWNER = """
import signal
from service import shared
with shared.folder() as folder:
    (folder / "models").mkdir()
    print(folder, flush=True)
    signal.pause()
"""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))


def test_folder_is_there_for_its_owner_alone_and_then_gone() -> None:
    with shared.folder() as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "file").write_text("x")
    assert not folder.exists()


def test_folder_of_a_killed_owner_is_removed_by_the_next_and_that_of_a_living_one_is_not(tmp_path: Path) -> None:
    (tmp_path / "actserve-of-somebody").mkdir()
    owners = [
        subprocess.Popen(
            [sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
        )
        for _ in range(2)
    ]
    folders = [Path(owner.stdout.readline().strip()) for owner in owners if owner.stdout]
    os.kill(owners[0].pid, signal.SIGKILL)
    owners[0].wait()
    with shared.folder():
        assert not folders[0].exists()
        assert (folders[1] / "models").is_dir()
    for owner in owners:
        owner.kill()
        owner.communicate()
    assert (tmp_path / "actserve-of-somebody").is_dir()
