"""A report as Markdown, and its place in a document."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.cases import Case
from benchmarks.figures import Report, Sample, Spread, spread

NOTHING = "—"


def render(report: Report, reference: str) -> str:
    """The tables: throughput with ratios to `reference`, what is not won, CPU, start and memory, problems."""
    parts = [
        "Requests per second: median over rounds (least–greatest) **ratio to ours**.",
        _by_case(report, lambda peer, case: _throughput(report, peer, reference, case)),
        _not_won(report, reference),
        "CPU seconds of the server for 1,000 requests: median over rounds.",
        _by_case(report, lambda peer, case: _cpu(report, peer, case)),
        "Seconds from the command to the first right answer, and resident memory after the cases: median over rounds.",
        _starts(report),
        *(["Problems:\n\n" + "\n".join(f"- {problem}" for problem in report.problems)] if report.problems else []),
    ]
    return "\n\n".join(parts)


def lost(report: Report, reference: str) -> list[str]:
    """The cases in which a peer is at least as fast as `reference`, by the medians of ratios."""
    found = []
    for case in report.cases:
        ratios = {peer: report.ratio(peer, reference, case) for peer in report.peers if peer != reference}
        ahead = [f"{peer} {ratio:.2f}" for peer, ratio in ratios.items() if ratio is not None and ratio >= 1]
        found += [f"{case.name} ({', '.join(ahead)})"] if ahead else []
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


def _by_case(report: Report, cell: Callable[[str, Case], str]) -> str:
    rows = [[case.name, *(cell(peer, case) for peer in report.peers)] for case in report.cases]
    return markdown(["case", *report.peers], rows)


def _throughput(report: Report, peer: str, reference: str, case: Case) -> str:
    found = report.over_rounds(peer, case, lambda sample: sample.per_second)
    if found is None:
        return NOTHING
    ratio = report.ratio(peer, reference, case)
    return _figure(found, 0) + (f" **{ratio:.2f}**" if ratio is not None and peer != reference else "")


def _cpu(report: Report, peer: str, case: Case) -> str:
    found = report.over_rounds(peer, case, _cpu_s_per_1000)
    return NOTHING if found is None else f"{found.median:.3g}"


def _cpu_s_per_1000(sample: Sample) -> float:
    return sample.cpu_s_per_1000


def _starts(report: Report) -> str:
    rows = []
    for peer in report.peers:
        starts = [start for start in report.starts if start.peer == peer]
        start_s, memory = spread([start.start_s for start in starts]), spread([start.memory_mib for start in starts])
        rows.append([peer, _figure(start_s, 2), _figure(memory, 0)])
    return markdown(["", "start, s", "memory, MiB"], rows)


def _figure(found: Spread | None, digits: int) -> str:
    if found is None:
        return NOTHING
    return f"{found.median:,.{digits}f} ({found.low:,.{digits}f}–{found.high:,.{digits}f})"


def _not_won(report: Report, reference: str) -> str:
    if reference not in report.peers or len(report.peers) < 2:
        return "Nothing to compare."
    cases = lost(report, reference)
    return f"Not won: {'; '.join(cases)}." if cases else "Every case measured is won."
