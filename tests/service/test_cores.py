"""Cores from affinity and from both kinds of cgroup."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from service import cores


@pytest.mark.parametrize(
    ("text", "quota"), [("max 100000\n", None), ("150000 100000\n", 1.5), ("50000 100000", 0.5), ("max", None)]
)
def test_quota_of_cgroup_v2_is_read(tmp_path: Path, text: str, quota: float | None) -> None:
    (tmp_path / "cpu.max").write_text(text)
    assert cores.cgroup_quota(tmp_path / "cpu.max", tmp_path) == quota


@pytest.mark.parametrize(("microseconds", "quota"), [("-1", None), ("0", None), ("250000", 2.5)])
def test_quota_of_cgroup_v1_is_read(tmp_path: Path, microseconds: str, quota: float | None) -> None:
    (tmp_path / "cpu.cfs_quota_us").write_text(f"{microseconds}\n")
    (tmp_path / "cpu.cfs_period_us").write_text("100000\n")
    assert cores.cgroup_quota(tmp_path / "cpu.max", tmp_path) == quota


def test_no_cgroup_is_no_quota(tmp_path: Path) -> None:
    assert cores.cgroup_quota(tmp_path / "cpu.max", tmp_path) is None


@pytest.mark.parametrize(
    ("affinity", "quota", "expected"),
    [(8, None, 8), (8, 1.5, 2), (8, 0.1, 1), (2, 16.0, 2), (1, None, 1), (4, 3.0, 3)],
)
def test_cores_are_the_smaller_of_affinity_and_quota(
    monkeypatch: pytest.MonkeyPatch, affinity: int, quota: float | None, expected: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(affinity)))
    monkeypatch.setattr(cores, "cgroup_quota", lambda: quota)
    assert cores.available() == expected
