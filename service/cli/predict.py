"""`actserve predict MODEL FILE`: the same engine as the server's, in this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from service import predictions
from service.cli.files import Failing, JsonFile, NpyFile, progress, refuse_same
from service.cli.rows import Batch, batches, load
from service.codecs import json
from service.errors import Unfit
from service.model import Model
from service.tensors import Array


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
    read, rows = batches(found, file)
    if output is not None and to_npy:
        with NpyFile(output, rows=rows if found.metadata.joinable else None) as target:
            for feeds in progress(read, rows, file.name):
                target.write(_run(found, feeds)[0])
    else:
        _write_json(found, progress(read, rows, file.name), output, form)


def _run(model: Model, batch: Batch) -> list[Array]:
    return model.session.run(batch.feeds, predictions.fetches(model))


def _write_json(model: Model, read: Iterator[Batch], output: Path | None, form: predictions.Form) -> None:
    target: JsonFile | None = None
    for batch in read:
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
