"""Short questions for a worker, answered ahead of the slices: a PyTorch proof, a probe of some weights.

`Tasks` holds those that wait; the dispatcher's thread hands them to the worker that is kept for them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from mlcore.runtime.executors import Slot


@dataclass(eq=False, slots=True)
class Task:
    """A call for a worker, and where its answer goes."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    answer: Future[Any]
    tries: int = 2


class Tasks:
    """The questions that wait for the worker of `slot`.

    Attributes:
        open: how many have no answer yet.
    """

    def __init__(self, slot: Slot, wake: Callable[[], None]) -> None:
        self.slot = slot
        self.open = 0
        self._wake = wake
        self._lock = threading.Lock()
        self._waiting: SimpleQueue[Task] = SimpleQueue()
        self._closing = False

    def ask(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        """Queue a call; its result, or what went wrong, comes in the future."""
        answer: Future[Any] = Future()
        with self._lock:
            self.open += 1
        answer.add_done_callback(self._answered)
        self._waiting.put(Task(function, args, answer))
        self._wake()
        return answer

    def send(self) -> None:
        """Hand the waiting ones to the worker. For the dispatcher's thread only, see `Slot`."""
        while True:
            try:
                task = self._waiting.get_nowait()
            except Empty:
                return
            if not task.answer.running() and not task.answer.set_running_or_notify_cancel():
                continue
            self._send(task)

    def _send(self, task: Task) -> None:
        task.tries -= 1
        try:
            future = self.slot.submit(task.function, *task.args)
        except Exception as error:
            task.answer.set_exception(error)
            return
        future.add_done_callback(lambda done: self._came_back(task, done))

    def close(self) -> None:
        """Try nothing again from here on."""
        self._closing = True

    def _came_back(self, task: Task, done: Future[Any]) -> None:
        if done.cancelled():
            task.answer.set_exception(RuntimeError("the worker was called off before it answered"))
            return
        error = done.exception()
        if error is None:
            task.answer.set_result(done.result())
        elif task.tries > 0 and not self._closing and _worker_died(error):
            # It may have been another task, or somebody else, that ended the worker.
            self._waiting.put(task)
            self._wake()
        else:
            task.answer.set_exception(error)

    def _answered(self, _: Future[Any]) -> None:
        with self._lock:
            self.open -= 1


def _worker_died(error: BaseException) -> bool:
    return any(kind.__name__ in ("BrokenExecutor", "KilledWorker") for kind in type(error).__mro__)
