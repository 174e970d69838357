"""The explorer's test images: which they are, and that the files that ship are made of them."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models import sheets
from models.data import LOADERS

FOLDER = Path(__file__).parents[2] / "service" / "explorer"


@pytest.mark.parametrize("name", LOADERS)
def test_shipped_sheet_has_the_pixels_of_the_test_images_it_names(name: str) -> None:
    told = json.loads((FOLDER / "sheets.json").read_text())[name]
    pixels = np.asarray(Image.open(FOLDER / f"{name}.png"))
    assert (pixels.shape, pixels.dtype) == ((280, 280), np.uint8)
    test = LOADERS[name]().test
    for label, images in enumerate(told["images"]):
        assert len(images) == 10
        for column, image in enumerate(images):
            assert int(test.labels[image]) == label
            tile = pixels[label * 28 : label * 28 + 28, column * 28 : column * 28 + 28]
            assert np.array_equal(tile.astype(np.float32) / np.float32(255), test.images[image].reshape(28, 28).numpy())


def test_command_writes_the_files_that_ship(tmp_path: Path) -> None:
    sheets.main(["--folder", str(tmp_path)])
    assert (tmp_path / "sheets.json").read_bytes() == (FOLDER / "sheets.json").read_bytes()
    for name in LOADERS:  # compressed by another zlib they may be other bytes
        made, shipped = (np.asarray(Image.open(folder / f"{name}.png")) for folder in (tmp_path, FOLDER))
        assert np.array_equal(made, shipped)
