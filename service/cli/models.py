"""`actserve models`: what would be served."""

from __future__ import annotations

from pathlib import Path

import click

from service.cli.files import Failing
from service.model import Model
from service.repository import Repository
from service.session import Runtime
from service.tensors import TensorSpec, describe


@click.command("models", cls=Failing)
@click.option(
    "--models", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder of your own models."
)
@click.option("--providers", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
def command(models: Path | None, providers: str) -> None:
    """List every model with its signature, and why those that are broken are."""
    repository = Repository(models, Runtime(providers))
    activations = {model.name for model in repository.activations()}
    for entry in repository.entries():
        if entry.name not in activations:
            for model in entry.loaded:
                click.echo(f"{model.name}  version {model.version}  {model.session.provider}  {signature(model)}")
            for version, error in entry.failures.items():
                click.echo(f"{entry.name}  version {version}  broken: {error}")
    click.echo(f"activations: {', '.join(sorted(activations))}")


def signature(model: Model) -> str:
    """`input FP32 [batch, 784] → logits FP32 [batch, 10]`."""
    return f"{_listed(model.inputs)} → {_listed(model.outputs)}"


def _listed(specs: tuple[TensorSpec, ...]) -> str:
    return ", ".join(f"{spec.name} {spec.datatype.name} {describe(spec.shape)}" for spec in specs)
