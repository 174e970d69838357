"""`python -m benchmarks`: makes the peers' environments, measures them side by side, prints and writes the tables."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from math import ceil
from pathlib import Path

from tqdm import tqdm

from benchmarks import environments, load, machine, plot, results, table
from benchmarks.cases import CASES
from benchmarks.figures import Report
from benchmarks.measure import Bench
from benchmarks.peers import OURS, PEERS, ROOT, Peer, rivals
from benchmarks.plan import Lengths, estimate_s, phases
from benchmarks.results import Run

DOCUMENT = ROOT / "docs" / "performance.md"
PICTURE = ROOT / "docs" / "images" / "performance.svg"
FULL = Lengths(rounds=3, seconds=2, warm_up_s=1)
QUICK = Lengths(rounds=1, seconds=1, warm_up_s=0)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 where nothing could be measured."""
    options = _options(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the servers are stopped on the way out
    try:
        run = results.read(options.again) if options.again else _run(options)
    except (load.LoadError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    if not options.again:
        run.save(options.out)
    _publish(run)
    return 0 if run.report.samples else 1


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
        help=f"measure only this one (may be repeated): {'; '.join(names.values())}",
    )
    parser.add_argument("--rounds", type=int, help=f"rounds over all peers and cases (default {FULL.rounds})")
    parser.add_argument("--seconds", type=int, help=f"length of one measurement (default {FULL.seconds})")
    parser.add_argument(
        "--out", type=Path, metavar="FILE.json", default=results.FILE, help="write every sample there (%(default)s)"
    )
    parser.add_argument("--again", type=Path, metavar="FILE.json", help="measure nothing, publish this run again")
    return parser.parse_args(arguments)


def _lengths(options: argparse.Namespace) -> Lengths:
    default = QUICK if options.quick else FULL
    return Lengths(options.rounds or default.rounds, options.seconds or default.seconds, default.warm_up_s)


def _run(options: argparse.Namespace) -> Run:
    load.require()
    described = machine.describe(load.version())
    lengths = _lengths(options)
    report = Report(peers=[], cases=list(CASES))
    folders = _prepare([peer for peer in PEERS if not options.only or peer.name in options.only], report)
    _measure(folders, report, lengths)
    versions = {name: environments.versions(folder) for name, folder in folders.items()}
    whole = not options.quick and not options.only
    return Run(described, versions, lengths.rounds, lengths.seconds, whole, report)


def _prepare(peers: Sequence[Peer], report: Report) -> dict[str, Path]:
    """The environments; a peer that cannot be installed is left out and named."""
    folders = {}
    for peer in tqdm(peers, desc="environments", unit="", leave=False):
        try:
            folders[peer.name] = environments.ready(peer)
            report.peers.append(peer.name)
        except environments.NotInstalled as error:
            report.problems.append(f"{peer.name} could not be installed: {error}")
    return folders


def _measure(folders: dict[str, Path], report: Report, lengths: Lengths) -> None:
    planned = phases([peer for peer in PEERS if peer.name in folders], report.cases)
    print(f"About {ceil(estimate_s(planned, lengths) / 60)} minutes.", file=sys.stderr)
    with tqdm(total=lengths.rounds * sum(phase.steps for phase in planned), unit="", leave=False) as progress:

        def tick(what: str) -> None:
            progress.set_description_str(f"{what:<55}")
            progress.update()

        Bench(planned, folders, report, lengths).run(tick)


def _publish(run: Run) -> None:
    """Prints the tables; the whole bench goes into the document, too, of a part only a plot is drawn, elsewhere."""
    picture = PICTURE if run.whole else results.FILE.with_name(PICTURE.name)
    plot.draw(run.report, OURS, picture)
    text = _text(run)
    print(text)
    if run.whole:
        DOCUMENT.write_text(table.place(DOCUMENT.read_text(), text, "make bench"))
    else:
        print(f"\nA part of the whole: {DOCUMENT.relative_to(ROOT)} is left as it is; see {picture}.", file=sys.stderr)


def _text(run: Run) -> str:
    measured = f"Rounds: {run.rounds}, of {run.seconds} s for each peer and case. "
    about = "\n".join(f"- **{peer.name}**: {peer.about}" for peer in PEERS if peer.name in run.report.peers)
    picture = f"![Throughput of each peer relative to ours, case by case]({PICTURE.relative_to(DOCUMENT.parent)})"
    tables = table.render(run.report, rivals(run.report.peers))
    return "\n\n".join([measured + machine.sentence(run.machine, _named(run.versions)), about, picture, tables])


def _named(versions: dict[str, dict[str, str]]) -> dict[str, str]:
    """The versions that the peers pin, and our own parts'; an environment's other packages are in the JSON file."""
    pinned = {requirement.partition("==")[0].partition("[")[0] for peer in PEERS for requirement in peer.requirements}
    named = {name: version for found in versions.values() for name, version in found.items() if name in pinned}
    return dict(sorted(named.items()))


if __name__ == "__main__":
    sys.exit(main())
