"""Getting MNIST through torchvision, so that a half-finished or damaged download is never taken for MNIST.

`download_into` runs this file as a process of its own: PyTorch is loaded there and not in the app, and a server that
stops answering cannot hold anything up for ever. `import_torchvision` is the one place that imports torchvision.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from mlcore.data.mnist import CHECKSUMS, DataUnavailable, checksum
from mlcore.data.prepared import writable

SECONDS_WITHOUT_A_BYTE = 30
SECONDS_IN_ALL = 900

# What the process says on its last line, so that a reason becomes a sentence without its traceback.
_REASONS = {
    "network": "no server could be reached, or the connection broke off; check the network and try again",
    "space": "the disk is full; make room for 70 MB and try again",
    "other": "torchvision could not fetch it",
}


@functools.cache
def import_torchvision() -> ModuleType:
    """torchvision, also beside a PyTorch that it was not built for.

    Where torchvision was built for CUDA and PyTorch for the CPU alone, its compiled part cannot load, and its import
    fails on operators that are only defined there. The data sets use none of them; that they exist is enough.
    """
    import torch

    package = importlib.util.find_spec("torchvision")
    folders = (package.submodule_search_locations or []) if package else []
    try:
        for folder in folders:
            for compiled in Path(folder).glob("_C.*"):
                torch.ops.load_library(str(compiled))
    except OSError:
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _keep_alive.append(library)
    import torchvision

    return torchvision  # type: ignore[no-any-return]


# PyTorch forgets a library's operators when the object that defined them is collected.
_keep_alive: list[Any] = []


def download_into(directory: Path) -> None:
    """Put MNIST's four files into `directory`/MNIST/raw, each whole, checked and in one step.

    Raises:
        DataUnavailable: no network, no room, no right to write, or what came is not MNIST.
    """
    if not writable(directory):
        raise _unavailable(directory, "the folder may not be written to; choose another with --data-dir or MLCORE_DATA")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".download-", dir=directory))
    except OSError as error:
        raise _unavailable(directory, (error.strerror or str(error)).lower()) from None
    try:
        _fetch(staging, directory)
        install(staging / "MNIST" / "raw", directory)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def install(raw: Path, directory: Path) -> None:
    """Check the four files in `raw`, then move them into the data directory; all or none.

    Raises:
        DataUnavailable: one of them is not MNIST's, or they cannot be moved.
    """
    target = directory / "MNIST" / "raw"
    try:
        for name, wanted in CHECKSUMS.items():
            if checksum((raw / name).read_bytes()) != wanted:
                raise _unavailable(directory, f"{name} arrived damaged; try again")
        target.mkdir(parents=True, exist_ok=True)
        for name in CHECKSUMS:
            os.replace(raw / name, target / name)
    except OSError as error:
        raise _unavailable(directory, (error.strerror or str(error)).lower()) from None


def _fetch(staging: Path, directory: Path) -> None:
    """Let torchvision download into the staging folder, in another process."""
    project = str(Path(__file__).resolve().parents[2])
    paths = [project, *filter(None, [os.environ.get("PYTHONPATH")])]
    command = [sys.executable, "-m", "mlcore.data.download", str(staging)]
    try:
        done = subprocess.run(
            command,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            capture_output=True,
            text=True,
            timeout=SECONDS_IN_ALL,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _unavailable(directory, _REASONS["network"]) from None
    if done.returncode:
        reason = done.stdout.strip().rpartition("\n")[2]
        raise _unavailable(directory, _REASONS.get(reason, _REASONS["other"]))


def _unavailable(directory: Path, reason: str) -> DataUnavailable:
    return DataUnavailable(f"MNIST could not be downloaded into {directory}: {reason}.")


def _reason(error: BaseException) -> str:
    """Which of the reasons an exception of the download comes down to."""
    import errno
    from http.client import HTTPException
    from urllib.error import URLError

    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "space"
    # torchvision wraps every mirror's failure in one RuntimeError that begins like this.
    if isinstance(error, (URLError, HTTPException, OSError)) or str(error).startswith("Error downloading"):
        return "network"
    return "other"


def _download(staging: str) -> int:
    """The other process: 0, or 1 with a reason on the last line of standard output."""
    socket.setdefaulttimeout(SECONDS_WITHOUT_A_BYTE)
    try:
        import_torchvision().datasets.MNIST(root=staging, train=True, download=True)
    except Exception as error:  # whatever went wrong, the one who asked gets a sentence
        sys.stdout.write(f"{_reason(error)}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_download(sys.argv[1]))
