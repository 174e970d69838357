"""This service with its defaults, as a process, for measurements that have no peers."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from benchmarks import faces
from benchmarks.cases import Case
from benchmarks.environments import BUILD
from benchmarks.oracle import Oracle
from benchmarks.peers import ROOT
from benchmarks.processes import Server, free_port


@contextmanager
def running(name: str, *settings: str, grpc_port: int = 0, module: str = "service") -> Iterator[Server]:
    """A server whose answers have been checked; `name` is its log's, `settings` are flags beside the ports, `module` is
    what is run. It is stopped at the end."""
    port = free_port()
    command = [sys.executable, "-m", module, "serve", "--port", str(port), "--grpc-port", str(grpc_port)]
    with started(name, [*command, *settings], {}, port) as server:
        yield server


@contextmanager
def started(name: str, command: Sequence[str], variables: Mapping[str, str], port: int) -> Iterator[Server]:
    """What `command` serves at `port`, once its answers have been checked, until the end."""
    BUILD.mkdir(parents=True, exist_ok=True)
    environment = dict(os.environ) | {"PYTHONPATH": str(ROOT)} | dict(variables)
    server = Server(list(command), environment, port, BUILD / f"{name}.log")
    first = Case("json", 1, 1)
    try:
        server.wait(faces.ours("/predict"), first.batches()[0], Oracle().expected(first))
        yield server
    finally:
        server.stop()
