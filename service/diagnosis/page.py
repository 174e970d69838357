"""A report as one HTML page that needs nothing else: figures, histograms and a map of the units, on light and dark."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from itertools import pairwise
from math import inf, log1p

from service import plot
from service.diagnosis.report import Told
from service.diagnosis.table import number

WIDTH, HEIGHT, BELOW, EDGE = 420, 150, 24, 10  # of a histogram; its axis stands below, and needs room at its ends
CELL, ACROSS = 12, 32  # of the map: pixels of a unit, units in a line
MAX_CELLS = 4096

STYLE = """
:root { color-scheme: light dark; --text: #1a1f24; --soft: #5a646d; --line: #d8dcde; --ground: #fff; --card: #f6f7f8;
  --alive: #6aa5cf; --dead: #b5442b; --flat: #e0a526; --error: #b00020; --warning: #9a5b00; --ok: #1d6b3a }
@media (prefers-color-scheme: dark) { :root { --text: #e6e8ea; --soft: #9aa5ad; --line: #30373c; --ground: #14181b;
  --card: #1c2226; --alive: #4f86ad; --dead: #e0704f; --flat: #d9a83a; --error: #ff8a8a; --warning: #f0b35a;
  --ok: #7fd1a0 } }
body { margin: 0 auto; padding: 1.5rem; max-width: 62rem; font: 15px/1.5 system-ui, sans-serif; color: var(--text);
  background: var(--ground) }
h1 { font-size: 1.5rem } h2 { font-size: 1.1rem; margin: 0; overflow-wrap: anywhere }
h2 + p { margin: 0 0 .8rem }
.soft { color: var(--soft) }
ul { padding: 0; list-style: none } li { margin: .5rem 0; padding: .5rem .8rem; border-left: 4px solid var(--soft);
  background: var(--card) }
.error { border-color: var(--error) } .warning { border-color: var(--warning) } .ok { border-color: var(--ok) }
section { margin: 1.5rem 0; padding: 1rem; border: 1px solid var(--line); border-radius: 8px }
.plots { display: flex; flex-wrap: wrap; gap: 1.5rem; align-items: flex-start } figure { margin: 0; max-width: 100% }
figcaption { color: var(--soft); font-size: 13px } svg { max-width: 100%; height: auto }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); gap: .2rem 1rem; margin: 0 0 1rem }
dt { color: var(--soft); font-size: 13px } dd { margin: 0 0 .3rem }
svg text { font: 11px system-ui, sans-serif; fill: var(--soft) } .axis { stroke: var(--soft) }
.bar, .alive { fill: var(--alive) } .dead { fill: var(--dead) } .saturated { fill: var(--flat) }
.mark { stroke: var(--ground); stroke-width: 1.5 }
"""


def write(told: Told, source: str = "") -> str:
    """The page; `source` is where the rows came from."""
    title = html.escape(f"{told['model']}, version {told['version']}")
    rows = f"{told['rows']:,} row{'s' if told['rows'] != 1 else ''}" + (f" of {source}" if source else "")
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width">',
        f"<title>Activations of {title}</title><style>{STYLE}</style></head><body>",
        f'<h1>Activations of {title}</h1><p class="soft">{html.escape(rows)}, told by actserve.</p>',
        "<ul>",
        *(_finding(finding) for finding in told["findings"]),
        "</ul>",
        *(_layer(layer) for layer in told["layers"]),
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def _finding(finding: Told) -> str:
    text = re.sub(r"`([^`]*)`", r"<code>\1</code>", html.escape(finding["text"]))
    return f'<li class="{finding["severity"]}"><strong>{finding["severity"]}</strong> {text}</li>'


def _layer(layer: Told) -> str:
    facts = "".join(f"<div><dt>{name}</dt><dd>{html.escape(text)}</dd></div>" for name, text in _facts(layer))
    return (
        f"<section><h2>{html.escape(layer['node'])}</h2><p class='soft'>{html.escape(_kind(layer))}</p>"
        f"<dl>{facts}</dl><div class='plots'>{_histogram(layer)}{_map(layer)}</div></section>"
    )


def _kind(layer: Told) -> str:
    name: str = layer["activation"]
    parameters = ", ".join(
        f"{name} = {value:g}" if isinstance(value, float) else f"{name} = {value}"
        for name, value in layer.get("parameters", {}).items()
    )
    output = "; an output of the model" if layer["is_output"] else ""
    return name + (f" ({parameters})" if parameters else "") + output


def _facts(layer: Told) -> Iterator[tuple[str, str]]:
    before = layer["pre_activation"]
    yield "shape", " × ".join(f"{size:,}" for size in layer["shape"]) or "one number"
    yield "zeros", f"{layer['zero_share']:.1%}"
    yield "dead units", _units(layer, "dead")
    yield "saturated units", _units(layer, "saturated")
    yield "mean slope |f′|", number(layer["slope_mean"])
    yield "mean ± deviation", f"{number(layer['mean'])} ± {number(layer['std'])}"
    yield "range", f"{number(layer['min'])} … {number(layer['max'])}"
    yield "before it", f"{number(before['mean'])} ± {number(before['std'])}"
    yield "NaN or infinite", f"{layer['non_finite']:,} of {layer['values']:,}"


def _units(layer: Told, kind: str) -> str:
    return f"{len(layer[f'{kind}_units']):,} of {layer['units']:,}"


def _histogram(layer: Told) -> str:
    edges, counts = layer["histogram"]["edges"], layer["histogram"]["counts"]
    if not counts or not 1e-300 < edges[-1] - edges[0] < inf:
        reason = "No axis can be drawn for such a range." if counts else "No value is finite."
        return f"<figure><figcaption>{reason}</figcaption></figure>"
    low, high = edges[0], edges[-1]
    scale, most = (WIDTH - 2) / (high - low), log1p(max(counts))
    bars = []
    for (left, right), count in zip(pairwise(edges), counts, strict=True):
        tall = log1p(count) / most * (HEIGHT - 6)
        bars.append(
            f'<rect class="bar" x="{1 + (left - low) * scale:.2f}" y="{HEIGHT - tall:.2f}" width="'
            f'{max((right - left) * scale - 1, 0.5):.2f}" height="{tall:.2f}"><title>{number(left)} to {number(right)}:'
            f" {count:,}</title></rect>"
        )
    ticks = "".join(
        f'<text x="{1 + (value - low) * scale:.2f}" y="{HEIGHT + 16}" text-anchor="middle">{value:g}</text>'
        for value in plot.ticks((low, high))
    )
    return (
        f'<figure><svg viewBox="{-EDGE} 0 {WIDTH + 2 * EDGE} {HEIGHT + BELOW}" width="{WIDTH}" role="img">'
        f"<title>Histogram of {html.escape(layer['node'])}</title>{''.join(bars)}"
        f'<line class="axis" x1="0" x2="{WIDTH}" y1="{HEIGHT}" y2="{HEIGHT}"/>{ticks}</svg>'
        "<figcaption>values after the activation; counts on a logarithmic scale</figcaption></figure>"
    )


def _map(layer: Told) -> str:
    """Each unit as a square: alive, dead (crossed out) or saturated (barred)."""
    dead, flat = set(layer["dead_units"]), set(layer["saturated_units"])
    shown = min(layer["units"], MAX_CELLS)
    lines = -(-shown // ACROSS)
    states = ["dead" if unit in dead else "saturated" if unit in flat else "alive" for unit in range(shown)]
    cells = "".join(_cell(unit, state) for unit, state in enumerate(states))
    left_out = f"; the first {shown:,} of {layer['units']:,}" if shown < layer["units"] else ""
    width, height = min(shown, ACROSS) * CELL, lines * CELL
    return (
        f'<figure><svg viewBox="0 0 {width} {height}" width="{width}" role="img"><title>Units of'
        f" {html.escape(layer['node'])}</title>{cells}</svg><figcaption>units: {len(dead):,} dead (crossed out),"
        f" {len(flat):,} saturated (barred), {layer['units'] - len(dead) - len(flat):,} neither{left_out}"
        "</figcaption></figure>"
    )


def _cell(unit: int, state: str) -> str:
    x, y, size = unit % ACROSS * CELL, unit // ACROSS * CELL, CELL - 2
    far_x, far_y = x + size, y + size
    strokes = {
        "dead": f"M{x} {y}L{far_x} {far_y}M{far_x} {y}L{x} {far_y}",
        "saturated": f"M{x} {y + size / 2:g}H{far_x}",
    }
    mark = f'<path class="mark" d="{strokes[state]}"/>' if state in strokes else ""
    square = f'<rect class="{state}" x="{x}" y="{y}" width="{size}" height="{size}" rx="2">'
    return f"{square}<title>unit {unit}: {state}</title></rect>{mark}"
