"""`actserve serve`: every setting as a flag and as a variable."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from typing import Any

import click

from service import hosting, shared
from service.errors import ModelError, SettingsError
from service.kinds import NAMES, SWITCH
from service.server import bind, serve
from service.settings import SETTINGS, flag, read, variable
from service.supervisor import START_FAILED, Supervisor


def options(command: Callable[..., None]) -> Callable[..., None]:
    """One option for each field of `Settings`, whose kind checks what click hands on as text."""
    for name, field in reversed(SETTINGS.items()):
        kind = field.metadata["kind"]
        is_flag = kind is SWITCH
        default = "" if field.default is None or is_flag else f" [default: {field.default}]"
        command = click.option(
            flag(name),
            name,
            envvar=variable(name),
            show_envvar=True,
            default=None,
            is_flag=is_flag,
            multiple=kind is NAMES,
            metavar=None if is_flag else "VALUE",
            type=bool if is_flag else str,
            help=field.metadata["description"] + default,
        )(command)
    return command


@click.command("serve")
@options
def command(**values: Any) -> None:
    """Serve models over HTTP and gRPC until SIGTERM or Ctrl-C."""
    try:
        settings = read(hosting.completed(values, os.environ))
        with contextlib.closing(bind(settings)) as listeners:
            if settings.worker_count > 1:
                with shared.folder() as folder:
                    sys.exit(Supervisor(settings, listeners, folder).run())
            serve(settings, listeners)
    except (SettingsError, ModelError) as error:
        print(f"actserve: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, SettingsError) else START_FAILED)
