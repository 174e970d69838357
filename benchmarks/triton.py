"""`python -m benchmarks.triton`: this service under Triton's Perf Analyzer, over HTTP and gRPC."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import metadata
from typing import Any

from tqdm import tqdm

from benchmarks import machine, table
from benchmarks.environments import BUILD
from benchmarks.ours import running
from benchmarks.peers import ROOT
from benchmarks.perf_analyzer import TRANSPORTS, Analyzer, AnalyzerError, Case, Seen
from benchmarks.processes import free_port

DOCUMENT = ROOT / "docs" / "performance.md"
RESULTS = BUILD / "triton.json"
COMMAND = "make bench-triton"
MODELS = (("fashion_mnist", "input"), ("relu", "x"))
LOADS = ((1, 1), (1, 16), (32, 4))  # rows in a request, requests at once
CASES = tuple(Case(*model, transport, *load) for model in MODELS for transport in TRANSPORTS for load in LOADS)
NAMED = ("fastapi", "grpcio", "httptools", "numpy", "onnxruntime", "orjson", "protobuf", "uvicorn", "uvloop")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 where nothing could be measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.triton", description=__doc__)
    parser.add_argument("--analyzer", default="perf_analyzer", help="the tool's command (default %(default)s)")
    parser.add_argument("--only", default="", metavar="TEXT", help="measure the cases with this text in their names")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the server is stopped on the way out
    analyzer = Analyzer(options.analyzer)
    cases = [case for case in CASES if options.only in case.name]
    try:
        described = machine.describe(analyzer.version())
    except AnalyzerError as error:
        print(error, file=sys.stderr)
        return 1
    seen, problems = _measure(analyzer, cases)
    _write(described, seen, problems, whole=not options.only)
    return 0 if seen else 1


def _measure(analyzer: Analyzer, cases: Sequence[Case]) -> tuple[dict[Case, Seen], list[str]]:
    seen: dict[Case, Seen] = {}
    problems = []
    grpc_port = free_port()
    with running("triton", grpc_port=grpc_port) as server, tqdm(cases, unit="", leave=False) as progress:
        for case in progress:
            progress.set_description_str(f"{case.name:<70}")
            try:
                seen[case] = analyzer.measure(case, (server.port, grpc_port), BUILD)
            except AnalyzerError as error:
                problems.append(f"{case.name}: {error}")
    return seen, problems


def _write(described: dict[str, Any], seen: Mapping[Case, Seen], problems: Sequence[str], *, whole: bool) -> None:
    versions = {name: metadata.version(name) for name in NAMED}
    notes = ["Problems:\n\n" + "\n".join(f"- {problem}" for problem in problems)] if problems else []
    text = "\n\n".join([machine.sentence(described, versions), render(seen), *notes])
    print(text)
    samples = [{"case": asdict(case), "seen": asdict(found)} for case, found in seen.items()]
    report = {"machine": described, "versions": versions, "samples": samples, "problems": list(problems)}
    RESULTS.write_text(json.dumps(report, indent=1) + "\n")
    if whole:
        DOCUMENT.write_text(table.place(DOCUMENT.read_text(), text, COMMAND))
    else:
        print(f"\nA part of the whole: {DOCUMENT.relative_to(ROOT)} is left as it is.", file=sys.stderr)


def render(seen: Mapping[Case, Seen]) -> str:
    """One row for each case."""
    header = ["model, transport", "values", "at once", "requests/s", "p50, ms", "p99, ms", "queue, ms", "compute, ms"]
    return table.markdown(header, [_row(case, found) for case, found in seen.items()])


def _row(case: Case, found: Seen) -> list[str]:
    times = (found.p50_us, found.p99_us, found.queue_us, found.compute_us)
    values = f"{case.rows} × 784"
    return [
        f"{case.model}, {case.transport}",
        values,
        str(case.requests),
        f"{found.per_second:,.0f}",
        *(f"{microseconds / 1000:.2f}" for microseconds in times),
    ]


if __name__ == "__main__":
    sys.exit(main())
