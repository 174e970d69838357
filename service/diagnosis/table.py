"""A report for a terminal: one line for each layer, with small bars, and what was found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite
from textwrap import wrap

from service.diagnosis.report import Told

WIDTH = 110
BAR = 8  # characters
EIGHTHS = " ▏▎▍▌▋▊▉█"
HEIGHTS = "▁▂▃▄▅▆▇█"
HEAD = ("layer", "activation", "units", "zeros", "dead", "saturated", "slope", "mean ± deviation", "range", "values")
ON_THE_RIGHT = {"units", "slope", "mean ± deviation"}
NAME = 28  # of a longer one, the end is shown


def write(told: Told) -> str:
    """The whole of it, without an end of line."""
    rows = f"{told['rows']:,} row{'s' if told['rows'] != 1 else ''}"
    lines = [f"{told['model']}, version {told['version']}, {rows}", ""]
    if told["layers"]:
        lines += [*_aligned([HEAD, *(_line(layer) for layer in told["layers"])]), ""]
    for finding in told["findings"]:
        lines += wrap(f"{finding['severity']}: {finding['text']}", WIDTH, subsequent_indent="  ")
    return "\n".join("".join(sign if sign.isprintable() else "?" for sign in line) for line in lines)


def number(value: float) -> str:
    """Three digits; a dash where there is no number."""
    return f"{value:.3g}" if isfinite(value) else "–"


def bar(share: float, width: int = BAR) -> str:
    """A share of 1 as a bar, to an eighth of a character; anything above 0 can be seen."""
    eighths = min(width * 8, max(round(share * width * 8), 1 if share > 0 else 0))
    full, rest = divmod(eighths, 8)
    return ("█" * full + (EIGHTHS[rest] if rest else "")).ljust(width)


def outline(counts: Sequence[int]) -> str:
    """A histogram in one line; what is empty is a space."""
    most = max(counts, default=0)
    return "".join(HEIGHTS[(count * 8 - 1) // most] if count else " " for count in counts)


def _line(layer: Told) -> tuple[str, ...]:
    name = layer["node"]
    return (
        name if len(name) <= NAME else f"…{name[1 - NAME :]}",
        layer["activation"],
        f"{layer['units']:,}",
        f"{bar(layer['zero_share'])} {layer['zero_share']:4.0%}",
        _units(layer, "dead"),
        _units(layer, "saturated"),
        number(layer["slope_mean"]),
        f"{number(layer['mean'])} ± {number(layer['std'])}",
        f"{number(layer['min'])} … {number(layer['max'])}",
        outline(layer["histogram"]["counts"]),
    )


def _units(layer: Told, kind: str) -> str:
    count = len(layer[f"{kind}_units"])
    return f"{bar(layer[f'{kind}_share'])} {count:,}" if count else f"{bar(0)} –"


def _aligned(lines: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = zip(HEAD, line, widths, strict=True)
        yield "  ".join(
            f"{cell:>{size}}" if name in ON_THE_RIGHT else f"{cell:<{size}}" for name, cell, size in cells
        ).rstrip()
