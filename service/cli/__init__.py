"""The command line: `actserve serve | predict | activate | diagnose | reference | models | check | bench`."""

from __future__ import annotations

import gc
from importlib import import_module
from typing import Any

import click

from service import __version__

COMMANDS = ("serve", "predict", "activate", "diagnose", "reference", "models", "check", "bench")


class Commands(click.Group):
    """Imports a command's module when the command is used, so that none waits for what only others need."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        gc.disable()  # what modules make as they are imported stays: a seventh of the start was spent on looking at it
        command: click.Command = import_module(f"service.cli.{cmd_name}").command
        gc.freeze()
        gc.enable()
        return command


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="actserve")
def main() -> Any:
    """Serve activation-backed models over HTTP, or run them here."""
