"""The rows of a file, in batches that a model takes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from service import cores, instances
from service.cli.files import media_type, pieces
from service.codecs import media, npy
from service.engine import row_count
from service.model import Model
from service.repository import Repository
from service.session import Runtime
from service.signature import check


def load(model: str, models: Path | None, providers: str) -> Model:
    """A model by name out of the repository, or straight from a file."""
    runtime = Runtime(providers, cores.available())
    if model.endswith(".onnx"):
        return Model(Path(model).stem, "1", Path(model), runtime)
    return Repository(models, runtime, model).model(model)


class Batch:
    """The arrays of some rows, as many as its length says."""

    ndim = 1

    def __init__(self, model: Model, feeds: instances.Feeds) -> None:
        check(feeds, model.inputs)
        self.feeds = feeds
        self._rows = row_count(model.session, feeds)

    def __len__(self) -> int:
        return self._rows


def batches(model: Model, file: Path) -> tuple[Iterator[Batch], int]:
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
