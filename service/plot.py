"""A curve and its derivative as one small SVG, legible on light and on dark pages."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Sequence

WIDTH, HEIGHT = 640, 400
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 40, 44
TICKS = 6

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1a1f24 }
.grid { stroke: #d8dcde } .axis { stroke: #5a646d }
.line { fill: none; stroke-width: 2.5; stroke-linejoin: round }
.value { stroke: #1b4965; fill: none } .slope { stroke: #b5442b; stroke-dasharray: 7 4; fill: none }
@media (prefers-color-scheme: dark) {
text { fill: #e6e8ea } .grid { stroke: #30373c } .axis { stroke: #9aa5ad }
.value { stroke: #8ecae6 } .slope { stroke: #f4a582 } }
"""

Numbers = Sequence[float]
Range = tuple[float, float]


def draw(title: str, x: Numbers, y: Numbers, grad: Numbers) -> str:
    """An SVG document with `y` and `grad` over `x`. Numbers that are not finite leave a gap."""
    x_range, y_range = (x[0], x[-1]), _range([*y, *grad])
    frame = _Frame(x_range, y_range)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>{html.escape(title)}: function and derivative</title><style>{STYLE}</style>",
        *frame.grid(),
        *(f'<polyline class="line value" points="{points}"/>' for points in frame.pieces(x, y)),
        *(f'<polyline class="line slope" points="{points}"/>' for points in frame.pieces(x, grad)),
        *_legend(title),
        "</svg>",
    ]
    return "\n".join(parts)


class _Frame:
    """Where a point of the two ranges lies in the picture."""

    def __init__(self, x_range: Range, y_range: Range) -> None:
        self._x_range = x_range
        self._y_range = y_range

    def across(self, x: float) -> float:
        low, high = self._x_range
        return LEFT + (x - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def down(self, y: float) -> float:
        low, high = self._y_range
        return TOP + (high - y) / (high - low) * (HEIGHT - TOP - BOTTOM)

    def pieces(self, x: Numbers, y: Numbers) -> Iterator[str]:
        """The points of each stretch without a gap."""
        piece: list[str] = []
        for across, value in zip(x, y, strict=True):
            if math.isfinite(value):
                piece.append(f"{self.across(across):.2f},{self.down(value):.2f}")
            elif piece:
                yield " ".join(piece)
                piece = []
        if piece:
            yield " ".join(piece)

    def grid(self) -> Iterator[str]:
        """Lines and numbers at round values, and the names of the axes."""
        for value in ticks(self._x_range):
            at = self.across(value)
            yield f'<line class="{_kind(value)}" x1="{at:.2f}" x2="{at:.2f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
            yield f'<text x="{at:.2f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{value:g}</text>'
        for value in ticks(self._y_range):
            at = self.down(value)
            yield f'<line class="{_kind(value)}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.2f}" y2="{at:.2f}"/>'
            yield f'<text x="{LEFT - 8}" y="{at + 4:.2f}" text-anchor="end">{value:g}</text>'
        yield f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">x</text>'
        yield f'<text x="16" y="{(TOP + HEIGHT - BOTTOM) / 2}" text-anchor="middle">y</text>'


def ticks(interval: Range) -> list[float]:
    """Round numbers in an interval, about six of them: multiples of 1, 2 or 5 times a power of ten."""
    low, high = interval
    raw = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(size * power for size in (1, 2, 5, 10) if size * power >= raw)
    return [round(index * step, 12) for index in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _range(values: Numbers) -> Range:
    """The interval of all finite values with a twentieth to spare on either side."""
    finite = [value for value in values if math.isfinite(value)] or [0.0]
    low, high = min(finite), max(finite)
    spare = (high - low) / 20 or max(1.0, abs(high) / 10)
    return low - spare, high + spare


def _kind(value: float) -> str:
    return "axis" if value == 0 else "grid"


def _legend(title: str) -> Iterator[str]:
    yield f'<text x="{LEFT}" y="24" font-weight="600">{html.escape(title)}</text>'
    for name, text, at in (("value", "function", WIDTH - 240), ("slope", "derivative", WIDTH - 120)):
        yield f'<line class="line {name}" x1="{at}" x2="{at + 28}" y1="20" y2="20"/>'
        yield f'<text x="{at + 34}" y="24">{text}</text>'
