"""A report as Markdown, and its place in a document."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from benchmarks.cases import LARGE, NETWORK, Case
from benchmarks.figures import Report, Sample, Spread, spread

NOTHING = "—"
TITLES = {
    NETWORK["json"]: "JSON",
    NETWORK["raw"]: "Raw float32",
    NETWORK["v2-json"]: "Open Inference Protocol (v2), JSON",
    NETWORK["v2-binary"]: "Open Inference Protocol (v2), binary tensors",
    LARGE: "Activations of a large tensor",
}


@dataclass(frozen=True, slots=True)
class Quantity:
    """What one table shows of its samples. `ratio` adds the throughput relative to ours."""

    caption: str
    value: Callable[[Sample], float]
    show: Callable[[Spread], str]
    ratio: bool = False


def render(report: Report, rivals: Mapping[str, Sequence[str]]) -> str:
    """For each group of cases its tables, with a row for each peer; then what is not won, start and memory, problems.

    `rivals` has each of our own entries with the peers that it is compared with; ratios are to the first of them."""
    reference = next(iter(rivals), "")
    parts = [part for group, cases in _groups(report.cases) for part in _group(report, group, cases, reference)]
    parts += ["### Won and not won", *_won(report, rivals), "### Start and memory", STARTS, _starts(report)]
    parts += ["Problems:\n\n" + "\n".join(f"- {problem}" for problem in report.problems)] if report.problems else []
    return "\n\n".join(parts)


def lost(report: Report, reference: str, rivals: Sequence[str]) -> list[str]:
    """The cases in which one of `rivals` is at least as fast as `reference`, by the medians of ratios."""
    found = []
    for case in report.cases:
        ratios = {peer: report.ratio(peer, reference, case) for peer in rivals}
        ahead = [f"{peer} {ratio:.2f}" for peer, ratio in ratios.items() if ratio is not None and ratio >= 1]
        found += [f"{case.name} ({'; '.join(ahead)})"] if ahead else []
    return found


def place(document: str, text: str, command: str) -> str:
    """`document` with `text` between the two markers of a command. Raises ValueError where they are not there."""
    begin, end = (f"<!-- made by `{command}`: {edge} -->" for edge in ("begin", "end"))
    before, found, rest = document.partition(begin)
    _, found_end, after = rest.partition(end)
    if not found or not found_end:
        raise ValueError("The document has no place for the table: its two markers are not there.")
    return f"{before}{begin}\n\n{text}\n\n{end}{after}"


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table, its first column to the left and the others to the right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _range(digits: int) -> Callable[[Spread], str]:
    return lambda found: f"{found.median:,.{digits}f} ({found.low:,.{digits}f}–{found.high:,.{digits}f})"


def _rate(found: Spread) -> str:
    return _range(0 if found.median >= 20 else 1)(found)


def _three(found: Spread) -> str:
    return f"{found.median:.3g}"


STARTS = (
    "Seconds from the command to the first right answer, and resident memory after the network's cases: median over "
    "rounds (least–greatest)."
)
OF_NETWORK = (
    Quantity(
        "Requests per second: median over rounds (least–greatest) **ratio to ours**.",
        lambda sample: sample.per_second,
        _rate,
        ratio=True,
    ),
    Quantity(
        "CPU seconds of the server for 1,000 requests: median over rounds.",
        lambda sample: sample.cpu_s_per_1000,
        _three,
    ),
)
OF_LARGE = (
    Quantity(
        "GB of body per second, the answer having as many: median over rounds (least–greatest) **ratio to ours**.",
        lambda sample: sample.gb_per_second,
        _range(2),
        ratio=True,
    ),
    Quantity(
        "CPU seconds of the server for 1 GB of body: median over rounds.", lambda sample: sample.cpu_s_per_gb, _three
    ),
    Quantity(
        "Peak of resident memory above that of the server when idle, in copies of the body: median over rounds.",
        lambda sample: sample.peak_bodies,
        lambda found: f"{found.median:.1f}",
    ),
)


def _groups(cases: Sequence[Case]) -> Iterator[tuple[str, list[Case]]]:
    for group, members in groupby(cases, lambda case: case.group):
        yield group, list(members)


def _group(report: Report, group: str, cases: Sequence[Case], reference: str) -> list[str]:
    large = cases[0].is_activation
    parts = [f"### {TITLES[group]}"]
    corner = "a `.npy` file of 64 MB" if large else "rows × connections"
    for quantity in OF_LARGE if large else OF_NETWORK:
        parts += [quantity.caption, _table(report, corner, cases, quantity, reference)]
    return parts


def _table(report: Report, corner: str, cases: Sequence[Case], quantity: Quantity, reference: str) -> str:
    rows = [[peer, *(_cell(report, peer, case, quantity, reference) for case in cases)] for peer in report.peers]
    asked = [row for row in rows if set(row[1:]) != {NOTHING}]
    return markdown([corner, *(case.label for case in cases)], asked)


def _cell(report: Report, peer: str, case: Case, quantity: Quantity, reference: str) -> str:
    found = report.over_rounds(peer, case, quantity.value)
    if found is None:
        return NOTHING
    ratio = report.ratio(peer, reference, case) if quantity.ratio and peer != reference else None
    return quantity.show(found) + (f" **{ratio:.2f}**" if ratio is not None else "")


def _won(report: Report, rivals: Mapping[str, Sequence[str]]) -> list[str]:
    return [_verdict(report, ours, others) for ours, others in rivals.items() if others] or ["Nothing to compare."]


def _verdict(report: Report, ours: str, others: Sequence[str]) -> str:
    beside = f"Against {', '.join(f'*{other}*' for other in others)}, *{ours}*"
    cases = lost(report, ours, others)
    if not cases:
        return f"{beside} is ahead in every case measured."
    return f"{beside} is not ahead in:\n\n" + "\n".join(f"- {case}" for case in cases)


def _starts(report: Report) -> str:
    rows = []
    for peer in report.peers:
        starts = [start for start in report.starts if start.peer == peer]
        start_s, memory = spread([start.start_s for start in starts]), spread([start.memory_mib for start in starts])
        rows.append([peer, _range(2)(start_s) if start_s else NOTHING, _range(0)(memory) if memory else NOTHING])
    return markdown(["", "start, s", "memory, MiB"], rows)
