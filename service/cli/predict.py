"""`actserve predict MODEL FILE`: the same engine as the server's, in this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from service import cores, instances, predictions
from service.cli.files import Failing, JsonFile, NpyFile, media_type, pieces, progress, refuse_same
from service.codecs import json, media, npy
from service.engine import row_count
from service.errors import Unfit
from service.model import Model
from service.repository import Repository
from service.session import Runtime
from service.signature import check
from service.tensors import Array

Feeds = instances.Feeds


@click.command("predict", cls=Failing)
@click.argument("model")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help=".npy or .json; else JSON to stdout."
)
@click.option(
    "--models", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder of your own models."
)
@click.option("--top-k", type=click.IntRange(0), default=0, help="List the best k classes of each instance.")
@click.option("--scores/--no-scores", default=True, help="Write the scores of all classes.")
@click.option("--providers", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
def command(
    model: str, file: Path, output: Path | None, models: Path | None, top_k: int, scores: bool, providers: str
) -> None:
    """Predict the rows of FILE (.npy, .json, .png, .jpg) with MODEL, the name of a model or an .onnx file.

    A .npy file is read and answered in pieces where the model says that its rows do not touch each other, so it may
    be larger than the memory."""
    refuse_same(file, output)
    found = load(model, models, providers)
    form = predictions.Form(scores, top_k)
    to_npy = output is not None and output.suffix == ".npy"
    if to_npy and len(predictions.fetches(found)) != 1:
        raise Unfit(f"Model `{found.name}` has several outputs, which one .npy file cannot hold; write .json.")
    batches, rows = _batches(found, file)
    if output is not None and to_npy:
        with NpyFile(output, rows=rows if found.metadata.joinable else None) as target:
            for feeds in progress(batches, rows, file.name):
                target.write(_run(found, feeds)[0])
    else:
        _write_json(found, progress(batches, rows, file.name), output, form)


def load(model: str, models: Path | None, providers: str) -> Model:
    """A model by name out of the repository, or straight from a file."""
    runtime = Runtime(providers, cores.available())
    if model.endswith(".onnx"):
        return Model(Path(model).stem, "1", Path(model), runtime)
    return Repository(models, runtime, model).model(model)


def _batches(model: Model, file: Path) -> tuple[Iterator[Batch], int]:
    """The file as batches, and how many rows it has."""
    kind = media_type(file)
    if kind == media.NPY and len(model.inputs) == 1 and model.inputs[0].has_rows:
        with file.open("rb") as opened:
            shape = npy.header(opened.read(npy.MAX_HEADER_BYTES)).shape
        return _pieces(model, file), (shape or (1,))[0]
    feeds = instances.decode(model, kind, file.read_bytes()).feeds
    return iter([Batch(model, feeds)]), row_count(model.session, feeds)


def _pieces(model: Model, file: Path) -> Iterator[Batch]:
    """A model that may mix rows gets them all at once."""
    for piece in pieces(file, whole=not model.metadata.joinable):
        yield Batch(model, instances.fitted(model, piece))


class Batch:
    """The arrays of some rows, as many as its length says."""

    ndim = 1

    def __init__(self, model: Model, feeds: Feeds) -> None:
        check(feeds, model.inputs)
        self.feeds = feeds
        self._rows = row_count(model.session, feeds)

    def __len__(self) -> int:
        return self._rows


def _run(model: Model, batch: Batch) -> list[Array]:
    return model.session.run(batch.feeds, predictions.fetches(model))


def _write_json(model: Model, batches: Iterator[Batch], output: Path | None, form: predictions.Form) -> None:
    target: JsonFile | None = None
    for batch in batches:
        arrays = _run(model, batch)
        if predictions.are_classes(model, arrays):
            name, text = "predictions", b"[%b]" % b",".join(predictions.classes(model.metadata, arrays[0], form))
        else:
            ((name, value),) = predictions.content(model, arrays, len(batch), columnar=False).items()
            text = json.dumps(value)
        target = target or JsonFile(output, _head(model), name)
        target.write(text)
    if target is not None:
        target.close()


def _head(model: Model) -> dict[str, Any]:
    return {"model": model.name, "version": model.version}
