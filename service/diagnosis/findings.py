"""What a measurement means, in one sentence or two each, worded by how much its rows can prove.

That a unit fired once proves that it can. That it never did proves less the fewer rows there were: of a unit that fires
for one row in n, a third of all batches of n rows show nothing; and after n silent rows it fires, with 95 % confidence,
for less than 3/n of all (the rule of three, Hanley and Lippman-Hand 1983). What is said to help is cited in
docs/diagnosis.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from service.diagnosis import slopes
from service.diagnosis.diagnosis import Diagnosis

ENOUGH_ROWS = 100  # fewer warn of nothing
MANY_UNITS = 0.1  # the share of dead or saturated units that is worth a warning
MOSTLY_ZERO = 0.9
SMALL_SLOPE = 0.05
SEVERITIES = ("error", "warning", "note", "ok")
BENT_ON_ONE_SIDE = {"relu", "relu2", "relu6", "threshold", "thresholded_relu"}

Told = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Finding:
    """`node` is None where it is about the whole model."""

    node: str | None
    severity: str
    text: str


def found(layers: Sequence[Told], diagnosis: Diagnosis) -> list[Finding]:
    """The worst first, otherwise in execution order."""
    ill = [finding for layer in layers for finding in _of(layer, diagnosis.rows)]
    about = list(_about(layers, diagnosis, is_well=not ill))
    return sorted([*ill, *about], key=lambda finding: SEVERITIES.index(finding.severity))


def _about(layers: Sequence[Told], diagnosis: Diagnosis, *, is_well: bool) -> Iterator[Finding]:
    if not layers:
        yield Finding(None, "note", "The graph has no activation that can be observed.")
    elif is_well:
        yield Finding(None, "ok", _well(layers, diagnosis.rows))
    for hidden in diagnosis.observer.unseen:
        yield Finding(hidden.node, "note", f"`{hidden.node}` {hidden.why}.")
    if size := diagnosis.split_into:
        yield Finding(
            None,
            "note",
            f"The rows went through the graph in pieces of {size:,} at most, and it is not known that its rows do"
            " not touch each other. Where they do, one run of all would give other numbers; `actserve check` tries.",
        )


def _well(layers: Sequence[Told], rows: int) -> str:
    judged = [layer for layer in layers if not _is_share(layer)]
    if not judged:
        return f"Every value is finite on {_these(rows)}; nothing here is of a kind that can be dead or saturated."
    which = f"the {len(judged)} activations" if len(judged) > 1 else f"`{judged[0]['node']}`"
    return f"No unit of {which} was dead or saturated on {_these(rows)}, and every value is finite."


def _of(layer: Told, rows: int) -> Iterator[Finding]:
    if layer["non_finite"]:
        yield Finding(layer["node"], "error", _non_finite(layer))
    if _is_share(layer):
        return
    if layer["dead_units"]:
        yield Finding(layer["node"], _severity(layer["dead_share"], rows), _dead(layer, rows))
    if layer["saturated_units"]:
        severity = "note" if layer["is_output"] else _severity(layer["saturated_share"], rows)
        yield Finding(layer["node"], severity, _saturated(layer, rows))
    is_all = layer["dead_share"] + layer["saturated_share"] == 1
    if layer["zero_share"] > MOSTLY_ZERO and not is_all:
        yield Finding(layer["node"], "note", _sparse(layer, rows))
    if layer["slope_mean"] < SMALL_SLOPE and not is_all and not layer["is_output"]:
        yield Finding(layer["node"], "warning" if rows >= ENOUGH_ROWS else "note", _vanishing(layer, rows))


def _is_share(layer: Told) -> bool:
    kind = slopes.KINDS.get(layer["activation"])
    return kind is not None and kind.is_share


def _severity(share: float, rows: int) -> str:
    return "warning" if share >= MANY_UNITS and rows >= ENOUGH_ROWS else "note"


def _dead(layer: Told, rows: int) -> str:
    count = _count(layer, "dead_units")
    other = (
        ", or an activation with a slope below zero (leaky_relu, elu, gelu)"
        if layer["activation"] in BENT_ON_ONE_SIDE
        else ""
    )
    return (
        f"{count} of `{layer['node']}` never fired on {_these(rows)}; while that stays so, such a unit learns nothing."
        f" What is known to help: a lower learning rate, biases that do not start far below"
        f" zero{other}. {_evidence(rows, 'fires', 'fire')}"
    )


def _saturated(layer: Told, rows: int) -> str:
    count = _count(layer, "saturated_units")
    said = f"{count} of `{layer['node']}` had a slope below 0.01 on {'each of ' * (rows > 1)}{_these(rows)}"
    if layer["is_output"]:
        evidence = _evidence(rows, "bends", "bend")
        return f"{said}; at the output of a model that is certainty, and no fault by itself. {evidence}"
    return (
        f"{said}; next to no gradient passes such a unit. What is known to help: smaller initial weights, normalised"
        f" inputs (batch or layer normalisation), a lower learning rate, or an activation that is not flat on both"
        f" sides (relu, gelu). {_evidence(rows, 'leaves its flat part', 'leave their flat part')}"
    )


def _sparse(layer: Told, rows: int) -> str:
    return (
        f"{layer['zero_share']:.1%} of the values of `{layer['node']}` are zero on {_these(rows)}: few units answer at"
        " a time. That is no fault by itself; where training stands still, lower the learning rate or raise the biases."
    )


def _vanishing(layer: Told, rows: int) -> str:
    times = (
        f", so that a gradient comes out about {1 / layer['slope_mean']:,.0f} times smaller"
        if layer["slope_mean"]
        else ""
    )
    return (
        f"The mean slope of `{layer['node']}` is {layer['slope_mean']:.2g} on {_these(rows)}{times}. What is known to"
        " help: smaller initial weights, normalised inputs, connections around the layer, or an activation of a larger"
        " slope."
    )


def _non_finite(layer: Told) -> str:
    before = layer["pre_activation"]["non_finite"]
    origin = "were so before the activation as well" if before else "were finite before the activation"
    return (
        f"{layer['non_finite']:,} of {layer['values']:,} values of `{layer['node']}` are NaN or infinite; they"
        f" {origin}. Look for an overflow (FP16 ends at 65,504), a division by zero or the logarithm of zero in the"
        " first layer that has them."
    )


def _count(layer: Told, name: str) -> str:
    units = layer["units"]
    return f"{len(layer[name])} of {units:,} unit{'s' if units != 1 else ''}"


def _these(rows: int) -> str:
    return f"these {rows:,} rows" if rows != 1 else "this one row"


def _evidence(rows: int, does: str, do: str) -> str:
    """How much it proves that something was not seen."""
    if rows == 1:
        return "One row proves nothing; send a thousand."
    if rows < ENOUGH_ROWS:
        share = f"{100 * (1 - 1 / rows) ** rows:.0f} %"
        return (
            f"{rows} rows prove nothing: of the units that {do} for one row in {rows}, {share} would not be seen to on"
            " so few; send a thousand."
        )
    return f"With 95 % confidence each of them {does} for less than {300 / rows:.2g} % of such rows."
