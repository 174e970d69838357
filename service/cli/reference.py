"""`actserve reference MODEL FILE`: what the activations of a model give for data that it is meant for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from service.cli.files import Failing, progress, refuse_same
from service.cli.rows import batches, load
from service.codecs import json
from service.diagnosis.diagnosis import counted
from service.diagnosis.observer import Feeds, observer
from service.diagnosis.report import plain
from service.live.deciles import made
from service.model import Model


@click.command("reference", cls=Failing)
@click.argument("model")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Where to write it; stdout unless told."
)
@click.option("--source", help="What the rows are, in words; the file's name unless told.")
@click.option(
    "--models", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder of your own models."
)
@click.option("--providers", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
def command(
    model: str, file: Path, output: Path | None, source: str | None, models: Path | None, providers: str
) -> None:
    """Make the reference statistics that served traffic is compared with, from the rows of FILE (.npy, .json): such as
    MODEL is meant for, and many. MODEL is the name of a model or an .onnx file.

    A server reads them from `<name>/reference.json` beside the version folders, or from `<name>.reference.json` beside
    a plain `<name>.onnx`."""
    refuse_same(file, output)
    found = load(model, models, providers)
    _, rows = batches(found, file)
    looking = observer(found, found.runtime)
    told = made(found, looking, lambda: _batches(found, file), rows, source or file.name)
    text = json.dumps(plain(told))
    if output is None:
        click.echo(text)
    else:
        output.write_bytes(text + b"\n")


def _batches(model: Model, file: Path) -> Iterator[tuple[Feeds, int]]:
    read, rows = batches(model, file)
    for batch in progress(read, rows, file.name):
        yield batch.feeds, counted(model, batch.feeds)
