"""The two data sets, fetched for real and cached in `.data/`."""

import torch

from models.data import Samples, digits, fashion_mnist, split


def test_fashion_mnist_is_the_official_split() -> None:
    dataset = fashion_mnist()
    assert dataset.train.images.shape == (60_000, 784)
    assert dataset.test.images.shape == (10_000, 784)
    assert dataset.test.labels.bincount().tolist() == [1000] * 10
    assert dataset.labels[int(dataset.test.labels[0])] == "Ankle boot"


def test_pixels_are_bytes_divided_by_255_in_float32() -> None:
    images = fashion_mnist().test.images
    assert images.dtype == torch.float32
    assert (images.min(), images.max()) == (0, 1)
    assert torch.equal((images * 255).round() / 255, images)


def test_digits_holds_out_100_of_each() -> None:
    dataset = digits()
    assert dataset.train.labels.bincount().tolist() == [400] * 10
    assert dataset.test.labels.bincount().tolist() == [100] * 10


def test_split_shares_no_sample_and_loses_none() -> None:
    rows = torch.arange(100)
    kept, held = split(Samples(rows.float().unsqueeze(1), rows % 10), per_class=3)
    assert sorted(torch.cat([kept.images, held.images]).flatten().tolist()) == list(range(100))
    assert held.labels.bincount().tolist() == [3] * 10


def test_split_with_same_seed_is_the_same() -> None:
    samples = Samples(torch.arange(50.0).unsqueeze(1), torch.arange(50) % 10)
    assert torch.equal(split(samples, 2)[1].images, split(samples, 2)[1].images)
    assert not torch.equal(split(samples, 2)[1].images, split(samples, 2, seed=1)[1].images)
