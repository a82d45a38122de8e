"""Images and labels kept in the form they are used in: a `.npy` file that every process maps and none copies.

`save` writes whole or not at all, `load` opens in a millisecond and treats anything damaged as absent, `places` says
where such files may lie.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

PIXELS = 784


class Prepared(NamedTuple):
    """images: (n, 784) uint8; labels: (n,) uint8; both read-only. data_hash: sha256 of the pixels, then the labels."""

    images: Bytes
    labels: Bytes
    data_hash: str


def cache_directory() -> Path:
    """A place of this user's own: $LAB_CACHE_DIR, else backprop-lab in $XDG_CACHE_HOME or ~/.cache."""
    own = os.environ.get("LAB_CACHE_DIR")
    if own:
        return Path(own)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "backprop-lab"
    except RuntimeError:  # a user without a home
        return Path(tempfile.gettempdir()) / "backprop-lab"


def writable(folder: Path) -> bool:
    """Whether files may be put into the folder, or into the nearest one above it that is there.

    A folder that nobody has the right to write to is left alone even by an administrator, who could.
    """
    try:
        while not folder.exists():
            if folder.parent == folder:
                return False
            folder = folder.parent
        marks = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
        return folder.is_dir() and bool(folder.stat().st_mode & marks) and os.access(folder, os.W_OK | os.X_OK)
    except OSError:  # a folder that may not even be looked into
        return False


def content_hash(images: Bytes, labels: Bytes) -> str:
    """sha256 of the pixels, then the labels, as 64 hexadecimal digits."""
    digest = hashlib.sha256(np.ascontiguousarray(images).data)
    digest.update(np.ascontiguousarray(labels).data)
    return digest.hexdigest()


def save(folder: Path, name: str, images: Bytes, labels: Bytes) -> None:
    """Write images, labels and a stamp that vouches for them, the stamp last.

    Raises:
        OSError: the folder cannot be written to, or the disk is full; nothing of the attempt stays behind.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = _paths(folder, name)
    for path, array in ((paths["images"], images), (paths["labels"], labels)):
        _write_whole(path, lambda file, array=array: _write_array(file, array))  # type: ignore[misc]
    _write_stamp(folder, name, content_hash(images, labels))


def load(folder: Path, name: str) -> Prepared | None:
    """Open what `save` wrote; None where there is nothing, or nothing whole.

    Sizes and times are compared with the stamp each time. The content is only read through again where a file has
    been touched since, because reading it is what takes long.
    """
    paths = _paths(folder, name)
    try:
        stamp = json.loads(paths["stamp"].read_text())
        data_hash = str(stamp["data_hash"])
        now = _sizes_and_times(folder, name)
        if [size for size, _ in now] != [size for size, _ in stamp["files"]]:
            return None
        images = np.load(paths["images"], mmap_mode="r", allow_pickle=False)
        labels = np.load(paths["labels"], allow_pickle=False)
        if images.shape != (len(labels), PIXELS) or images.dtype != np.uint8 or labels.dtype != np.uint8:
            return None
        if now != [tuple(entry) for entry in stamp["files"]]:
            if content_hash(images, labels) != data_hash:
                return None
            with contextlib.suppress(OSError):  # then the next opening reads it through once more
                _write_stamp(folder, name, data_hash)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    labels.setflags(write=False)
    return Prepared(images, labels, data_hash)


def intact(folder: Path, name: str) -> bool:
    """Read everything through and compare it with the stamp's hash."""
    prepared = load(folder, name)
    return prepared is not None and content_hash(prepared.images, prepared.labels) == prepared.data_hash


def _paths(folder: Path, name: str) -> dict[str, Path]:
    endings = {"images": "images.npy", "labels": "labels.npy", "stamp": "stamp.json"}
    return {part: folder / f"{name}-{ending}" for part, ending in endings.items()}


def _sizes_and_times(folder: Path, name: str) -> list[tuple[int, int]]:
    paths = _paths(folder, name)
    found = [paths[part].stat() for part in ("images", "labels")]
    return [(item.st_size, item.st_mtime_ns) for item in found]


def _write_stamp(folder: Path, name: str, data_hash: str) -> None:
    stamp = json.dumps({"data_hash": data_hash, "files": _sizes_and_times(folder, name)})
    _write_whole(_paths(folder, name)["stamp"], lambda file: file.write(stamp.encode()))


def _write_array(file: BinaryIO, array: Bytes) -> None:
    # np.save says only "some bytes were not written" on a full disk; a plain write says why.
    np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
    file.write(np.ascontiguousarray(array).data)


def _write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write beside the path, make sure it is on the disk, then put it in place in one step."""
    handle, partial = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(partial, 0o444)
        os.replace(partial, path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise
