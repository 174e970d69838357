"""Load by Triton's Perf Analyzer, which speaks the Open Inference Protocol over HTTP and gRPC and reads the server's
own statistics (https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/perf_analyzer/README.html)."""

from __future__ import annotations

import csv
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cases import COLUMNS
from benchmarks.cases import Case as Load

WINDOW_MS = 1000
TRIALS = 10
SPREAD_PERCENT = 50  # between three windows in a row: the load shares the cores, so they differ
TIMEOUT_S = 120

TRANSPORTS = {
    "HTTP, binary": ("-i", "http"),
    "HTTP, JSON": ("-i", "http", "--input-tensor-format=json", "--output-tensor-format=json"),
    "gRPC": ("-i", "grpc"),
    "gRPC, stream": ("-i", "grpc", "--streaming", "--async"),
}


class AnalyzerError(Exception):
    """The tool is missing, or did not measure."""


@dataclass(frozen=True, slots=True)
class Case:
    """`requests` under way at once, each of `rows` rows of 784 values for the model's one input."""

    model: str
    input: str
    transport: str
    rows: int
    requests: int

    @property
    def name(self) -> str:
        return f"{self.model}, {self.transport}, {self.rows} × {COLUMNS} values, {self.requests} at once"

    def data(self) -> str:
        """The requests' values, in the tool's own format."""
        rows = Load("raw", 1, 1).batches()
        return json.dumps(
            {"data": [{self.input: {"content": row.ravel().tolist(), "shape": [COLUMNS]}} for row in rows]}
        )

    def arguments(self, ports: tuple[int, int], data: Path, report: Path) -> list[str]:
        """The tool's command line against a server on loopback, by its HTTP and gRPC ports."""
        transport = TRANSPORTS[self.transport]
        return [
            *("-m", self.model, "-u", f"127.0.0.1:{ports['grpc' in transport]}", *transport),
            *("-b", str(self.rows), "--shape", f"{self.input}:{COLUMNS}", "--input-data", str(data)),
            *("--concurrency-range", str(self.requests), "-f", str(report)),
            *("-p", str(WINDOW_MS), "-r", str(TRIALS), "-s", str(SPREAD_PERCENT)),
        ]


@dataclass(frozen=True, slots=True)
class Seen:
    """What the tool saw, and, of the same time, what the server told it: means of one request."""

    per_second: float
    p50_us: int
    p99_us: int
    queue_us: int
    compute_us: int


@dataclass(frozen=True, slots=True)
class Analyzer:
    """The tool, as a command that can be run here."""

    command: str

    def version(self) -> str:
        """Raises AnalyzerError where there is none."""
        done = self._run("--version")
        return " ".join((done.stdout + done.stderr).split()[:4])

    def measure(self, case: Case, ports: tuple[int, int], folder: Path) -> Seen:
        """Raises AnalyzerError."""
        data, report = folder / "data.json", folder / "report.csv"
        data.write_text(case.data())
        report.unlink(missing_ok=True)
        done = self._run(*case.arguments(ports, data, report))
        if done.returncode or not report.is_file():
            raise AnalyzerError(last_line(done.stdout + done.stderr))
        return parse(report.read_text(), case)

    def _run(self, *options: str) -> subprocess.CompletedProcess[str]:
        command = [self.command, *options]
        try:
            return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        except OSError as error:
            raise AnalyzerError(f"`{self.command}` cannot be run here: {error.strerror}.") from error
        except subprocess.TimeoutExpired as error:
            raise AnalyzerError(f"not done within {TIMEOUT_S} s") from error


def parse(report: str, case: Case) -> Seen:
    """The one measurement of a CSV report, whose throughput counts rows. Raises AnalyzerError."""
    rows = list(csv.DictReader(report.splitlines()))
    try:
        row = rows[0]
        return Seen(
            float(row["Inferences/Second"]) / case.rows,
            int(row["p50 latency"]),
            int(row["p99 latency"]),
            int(row["Server Queue"]),
            sum(int(row[f"Server Compute {part}"]) for part in ("Input", "Infer", "Output")),
        )
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise AnalyzerError(f"a report without its figures: {report[:200]!r}") from error


def last_line(output: str) -> str:
    """What a tool said last."""
    lines = [line for line in output.splitlines() if line.strip()]
    return lines[-1] if lines else "it failed and said nothing"
