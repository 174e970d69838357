"""What Linux tells of running processes: who started whom, CPU time, memory."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

CPU_CLOCK = 2  # makes a process's number its clock, as clock_getcpuclockid(3) does, which Python has for threads only
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
SCHEDULED = 2  # linux/posix-timers_types.h: CPUCLOCK_SCHED
RESET_PEAK = "5"  # proc(5), clear_refs: the greatest resident size begins anew at the present one


@dataclass(frozen=True, slots=True)
class Process:
    """A running process. `cpu_s` counts the children that it has waited for, too; `started` tells it from another that
    has the same number later."""

    pid: int
    parent: int
    session: int
    started: int
    cpu_s: float

    def precise_cpu_s(self) -> float:
        """By its clock of nanoseconds, found as clock_getcpuclockid(3) does. Raises OSError where it is gone."""
        return time.clock_gettime((~self.pid << 3) | SCHEDULED)

    def first_thread_s(self) -> float:
        """CPU seconds of the thread that it began with: in ours, of the event loop. Raises OSError where it is gone."""
        return int(Path(f"/proc/{self.pid}/schedstat").read_text().split()[0]) / 1e9

    def proportional_kib(self) -> int:
        """Resident memory, each page divided by the number of processes that share it."""
        return _kib(f"/proc/{self.pid}/smaps_rollup", "Pss:")

    def resident_kib(self) -> int:
        return _kib(f"/proc/{self.pid}/status", "VmRSS:")

    def peak_kib(self) -> int:
        """The greatest resident size since `reset_peak`."""
        return _kib(f"/proc/{self.pid}/status", "VmHWM:")

    def reset_peak(self) -> None:
        """Raises OSError where the process is gone."""
        Path(f"/proc/{self.pid}/clear_refs").write_text(RESET_PEAK)


def running() -> list[Process]:
    """All processes but zombies."""
    numbers = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal())
    return [found for pid in numbers if (found := _process(pid)) is not None]


def family(leader: int, processes: Iterable[Process], known: Collection[tuple[int, int]] = ()) -> list[Process]:
    """Those of `leader`'s session, those `known` (by number and start) from before, and whoever descends from them:
    some servers' workers lead sessions of their own."""
    members: dict[int, Process] = {}
    others = {process.pid: process for process in processes}
    while found := [other for other in others.values() if _belongs(other, leader, members, known)]:
        members |= {process.pid: others.pop(process.pid) for process in found}
    return list(members.values())


def _belongs(process: Process, leader: int, members: Collection[int], known: Collection[tuple[int, int]]) -> bool:
    return process.session == leader or process.parent in members or (process.pid, process.started) in known


def _process(pid: int) -> Process | None:
    """By proc(5): the fields of `stat` behind the name, which begin with the state. Its times are in ticks, so that of
    the process itself is read from its clock."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        own_s = time.clock_gettime(~pid << 3 | CPU_CLOCK)
    except OSError:
        return None
    if fields[0] == "Z":
        return None
    cpu_s = own_s + sum(map(int, fields[13:15])) / TICKS_A_SECOND
    return Process(pid, int(fields[1]), int(fields[3]), int(fields[19]), cpu_s)


def _kib(file: str, name: str) -> int:
    try:
        lines = Path(file).read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(name)), 0)
