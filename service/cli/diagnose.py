"""`actserve diagnose MODEL FILE`: the report of `POST /diagnose`, for a terminal or as a page."""

from __future__ import annotations

from pathlib import Path

import click

from service.cli.files import Failing, progress, refuse_same
from service.cli.rows import batches, load
from service.codecs import json
from service.diagnosis import page, table
from service.diagnosis.diagnosis import Diagnosis, counted
from service.diagnosis.observer import observer
from service.diagnosis.report import BINS, MAX_BINS, Told, plain, report
from service.model import Model


@click.command("diagnose", cls=Failing)
@click.argument("model")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--html",
    "html_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the report as one page with plots, which needs nothing else.",
)
@click.option("--json", "as_json", is_flag=True, help="Write what `POST /diagnose` answers to stdout.")
@click.option("--bins", type=click.IntRange(1, MAX_BINS), default=BINS, show_default=True, help="Bars of a histogram.")
@click.option(
    "--models", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder of your own models."
)
@click.option("--providers", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
def command(
    model: str, file: Path, html_file: Path | None, as_json: bool, bins: int, models: Path | None, providers: str
) -> None:
    """Tell what each activation inside MODEL does with the rows of FILE (.npy, .json, .png, .jpg): dead and saturated
    units, zeros, slopes, ranges, and what that means. MODEL is the name of a model or an .onnx file.

    A .npy file is read in pieces where the model says that its rows do not touch each other, so it may be larger than
    the memory."""
    refuse_same(file, html_file)
    told = _report(load(model, models, providers), file, bins)
    if html_file is not None:
        html_file.write_text(page.write(told, file.name), "utf-8")
    if as_json:
        click.echo(json.dumps(plain(told)))
    else:
        click.echo(table.write(told))


def _report(model: Model, file: Path, bins: int) -> Told:
    looking = observer(model, model.runtime)
    run, _ = looking.stoppable()
    found = Diagnosis(looking, model.inputs, model.metadata.joinable)
    read, rows = batches(model, file)
    for batch in progress(read, rows, file.name):
        found.add(batch.feeds, counted(model, batch.feeds), run)
    return report(model.name, model.version, found, bins)
