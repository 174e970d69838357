"""What a graph cannot say by its tensors: read from the file's `metadata_props` and an optional `model.toml`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from service.errors import ModelError

KNOWN = ("task", "description", "labels", "scores", "image", "batching", "catalogue")


@dataclass(frozen=True, slots=True)
class ImageLayout:
    """How a picture becomes one row: `mode` is Pillow's (L for grey, RGB), each sample is divided by `divisor`."""

    width: int
    height: int
    mode: str
    divisor: float

    def __post_init__(self) -> None:
        sizes = (self.width, self.height)
        if not all(type(size) is int and size > 0 for size in sizes) or self.mode not in ("L", "RGB"):
            raise TypeError("`image` needs whole `width` and `height`, and `mode` L or RGB")
        if isinstance(self.divisor, bool) or not isinstance(self.divisor, int | float) or not self.divisor > 0:
            raise TypeError("`divisor` of `image` must be a number above 0")


@dataclass(frozen=True, slots=True)
class Metadata:
    """`joinable` is true only where rows are known not to touch each other; `notes` is every other property."""

    task: str | None
    description: str
    labels: tuple[str, ...]
    scores: str | None
    image: ImageLayout | None
    joinable: bool
    catalogue: Mapping[str, Any]
    notes: Mapping[str, Any]
    is_classifier: bool = field(init=False, repr=False, compare=False)
    label_texts: tuple[bytes, ...] = field(init=False, repr=False, compare=False)
    """Each label as a member of a JSON object, written once."""

    def __post_init__(self) -> None:
        texts = tuple(b',"label":' + json.dumps(label, ensure_ascii=False).encode() for label in self.labels)
        object.__setattr__(self, "label_texts", texts)
        object.__setattr__(self, "is_classifier", self.task == "classification" and self.scores is not None)

    @property
    def is_activation(self) -> bool:
        return self.task == "activation"

    @property
    def is_elementwise(self) -> bool:
        """True for an activation whose elements do not touch each other, nor have parameters by their place."""
        has_places = any(parameter.get("channels") for parameter in self.catalogue.get("parameters", ()))
        return bool(self.catalogue.get("elementwise", False)) and not has_places

    def label(self, index: int) -> str | None:
        """The label of a class, None where the file names none."""
        return self.labels[index] if index < len(self.labels) else None


def read(properties: Mapping[str, Any]) -> Metadata:
    """Metadata from properties whose values are text, JSON text or (out of a `model.toml`) plain values.

    Raises ModelError naming the property that cannot be read."""
    values = {key: _decoded(key, value) for key, value in properties.items()}
    try:
        return Metadata(
            task=values.get("task"),
            description=values.get("description", ""),
            labels=tuple(str(label) for label in values.get("labels", ())),
            scores=values.get("scores"),
            image=ImageLayout(**values["image"]) if "image" in values else None,
            joinable=values.get("batching") == "rows",
            catalogue=dict(values.get("catalogue", {})),
            notes={key: value for key, value in values.items() if key not in KNOWN},
        )
    except (TypeError, ValueError) as error:
        raise ModelError(f"its metadata cannot be read: {error}.") from error


def _decoded(key: str, value: Any) -> Any:
    """JSON where the property is structured, else the text itself."""
    if not isinstance(value, str) or value[:1] not in ("{", "["):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        if key in KNOWN:
            raise ModelError(f"its metadata property `{key}` is not JSON: {error}.") from error
        return value
