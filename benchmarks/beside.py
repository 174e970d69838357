"""The command line of what measures the cost on `/predict` of something beside it, for docs/diagnosis.md."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from importlib import metadata

from benchmarks import faces, load, machine, table
from benchmarks.peers import ROOT
from benchmarks.processes import ServerError

DOCUMENT = ROOT / "docs" / "diagnosis.md"
FACES = {"raw": faces.raw("/predict"), "json": faces.ours("/predict")}
NAMED = ("numpy", "onnxruntime", "uvicorn")


def main(
    command: str,
    description: str | None,
    measured: Callable[[int, int], str],
    arguments: Sequence[str] | None,
    *,
    rounds: int,
    seconds: int,
) -> int:
    """1 where nothing could be measured. `measured` gives the table, from so many rounds with loads of so many
    seconds."""
    parser = argparse.ArgumentParser(prog=command, description=description)
    parser.add_argument("--rounds", type=int, default=rounds, help="times that all is measured (default %(default)s)")
    parser.add_argument("--seconds", type=int, default=seconds, help="of each load (default %(default)s)")
    parser.add_argument("--look", action="store_true", help="print only, and leave the document as it is")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the servers are stopped on the way out
    try:
        load.require()
        described = machine.describe(load.version())
        found = measured(options.rounds, options.seconds)
    except (load.LoadError, ServerError) as error:
        print(error, file=sys.stderr)
        return 1
    about = machine.sentence(described, {name: metadata.version(name) for name in NAMED})
    text = (
        f"{about}\n\n{options.rounds} rounds of {options.seconds} s; medians, unless something else is said.\n\n{found}"
    )
    print(text)
    if not options.look:
        DOCUMENT.write_text(table.place(DOCUMENT.read_text(), text, command))
    return 0
