"""The real app, visited over its websocket: what its process holds, and what killing it or a sleep does to its runs."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from benchmarks.visitors import Visitor
from benchmarks.watch import children, command_line, memory_of
from mlcore.runtime import new_token
from tests.browser import App, start_app, stop_app
from tests.runtime.conftest import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are looked at through /proc")

LONG = {"source": "sample", "epochs": "1000", "hidden": "128,64", "initializer": "he"}


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., App]]:
    """Starts the app on the test's own directory."""
    started: list[App] = []

    def begin(**environment: str) -> App:
        app = start_app(tmp_path, LAB_SLICE_SECONDS="0.2", LAB_WORKERS="1", LAB_TASK_WORKER="false", **environment)
        started.append(app)
        return app

    yield begin
    for app in started:
        stop_app(app)


def port_of(app: App) -> int:
    return int(app.url.rsplit(":", 1)[1])


def visit(app: App, token: str, config: dict[str, str], until: Callable[[], bool] | None = None) -> None:
    """Somebody presses Train, and looks on for two polls or until something is so."""
    _watch(Visitor(port_of(app), token, config), until)


def look(app: App, token: str, run_id: str, until: Callable[[], bool]) -> None:
    """Somebody opens the link of a run, and looks on until something is so."""
    _watch(Visitor(port_of(app), token, {**LONG, "run": run_id}, trains=False), until)


def _finish(work: Coroutine[Any, Any, None]) -> None:
    """In a thread of its own: a browser test before this one may have left its event loop running in ours."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()


def _watch(visitor: Visitor, until: Callable[[], bool] | None) -> None:
    async def watch() -> None:
        visiting = asyncio.create_task(visitor.visit(time.monotonic() + 60))
        while not visiting.done() and not (until() if until else len(visitor.answers) >= 2):
            await asyncio.sleep(0.05)
        visiting.cancel()
        await asyncio.gather(visiting, return_exceptions=True)

    _finish(watch())
    # The panel of a run that has ended rests.
    assert set(visitor.failures) <= {"the panel stopped polling"}
    assert until() if until else visitor.answers


def rows(place: Path) -> dict[str, tuple[str, int]]:
    """Run id -> status and finished epochs, as the file has them."""
    with closing(sqlite3.connect(f"file:{place / 'lab.db'}?mode=ro", uri=True)) as database:
        found = database.execute("SELECT id, status, epoch FROM runs ORDER BY created").fetchall()
    return {run_id: (status, epoch) for run_id, status, epoch in found}


def statuses(place: Path) -> list[str]:
    try:
        return [status for status, _ in rows(place).values()]
    except sqlite3.OperationalError:
        return []  # the app has not made its tables yet


def moves(place: Path, run_id: str, epoch: int) -> bool:
    """Whether a run trains and has got past an epoch."""
    status, now = rows(place)[run_id]
    return status == "running" and now > epoch


def workers(app: App) -> list[int]:
    return [pid for pid in children(app.process.pid) if "popen_loky" in command_line(pid)]


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def test_the_app_s_process_loads_neither_scipy_nor_pytorch_while_people_train(start, tmp_path):
    """SciPy's statistics alone would be 57 MB."""
    app = start()
    visit(app, new_token(), {**LONG, "epochs": "3"}, lambda: "finished" in statuses(tmp_path))
    visit(app, new_token(), LONG)
    mapped = Path(f"/proc/{app.process.pid}/maps").read_text()
    for name in ("scipy", "torch", "sklearn", "matplotlib"):
        assert f"site-packages/{name}" not in mapped, name
    assert memory_of(app.process.pid).resident < 280
    assert "Traceback" not in app.logged()


def test_a_killed_app_leaves_no_worker_and_its_run_goes_on_when_somebody_looks(start, tmp_path):
    app, me = start(), new_token()
    visit(app, me, LONG)
    ((run_id, (_, before)),) = rows(tmp_path).items()
    (worker,) = workers(app)
    os.kill(app.process.pid, signal.SIGKILL)
    app.process.wait()
    wait_until(lambda: gone(worker), 10)
    again = start()
    visit(again, new_token(), {**LONG, "epochs": "1"})
    status, epoch = rows(tmp_path)[run_id]
    assert status == "interrupted"
    assert epoch >= before
    look(again, me, run_id, lambda: moves(tmp_path, run_id, epoch))
    assert "Traceback" not in again.logged()


def test_a_machine_that_sleeps_and_wakes(start, tmp_path):
    """All processes stand still for longer than a worker may take to answer and a run may be out of sight."""
    app = start(LAB_SLICE_TIMEOUT="2", LAB_IDLE_SECONDS="3")
    me = new_token()
    visit(app, me, LONG)
    ((run_id, _),) = rows(tmp_path).items()
    everybody = [app.process.pid, *workers(app)]
    for pid in everybody:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(5)
    for pid in reversed(everybody):
        os.kill(pid, signal.SIGCONT)
    wait_until(lambda: rows(tmp_path)[run_id][0] == "paused", 10)
    epoch = rows(tmp_path)[run_id][1]
    look(app, me, run_id, lambda: moves(tmp_path, run_id, epoch))
    assert "Traceback" not in app.logged()


HOSTILE = ("../../lab.db", "' OR 1=1 --", "<script>alert(1)</script>", "0" * 16, "%00", "x" * 5000)


def test_a_link_to_anothers_run_or_to_none_at_all_gives_nothing_away(start, tmp_path):
    app, me = start(), new_token()
    visit(app, me, LONG)
    ((run_id, _),) = rows(tmp_path).items()
    links = [(new_token(), run_id), *((me, text) for text in HOSTILE), *((text, run_id) for text in HOSTILE)]
    for token, wanted in links:
        someone = Visitor(port_of(app), token, {**LONG, "run": wanted}, trains=False)
        _finish(someone.visit(time.monotonic()))
        assert not someone.failures
        if token != me:
            assert not someone._fragments, "there is no panel of a run that is not one's own"
    assert len(rows(tmp_path)) == 1
    files = {path.name for path in tmp_path.iterdir()}
    assert files <= {"app.log", "lab.db", "lab.db-shm", "lab.db-wal", "working"}
    assert "Traceback" not in app.logged()
