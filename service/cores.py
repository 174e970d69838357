"""How many cores this process may really use.

The number of the host is of no use in a container: `sched_getaffinity` knows the cpuset, the cgroup's quota knows the
share of time. onnxruntime looks at neither (https://github.com/microsoft/onnxruntime/issues/20364).
"""

from __future__ import annotations

import math
import os
from pathlib import Path

CGROUP_V2 = Path("/sys/fs/cgroup/cpu.max")
CGROUP_V1 = Path("/sys/fs/cgroup/cpu")


def available() -> int:
    """Cores this process may use: the smaller of its affinity and its cgroup's quota, at least 1."""
    quota = cgroup_quota()
    affinity = len(os.sched_getaffinity(0))
    return max(1, affinity if quota is None else min(affinity, math.ceil(quota)))


def cgroup_quota(v2: Path = CGROUP_V2, v1: Path = CGROUP_V1) -> float | None:
    """The cgroup's CPU quota in cores (1.5 for one and a half), None where there is no limit."""
    if v2.exists():
        quota, period = [*v2.read_text().split(), "100000"][:2]
        return None if quota == "max" else int(quota) / int(period)
    if (v1 / "cpu.cfs_quota_us").exists():
        microseconds = int((v1 / "cpu.cfs_quota_us").read_text())
        return None if microseconds <= 0 else microseconds / int((v1 / "cpu.cfs_period_us").read_text())
    return None
