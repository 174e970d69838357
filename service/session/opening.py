"""From a file, or a graph in memory, to a session of onnxruntime on the provider that computes it."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from service import device, graph
from service.errors import ModelError
from service.session import library
from service.session.library import CPU, CUDA, FAILURES, LEFT_TO_THE_CPU, Runtime, made, redact, version
from service.session.providers import ProviderError, usable_provider


@dataclass(frozen=True, slots=True)
class Content:
    """A graph as bytes, and the folder of the files that it takes data from."""

    graph: bytes
    folder: Path | None = None


def opened(path: Path, runtime: Runtime, content: Content | None) -> tuple[Any, dict[str, str]]:
    """The session, and the labels of the classes where a map by label gave way to a tensor."""
    path = path.absolute()  # what `redact` is to find in messages
    try:
        graph.check_external(path)
    except OSError as error:
        raise ModelError(f"it cannot be read ({error.strerror}).") from error
    session = _session(content, path, runtime)
    if content is None and any(end.type.startswith("seq(map(") for end in session.get_outputs()):
        changed, labels = graph.without_maps(path)
        with suppress(ModelError):  # a map of something else than rows of scores stays what it is
            return (session, {}) if changed is None else (_session(Content(changed), path, runtime), labels)
    return session, {}


def _session(content: Content | None, path: Path, runtime: Runtime) -> Any:
    provider = usable_provider(runtime.providers)
    try:
        session = placed(content, path, runtime, provider)
    except FAILURES as error:
        raise ModelError(_plain(redact(device.plain(str(error).replace(f"{path.parent}/", ""))))) from error
    if runtime.providers == "cuda" and session.get_providers()[0] != CUDA:
        raise ProviderError("`--providers cuda`: CUDA did not start for a model, though it did for a trial.")
    return session


def placed(content: Content | None, path: Path, runtime: Runtime, provider: str) -> Any:
    """All of the graph on the provider, or, where it has no kernels for some of the nodes, those on the CPU."""
    source = str(path) if content is None else content.graph
    options = partial(library.options, runtime, None if content is None else content.folder)
    if provider == CPU:
        return made(source, options(), [CPU])
    told = device.options(tf32=runtime.tf32, memory_limit_bytes=runtime.device_bytes) if provider == CUDA else {}
    try:
        return made(source, options(is_strict=True), [(provider, told)])
    except FAILURES as error:
        if LEFT_TO_THE_CPU not in str(error):
            raise
    return made(source, options(is_placed=True), [(provider, told), CPU])


def placement(session: Any) -> tuple[str, int]:
    """The provider that computes, and how many nodes it leaves to the CPU. `get_providers` tells only what is there."""
    first = session.get_providers()[0]
    if first == CPU:
        return CPU, 0
    nodes: Counter[str] = Counter()
    for part in session.get_provider_graph_assignment_info():
        nodes[part.ep_name] += len(part.get_nodes())
    return (first, nodes[CPU]) if nodes[first] or not nodes[CPU] else (CPU, 0)


def signs(path: Path) -> tuple[int, ...]:
    """What changes when a file does; nothing where it is gone."""
    with suppress(OSError):
        found = path.stat()
        return (found.st_size, found.st_mtime_ns, found.st_ino)
    return ()


def _plain(message: str) -> str:
    """The two refusals that users meet most, said plainly."""
    if found := re.search(r"Unsupported model IR version: (\d+), max supported IR version: (\d+)", message):
        return f"it has IR version {found[1]}; {_limit(found[2])}"
    if found := re.search(r"Opset (\d+) is under development.*?till opset (\d+)", message):
        return f"it has opset {found[1]}; {_limit(found[2])}"
    return message


def _limit(highest: str) -> str:
    return f"onnxruntime {version()} reads up to {highest}. Export it again with an older one."
