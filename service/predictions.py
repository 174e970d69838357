"""Arrays to the answer of `/predict`: classes with scores, rows, or columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from service.codecs import elements, json, media, npy, raw
from service.errors import Unfit
from service.exchange import Response, answer_json, answer_pieces
from service.metadata import Metadata
from service.model import Model
from service.tensors import Array

BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True, slots=True)
class Form:
    """How a prediction is to be written. `top_k` counts the best classes to list, 0 for none."""

    scores: bool
    top_k: int


KINDS = (media.JSON, media.NPY, media.RAW)
OFFERED = {kind: (kind, *(other for other in KINDS if other != kind)) for kind in KINDS}
PLAIN = Form(scores=True, top_k=0)


def form(query: Mapping[str, str], parameters: Mapping[str, Any] | None = None) -> Form:
    """The form asked for in the query or in the body's `parameters` (`scores`, `top_k`). Raises Unfit for a value or
    name that is not known."""
    if not query and not parameters:
        return PLAIN
    for name in query.keys() - {"scores", "top_k", "version"}:
        raise Unfit.at(f"query.{name[:60]}", "one of `scores`, `top_k`, `version`", "an unknown name")
    scores = query.get("scores", "true").lower()
    if scores not in BOOLEANS:
        raise Unfit.at("query.scores", "true or false", scores[:40])
    top_k = query.get("top_k", "0")
    if not top_k.isdecimal() or not top_k.isascii() or len(top_k) > 9:
        raise Unfit.at("query.top_k", "a whole number from 0 up", top_k[:40])
    found = Form(BOOLEANS[scores], int(top_k))
    return _changed(found, query, parameters) if parameters else found


def _changed(form: Form, query: Mapping[str, str], parameters: Mapping[str, Any]) -> Form:
    for name in parameters:
        if name not in ("scores", "top_k"):
            raise Unfit.at(f"parameters.{name[:60]}", "one of `scores`, `top_k`", "an unknown name")
        if name in query:
            raise Unfit.at(f"query.{name}", "each parameter once", "it in the body as well")
    scores, top_k = parameters.get("scores", form.scores), parameters.get("top_k", form.top_k)
    if not isinstance(scores, bool):
        raise Unfit.at("parameters.scores", "true or false", elements.kind(scores))
    # Vertex AI hands numbers on as floats.
    if isinstance(top_k, bool) or not isinstance(top_k, int | float) or not 0 <= top_k < 1e9 or top_k % 1:
        raise Unfit.at("parameters.top_k", "a whole number from 0 up", elements.kind(top_k))
    return Form(scores, int(top_k))


def fetches(model: Model) -> tuple[str, ...]:
    """The outputs an answer is made of: the scores of a classifier, every output of another model."""
    return (model.metadata.scores,) if model.metadata.scores is not None else model.output_names


def offered(model: Model, media_type: str) -> tuple[str, ...]:
    """The media types an answer can have, first the one that answers a body of `media_type` in kind."""
    names = fetches(model)
    if len(names) != 1 or any(spec.datatype.name == "BYTES" for spec in model.outputs if spec.name in names):
        return (media.JSON,)
    return OFFERED.get(media_type, OFFERED[media.JSON])


def encode(model: Model, arrays: Sequence[Array], rows: int, wanted: str, form: Form, columnar: bool) -> Response:
    """The answer in media type `wanted`."""
    if wanted == media.NPY:
        return answer_pieces(npy.write(arrays[0]), media.NPY)
    if wanted == media.RAW:
        values = raw.write(arrays[0])
        return Response(values, media.RAW) if isinstance(values, bytes) else answer_pieces([values], media.RAW)
    if are_classes(model, arrays):
        found = classes(model.metadata, arrays[0], form)
        return Response(b"%b%b]}" % (_start(model.name, model.version), b",".join(found)))
    return answer_json({"model": model.name, "version": model.version} | content(model, arrays, rows, columnar))


def encode_classes(model: Model, scores: Array, rows: Sequence[int], form: Form) -> list[Response]:
    """The answers in JSON to several callers, each of whom has so many of the rows."""
    found = classes(model.metadata, scores, form)
    start = _start(model.name, model.version)
    if len(rows) < len(found):
        found = [b",".join(found[first:end]) for first, end in pairwise((0, *accumulate(rows)))]
    return [Response(b"%b%b]}" % (start, one)) for one in found]


def encode_values(array: Array, rows: Sequence[int]) -> list[Response]:
    """The answers in raw values to several callers, each of whom has so many of the rows."""
    content = bytes(raw.write(array))
    size = len(content) // len(array)
    answers, end, media_type = [], 0, media.RAW
    for count in rows:
        start, end = end, end + count * size
        answers.append(Response(content[start:end], media_type))
    return answers


def are_classes(model: Model, arrays: Sequence[Array]) -> bool:
    """Whether what was fetched are scores by class."""
    return model.metadata.is_classifier and arrays[0].ndim == 2


@lru_cache(1024)
def _start(name: str, version: str) -> bytes:
    return b'{"model":%b,"version":%b,"predictions":[' % (json.dumps(name), json.dumps(version))


def content(model: Model, arrays: Sequence[Array], rows: int, columnar: bool) -> dict[str, Any]:
    """The answer's one member besides the model, where that is no classifier: `predictions` by row, or `outputs` in
    columns."""
    names = fetches(model)
    if columnar or not _is_by_row(model, dict(zip(names, arrays, strict=True)), rows):
        columns = {name: json.fragment(array) for name, array in zip(names, arrays, strict=True)}
        return {"outputs": columns if len(names) > 1 else columns[names[0]]}
    if len(names) == 1:
        return {"predictions": json.fragment(arrays[0])}
    by_name = list(zip(names, arrays, strict=True))
    return {"predictions": [{name: json.fragment(array[row, ...]) for name, array in by_name} for row in range(rows)]}


def _is_by_row(model: Model, outputs: Mapping[str, Array], rows: int) -> bool:
    """Whether each output has one element for each row. One whose first size is fixed where that of the rows is free
    (the layers of a recurrent state) only happens to have as many."""
    if any(array.ndim == 0 or len(array) != rows for array in outputs.values()):
        return False
    if not any(spec.has_rows for spec in model.inputs):
        return True
    return not any(spec.shape and spec.shape[0] == rows for spec in model.outputs if spec.name in outputs)


def classes(metadata: Metadata, scores: Array, form: Form) -> list[bytes]:
    """Each row of scores as a JSON object: its best class and, where they are wanted, the best few and all scores."""
    written = json.rows(scores)
    best = scores.argmax(axis=1).tolist() if scores.shape[1] else []
    if form is not PLAIN and form != PLAIN:
        return [_formed(metadata, written[row].split(b","), scores[row], index, form) for row, index in enumerate(best)]
    texts, most = metadata.label_texts, len(metadata.label_texts)
    return [
        b'{"index":%d%b,"score":%b,"scores":[%b]}'
        % (index, texts[index] if index < most else b"", row.split(b",", index + 1)[index], row)
        for row, index in zip(written, best, strict=False)
    ]


def _formed(metadata: Metadata, numbers: Sequence[bytes], scores: Array, index: int, form: Form) -> bytes:
    text = _class(metadata, numbers, index)
    if form.top_k:
        order = np.argsort(-scores, kind="stable")[: form.top_k].tolist()
        text += b',"top":[%b]' % b",".join([_class(metadata, numbers, other) + b"}" for other in order])
    return text + (b',"scores":[%b]}' % b",".join(numbers) if form.scores else b"}")


def _class(metadata: Metadata, numbers: Sequence[bytes], index: int) -> bytes:
    """A class and its score, as a JSON object that is not closed yet."""
    label = metadata.label_texts[index] if index < len(metadata.label_texts) else b""
    return b'{"index":%d%b,"score":%b' % (index, label, numbers[index])
