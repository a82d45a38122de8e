"""The digits: whatever is damaged, missing or not allowed gives one sentence, and never half a data set."""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from mlcore.commands.data import app
from mlcore.data import DataUnavailable, available_sources, data_directory, download, mnist, open_source, prepared

ROOT = Path(__file__).resolve().parents[1]
NAMES = tuple(mnist.CHECKSUMS)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    cache = tmp_path / "cache"
    monkeypatch.setenv("LAB_CACHE_DIR", str(cache))
    monkeypatch.delenv("MLCORE_DATA", raising=False)
    return cache


def _idx(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return header + array.tobytes()


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory with MNIST's file names and format, but only 12 + 4 images, and checksums to match."""
    rng = np.random.default_rng(0)
    raw = tmp_path / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    contents = [
        _idx(rng.integers(0, 256, (12, 28, 28), dtype=np.uint8)),
        _idx(rng.integers(0, 10, 12, dtype=np.uint8)),
        _idx(rng.integers(0, 256, (4, 28, 28), dtype=np.uint8)),
        _idx(rng.integers(0, 10, 4, dtype=np.uint8)),
    ]
    for name, content in zip(NAMES, contents, strict=True):
        (raw / name).write_bytes(content)
        monkeypatch.setitem(mnist.CHECKSUMS, name, hashlib.md5(content).hexdigest())
    return tmp_path / "data"


def _raw(data: Path, name: str) -> Path:
    return data / "MNIST" / "raw" / name


def _no_partial_files(folder: Path) -> bool:
    return not [path for path in folder.rglob(".*") if path.is_file()]


# The sources


def test_the_sample_is_real_mnist_and_read_only() -> None:
    digits = open_source("sample")
    assert digits.images.shape == (5_000, 784)
    assert digits.images.dtype == digits.labels.dtype == np.uint8
    assert np.bincount(digits.labels).tolist() == [500] * 10
    assert digits.train_files == 5_000
    assert digits.images.max() == 255
    for array in (digits.images, digits.labels):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    again = open_source("sample")  # from what the first opening kept
    assert again.data_hash == digits.data_hash
    np.testing.assert_array_equal(again.images, digits.images)


def test_the_sample_works_where_nothing_can_be_kept(_own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = open_source("sample").data_hash
    shutil.rmtree(_own_cache)
    monkeypatch.setattr(prepared, "writable", lambda folder: False)
    digits = open_source("sample")
    assert digits.data_hash == expected
    assert not digits.images.flags.writeable
    assert not _own_cache.exists()


@pytest.mark.full_data
def test_all_of_mnist(mnist_dir: Path) -> None:
    digits = open_source("mnist", mnist_dir)
    assert isinstance(digits.images, np.memmap)
    assert digits.images.shape == (70_000, 784)
    assert digits.train_files == 60_000
    assert digits.labels[:5].tolist() == [5, 0, 4, 1, 9]  # the first training images
    assert digits.labels[60_000:60_005].tolist() == [7, 2, 1, 0, 4]  # the first test images
    assert np.bincount(digits.labels).tolist() == [6903, 7877, 6990, 7141, 6824, 6313, 6876, 7293, 6825, 6958]
    with pytest.raises(ValueError, match="read-only"):
        digits.images[0, 0] = 1


@pytest.mark.full_data
def test_the_sample_is_part_of_mnists_training_files(mnist_dir: Path) -> None:
    whole = {image.tobytes() for image in open_source("mnist", mnist_dir).images[:60_000]}
    assert all(image.tobytes() in whole for image in open_source("sample").images)


def test_training_files_come_first(small: Path) -> None:
    digits = open_source("mnist", small)
    raw = np.frombuffer(_raw(small, NAMES[2]).read_bytes()[16:], np.uint8).reshape(4, 784)
    np.testing.assert_array_equal(digits.images[12:], raw)
    np.testing.assert_array_equal(digits.labels[:12], list(_raw(small, NAMES[1]).read_bytes()[8:]))


@pytest.mark.parametrize("place", ["MNIST/raw", "."])
def test_compressed_files_and_files_without_torchvisions_folders_are_read(
    small: Path, tmp_path: Path, place: str
) -> None:
    expected = open_source("mnist", small)
    other = tmp_path / "other"
    (other / place).mkdir(parents=True)
    for name in NAMES:
        (other / place / f"{name}.gz").write_bytes(gzip.compress(_raw(small, name).read_bytes()))
    shutil.rmtree(prepared.cache_directory(), ignore_errors=True)
    assert available_sources(other) == ("mnist", "sample")
    assert open_source("mnist", other).data_hash == expected.data_hash


def test_data_directory_prefers_option_then_variable_then_data(monkeypatch: pytest.MonkeyPatch) -> None:
    assert data_directory() == Path("data")
    monkeypatch.setenv("MLCORE_DATA", "/from/variable")
    assert data_directory() == Path("/from/variable")
    assert data_directory("/from/option") == Path("/from/option")


def test_opening_loads_neither_torch_nor_mlxtend_nor_pandas_when_warm(small: Path) -> None:
    open_source("sample")
    code = (
        "import sys\n"
        "from mlcore.data import open_source, available_sources\n"
        "open_source('sample'); available_sources()\n"
        "print([name for name in ('torch', 'torchvision', 'mlxtend', 'sklearn', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# Damage


def test_an_unknown_source_is_refused() -> None:
    with pytest.raises(DataUnavailable, match="must be mnist or sample"):
        open_source("cifar")


def test_missing_files_are_named(small: Path, tmp_path: Path) -> None:
    with pytest.raises(DataUnavailable, match="MNIST is not in"):
        open_source("mnist", tmp_path / "nowhere")
    _raw(small, NAMES[1]).unlink()
    assert available_sources(small) == ("sample",)
    with pytest.raises(DataUnavailable, match=f"lacks {NAMES[1]}"):
        open_source("mnist", small)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("damage", ["cut short", "changed", "emptied"])
def test_a_damaged_file_is_never_taken_for_whole(small: Path, name: str, damage: str) -> None:
    path = _raw(small, name)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes({"cut short": content[:-5], "changed": content, "emptied": b""}[damage])
    with pytest.raises(DataUnavailable, match="cut short or not MNIST's") as caught:
        open_source("mnist", small)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (small / "MNIST" / "prepared").exists()


def test_a_compressed_file_cut_short_gives_a_sentence(small: Path) -> None:
    path = _raw(small, NAMES[0])
    whole = gzip.compress(path.read_bytes())
    path.unlink()
    path.with_name(f"{NAMES[0]}.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataUnavailable, match="cut short or damaged"):
        open_source("mnist", small)


def _prepared_files(small: Path) -> dict[str, Path]:
    open_source("mnist", small)
    return {path.name.rpartition("-")[2]: path for path in (small / "MNIST" / "prepared").iterdir()}


def _rewrite(path: Path, content: bytes) -> None:
    path.unlink()
    path.write_bytes(content)


@pytest.mark.parametrize("part", ["images.npy", "labels.npy", "stamp.json"])
@pytest.mark.parametrize("damage", ["cut short", "changed", "emptied", "gone"])
def test_a_damaged_prepared_file_is_made_again(small: Path, part: str, damage: str) -> None:
    expected = open_source("mnist", small)
    images = expected.images.copy()
    path = _prepared_files(small)[part]
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    if damage == "gone":
        path.unlink()
    else:
        _rewrite(path, bytes({"cut short": content[:-5], "changed": content, "emptied": b""}[damage]))
    again = open_source("mnist", small)
    assert again.data_hash == expected.data_hash
    np.testing.assert_array_equal(again.images, images)
    assert mnist.verify(small) == expected.data_hash


def test_a_copied_prepared_file_is_read_through_once_and_kept(small: Path) -> None:
    files = _prepared_files(small)
    os.utime(files["images.npy"], (1, 1))
    inode = files["images.npy"].stat().st_ino
    open_source("mnist", small)
    assert files["images.npy"].stat().st_ino == inode, "it was whole, so it was not written again"
    assert json.loads(files["stamp.json"].read_text())["files"][0][1] == 10**9


def test_verify_finds_damage_that_keeps_size_and_time(small: Path) -> None:
    path = _prepared_files(small)["images.npy"]
    times = path.stat().st_mtime_ns
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    _rewrite(path, bytes(content))
    os.utime(path, ns=(times, times))
    with pytest.raises(DataUnavailable, match="damaged"):
        mnist.verify(small)


# Room and rights


def test_a_read_only_data_directory_is_left_alone(small: Path, _own_cache: Path) -> None:
    for folder in (small / "MNIST" / "raw", small / "MNIST", small):
        folder.chmod(0o555)
    try:
        digits = open_source("mnist", small)
        assert len(digits) == 16
        assert [path.name for path in (small / "MNIST").iterdir()] == ["raw"]
        assert len(list(_own_cache.iterdir())) == 3
    finally:
        for folder in (small, small / "MNIST", small / "MNIST" / "raw"):
            folder.chmod(0o755)


def test_a_folder_that_may_not_be_looked_into_gives_a_sentence(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(path: Path) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "is_file", forbidden)
    assert available_sources(small) == ("sample",)
    with pytest.raises(DataUnavailable, match=r"cannot be read \(permission denied\)"):
        open_source("mnist", small)


def test_processes_that_prepare_at_once_all_get_the_whole(small: Path) -> None:
    """Each writes a copy of its own and puts it in place in one step; whichever is last, all read the same."""
    with ThreadPoolExecutor(8) as together:
        found = list(together.map(lambda _: open_source("mnist", small), range(24)))
    assert {digits.data_hash for digits in found} == {open_source("mnist", small).data_hash}
    first = np.asarray(found[0].images)
    assert all(np.array_equal(digits.images, first) for digits in found)
    assert _no_partial_files(small)


def test_nowhere_to_write_gives_a_sentence(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepared, "writable", lambda folder: False)
    with pytest.raises(DataUnavailable, match=r"no folder may be written to.*LAB_CACHE_DIR"):
        open_source("mnist", small)


def test_a_full_disk_gives_a_sentence_and_leaves_nothing(
    small: Path, _own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataUnavailable, match="no space left on device"):
        open_source("mnist", small)
    monkeypatch.undo()
    for folder in (small, _own_cache):
        assert _no_partial_files(folder)
        assert not list(folder.rglob("*.npy"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_disk_that_is_really_full(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """/dev/full refuses every byte, as a full disk does."""

    def open_full(**names: object) -> tuple[int, str]:
        return os.open("/dev/full", os.O_WRONLY), str(small / ".never")

    monkeypatch.setattr(prepared.tempfile, "mkstemp", open_full)
    with pytest.raises(DataUnavailable, match="no space left on device"):
        open_source("mnist", small)


# Download


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every request goes to a port where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


class _Nonsense(BaseHTTPRequestHandler):
    """Answers everything with the beginning of a compressed file."""

    def do_GET(self) -> None:
        body = gzip.compress(b"not MNIST" * 1000)[:40]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def wrong_network(no_network: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A network that answers every plain request with something else, as a hotel's does."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Nonsense)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{server.server_address[1]}")
    yield
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("network", ["no_network", "wrong_network"])
def test_a_failed_download_gives_a_sentence_and_leaves_nothing(
    network: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    request.getfixturevalue(network)
    with pytest.raises(DataUnavailable, match=r"could not be downloaded into .*: .*try again\.$") as caught:
        open_source("mnist", tmp_path / "data", download=True)
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "data").iterdir()) == []
    assert available_sources(tmp_path / "data") == ("sample",)
    assert "torch" not in str(caught.value)


def test_a_download_is_installed_whole_or_not_at_all(small: Path, tmp_path: Path) -> None:
    arrived, target = tmp_path / "arrived", tmp_path / "target"
    shutil.copytree(small / "MNIST" / "raw", arrived)
    (arrived / NAMES[3]).write_bytes(b"half")
    with pytest.raises(DataUnavailable, match=f"{NAMES[3]} arrived damaged"):
        download.install(arrived, target)
    assert not target.exists()
    shutil.copy(_raw(small, NAMES[3]), arrived)
    download.install(arrived, target)
    assert open_source("mnist", target).data_hash == open_source("mnist", small).data_hash


def test_damaged_files_are_downloaded_again(small: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    shutil.copytree(small, whole)
    _raw(small, NAMES[0]).write_bytes(b"half")

    def fetch(staging: Path, directory: Path) -> None:
        shutil.copytree(whole / "MNIST", staging / "MNIST")

    monkeypatch.setattr(download, "_fetch", fetch)
    assert len(open_source("mnist", small, download=True)) == 16
    assert _no_partial_files(small)
    assert not list(small.glob(".download-*"))


def test_a_read_only_folder_is_not_downloaded_into(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o555)
    with pytest.raises(DataUnavailable, match="may not be written to"):
        open_source("mnist", folder, download=True)
    folder.chmod(0o755)


def test_torchvision_reads_the_same_files_beside_a_torch_it_was_not_built_for(tmp_path: Path) -> None:
    code = (
        "from mlcore.data.download import import_torchvision\n"
        "print(import_torchvision().datasets.MNIST.__name__, import_torchvision() is import_torchvision())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["MNIST", "True"], done.stderr


# The command line


def test_status_and_verify(small: Path) -> None:
    run = CliRunner().invoke
    status = run(app, ["status", "--data-dir", str(small), "--json"])
    sources = json.loads(status.stdout)["sources"]
    assert sources["mnist"]["images"] == 16
    assert sources["sample"]["images"] == 5_000
    assert "5,000 digits" in run(app, ["status", "--data-dir", str(small)]).stdout
    verified = run(app, ["verify", "--data-dir", str(small)])
    assert verified.exit_code == 0
    assert "is whole" in verified.stdout


def test_the_command_line_answers_damage_with_status_2_and_one_sentence(small: Path) -> None:
    _raw(small, NAMES[2]).write_bytes(b"")
    done = CliRunner().invoke(app, ["verify", "--data-dir", str(small)])
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "cut short" in done.stderr
