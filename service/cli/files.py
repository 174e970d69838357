"""Files in and out, piece by piece, so that memory does not grow with them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from math import prod
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import click

from service.codecs import json, media, npy
from service.errors import BadBody, ModelError, ServiceError
from service.tensors import Array, content

CHUNK_BYTES = 1 << 23
MEDIA_TYPES = {".npy": media.NPY, ".json": media.JSON, ".png": media.PNG, ".jpg": media.JPEG, ".jpeg": media.JPEG}


def media_type(path: Path) -> str:
    """The media type of a file by its name."""
    found = MEDIA_TYPES.get(path.suffix.lower())
    if found is None:
        raise click.BadParameter(f"`{path.name}`: expected one of {', '.join(MEDIA_TYPES)}.")
    return found


def refuse_same(file: Path, output: Path | None) -> None:
    """Raises BadParameter for an output that is the input: it would be emptied while it is being read."""
    if output is not None and output.exists() and output.samefile(file):
        raise click.BadParameter(f"`{output.name}` is the file that is read; write to another.")


def pieces(path: Path, *, flat: bool = False, whole: bool = False) -> Iterator[Array]:
    """A `.npy` file in pieces of about 8 MiB along its first axis, of the flattened array where `flat`, or at once."""
    with path.open("rb") as file:
        found = npy.header(file.read(npy.MAX_HEADER_BYTES))
        if path.stat().st_size - found.start != found.data_bytes:
            raise BadBody(f"`{path.name}`: its header promises {found.data_bytes} bytes of data.")
        file.seek(found.start)
        if whole or found.fortran or not found.shape:
            yield npy.values(file.read(), found, found.shape)
            return
        shape = (prod(found.shape),) if flat else found.shape
        row_bytes = prod(shape[1:]) * found.dtype.itemsize
        step = max(1, CHUNK_BYTES // max(1, row_bytes))
        for first in range(0, max(1, shape[0]), step):
            rows = min(step, shape[0] - first)
            yield npy.values(file.read(rows * row_bytes), found, (rows, *shape[1:]))


def progress(items: Iterator[Any], length: int, label: str) -> Iterator[Any]:
    """The items, with a bar on stderr that counts their rows up to `length`."""
    with click.progressbar(length=length, label=label, file=sys.stderr) as bar:
        for item in items:
            yield item
            bar.update(max(1, len(item) if getattr(item, "ndim", 0) else 1))


class NpyFile:
    """A `.npy` file whose data is written piece by piece. It is opened with the first piece, so that a mistake found
    before leaves what was there. The header has the first piece's type, and its shape, where none is given: with
    `rows` for its first size where there are several pieces."""

    def __init__(self, path: Path, shape: tuple[int, ...] | None = None, rows: int | None = None) -> None:
        self._path = path
        self._shape = shape
        self._rows = rows
        self._file: BinaryIO | None = None

    def write(self, array: Array) -> None:
        if self._file is None:
            shape = array.shape if self._rows is None else (self._rows, *array.shape[1:])
            start = npy.start(array.dtype, shape if self._shape is None else self._shape)
            self._file = self._path.open("wb")
            self._file.write(start)
        self._file.write(content(array))

    def __enter__(self) -> NpyFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()


class JsonFile:
    """A JSON object whose last member is an array that is written piece by piece, to a file or to stdout."""

    def __init__(self, path: Path | None, head: dict[str, Any], name: str) -> None:
        self._file: BinaryIO = sys.stdout.buffer if path is None else path.open("wb")
        self._file.write(json.dumps(head)[:-1] + b"," + json.dumps(name) + b":")
        self._is_open = False
        self._has_elements = False

    def write(self, text: bytes) -> None:
        """A piece: a JSON array whose elements follow those written before, or a single number."""
        if not text.startswith(b"["):
            self._file.write(text)
            return
        if not self._is_open:
            self._file.write(b"[")
            self._is_open = True
        if elements := text[1:-1]:
            self._file.write(b"," * self._has_elements + elements)
            self._has_elements = True

    def close(self) -> None:
        self._file.write(b"]" * self._is_open + b"}\n")
        self._file.flush()
        if self._file is not sys.stdout.buffer:
            self._file.close()


class Failing(click.Command):
    """A command whose errors, ours and those of its files, are one sentence and exit status 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (ServiceError, ModelError) as error:
            raise click.ClickException(str(error)) from error
        except BrokenPipeError:  # the reader of stdout has seen enough, which click knows how to end
            raise
        except OSError as error:
            where = f"`{error.filename}`: " if error.filename else ""
            raise click.ClickException(f"{where}{error.strerror}.") from error
