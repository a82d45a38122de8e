"""Where slices run: one process pool of one worker per place, or a Dask cluster.

A `Slot` is one place. Each has a loky pool of its own, so that a worker that dies takes down its own slice and nobody
else's. Workers stand back for the pages (niced, one thread each) and end with the app, also when it is killed.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from mlcore.runtime.settings import Settings
from mlcore.runtime.slices import warm

# Set before a worker loads NumPy or PyTorch, whose thread pools are sized when they are loaded.
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)
PR_SET_PDEATHSIG = 1


def prepare_worker(nice: int, parent: int) -> None:
    """What a worker does first: stand back, and see to it that it ends when its parent does."""
    with contextlib.suppress(OSError):
        os.nice(nice)
    # Where psutil is installed, loky takes a worker that has loaded PyTorch for one that leaks, and replaces it.
    with contextlib.suppress(ImportError):
        importlib.import_module("loky.process_executor").__dict__["_USE_PSUTIL"] = False
    # Ctrl-C in a terminal reaches the whole process group; the app then ends its workers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    threading.Thread(target=_end_with, args=(parent,), name="parent-watch", daemon=True).start()


def _end_with(parent: int) -> None:
    """End this process when its parent is gone: where the kernel does not see to it, or did so too early."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(0)


class Slot:
    """One place where a slice, and behind it a second one, can be run.

    Two, so that the worker finds the next slice waiting when it has finished one. Only the dispatcher's thread may
    submit: on Linux a worker ends with the thread that started it.

    Attributes:
        local: whether its worker is a process of ours on this machine.
        kinds: the kinds of run its worker has trained.
        up_at: since when its worker answers (monotonic seconds); 0 while it does not.
    """

    def __init__(self, make: Callable[[], Executor], *, local: bool, modules: tuple[str, ...] = ()) -> None:
        self._make, self._modules = make, modules
        self._executor: Executor | None = None
        self.up_at = 0.0
        self.local = local
        self.kinds: set[str] = set()

    def start(self) -> Executor:
        """Start the worker if there is none, and have it import what slices need."""
        if self._executor is None:
            executor = self._executor = self._make()
            executor.submit(warm, *self._modules).add_done_callback(lambda first: self._is_up(executor, first))
        return self._executor

    def _is_up(self, executor: Executor, first: Future[Any]) -> None:
        if self._executor is executor and not first.cancelled() and first.exception() is None:
            self.up_at = time.monotonic()

    def submit(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        """Queue a call; starts the worker, or a new one in place of one that died."""
        try:
            return self.start().submit(function, *args)
        except Exception:
            # A pool that noticed its worker's death by itself refuses further calls.
            self.restart()
            return self.start().submit(function, *args)

    def pids(self) -> list[int]:
        """The worker's process; empty if there is none, or if it is not one of ours."""
        return list(getattr(self._executor, "_processes", None) or ())

    def restart(self) -> None:
        """Kill the worker; the next call starts another."""
        executor, self._executor, self.up_at = self._executor, None, 0.0
        self.kinds.clear()
        if executor is None or not self.local:
            return
        for pid in list(getattr(executor, "_processes", None) or ()):
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        # The pool's own threads then clean up by themselves; waiting for them could hang on a half-written result.
        with contextlib.suppress(Exception):
            executor.shutdown(wait=False, kill_workers=True)  # type: ignore[call-arg]


def _loky_pool(nice: int) -> Executor:
    from loky import ProcessPoolExecutor

    pool: Executor = ProcessPoolExecutor(
        max_workers=1, initializer=prepare_worker, initargs=(nice, os.getpid()), env=ONE_THREAD
    )
    return pool


def training_slots(settings: Settings, modules: tuple[str, ...] = ()) -> list[Slot]:
    """The places where runs train: as many as the settings say, on this machine or on the Dask cluster they name.

    Args:
        modules: what a worker imports before its first slice.
    """
    if settings.dask_address:
        executor, count = _dask(settings.dask_address)
        return [Slot(lambda: executor, local=False) for _ in range(settings.workers or count)]
    return [Slot(lambda: _loky_pool(settings.nice), local=True, modules=modules) for _ in range(settings.worker_count)]


def task_slot(settings: Settings, training: list[Slot]) -> Slot:
    """The place for short questions: a worker of its own unless the settings save its memory."""
    if settings.dask_address or not settings.task_worker:
        return training[0]
    return Slot(lambda: _loky_pool(settings.nice // 2), local=True)


def _dask(address: str) -> tuple[Executor, int]:
    distributed: Any = importlib.import_module("distributed")
    client = distributed.Client(address, timeout=10, set_as_default=False)
    threads = sum(client.nthreads().values())
    executor: Executor = client.get_executor(pure=False, retries=0)
    return executor, max(1, threads)
