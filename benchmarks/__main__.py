"""`python -m benchmarks`: makes the peers' environments, measures them side by side, prints and writes the table."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmarks import environments, load, machine, table
from benchmarks.cases import CASES
from benchmarks.figures import Report
from benchmarks.measure import Bench
from benchmarks.peers import OURS, PEERS, ROOT, Peer

DOCUMENT = ROOT / "docs" / "performance.md"
FULL = {"rounds": 5, "seconds": 3}
QUICK = {"rounds": 1, "seconds": 1}

Ready = dict[str, tuple[Peer, Path]]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 where nothing could be measured."""
    options = _options(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the servers are stopped on the way out
    try:
        load.require()
    except load.LoadError as error:
        print(error, file=sys.stderr)
        return 1
    described = machine.describe(load.version())
    report = Report(peers=[], cases=list(CASES))
    peers = _prepare([peer for peer in PEERS if not options.only or peer.name in options.only], report)
    _measure(peers, report, options.rounds, options.seconds)
    versions = {name: environments.versions(folder) for name, (_, folder) in peers.items()}
    _write(report, described, versions, options)
    return 0 if report.samples else 1


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = {peer.name.lower(): peer.name for peer in PEERS}
    parser.add_argument("--quick", action="store_true", help="one short round, to see that everything works")
    parser.add_argument(
        "--only",
        action="append",
        metavar="PEER",
        type=lambda name: names.get(name.lower(), name),
        choices=names.values(),
        help=f"measure only this one (may be repeated): {', '.join(names.values())}",
    )
    parser.add_argument("--rounds", type=int, help=f"rounds over all peers and cases (default {FULL['rounds']})")
    parser.add_argument("--seconds", type=int, help=f"length of one measurement (default {FULL['seconds']})")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="write every sample there")
    options = parser.parse_args(arguments)
    for name, value in (QUICK if options.quick else FULL).items():
        setattr(options, name, getattr(options, name) or value)
    return options


def _prepare(peers: Sequence[Peer], report: Report) -> Ready:
    """The environments; a peer that cannot be installed is left out and named."""
    ready: Ready = {}
    for peer in tqdm(peers, desc="environments", unit="", leave=False):
        try:
            ready[peer.name] = peer, environments.ready(peer)
            report.peers.append(peer.name)
        except environments.NotInstalled as error:
            report.problems.append(f"{peer.name} could not be installed: {error}")
    return ready


def _measure(peers: Ready, report: Report, rounds: int, seconds: int) -> None:
    kinds = sum(case.kind in peer.faces for case in CASES for peer, _ in peers.values())
    with tqdm(total=rounds * (kinds + len(peers)), unit="", leave=False) as progress:

        def tick(what: str) -> None:
            progress.set_description_str(f"{what:<45}")
            progress.update()

        bench = Bench(peers, report, seconds, tick)
        for number in range(rounds):
            bench.round(number)


def _write(report: Report, described: dict[str, Any], versions: dict[str, dict[str, str]], options: Any) -> None:
    measured = f"Rounds: {options.rounds}, of {options.seconds} s for each peer and case. "
    about = "\n".join(f"- **{peer.name}**: {peer.about}" for peer in PEERS if peer.name in report.peers)
    text = "\n\n".join([measured + machine.sentence(described, _named(versions)), about, table.render(report, OURS)])
    print(text)
    if options.out:
        everything = {"machine": described, "versions": versions, **asdict(report)}
        options.out.write_text(json.dumps(everything, indent=1) + "\n")
    if options.quick or options.only:
        print(f"\nA part of the whole: {DOCUMENT.relative_to(ROOT)} is left as it is.", file=sys.stderr)
    else:
        DOCUMENT.write_text(table.place(DOCUMENT.read_text(), text, "make bench"))


def _named(versions: dict[str, dict[str, str]]) -> dict[str, str]:
    """The versions that the peers pin, and our own parts'; an environment's other packages are in the JSON file."""
    pinned = {requirement.partition("==")[0].partition("[")[0] for peer in PEERS for requirement in peer.requirements}
    named = {name: version for found in versions.values() for name, version in found.items() if name in pinned}
    return dict(sorted(named.items()))


if __name__ == "__main__":
    sys.exit(main())
