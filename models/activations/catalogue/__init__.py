"""What is known about each activation, one TOML file each: formula, parameters, range, claims with their evidence."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Any

from models.activations.table import ACTIVATIONS


@cache
def entry(name: str) -> dict[str, Any]:
    """The catalogue's text on one activation, as it goes into the model's metadata."""
    text = resources.files(__name__).joinpath(f"{name}.toml").read_text(encoding="utf-8")
    return {"paper": None, "parameters": [], "elementwise": _is_elementwise(name)} | tomllib.loads(text)


def _is_elementwise(name: str) -> bool:
    return type(ACTIVATIONS[name]).__name__ == "Elementwise"
