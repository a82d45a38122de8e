"""What the runtime's tests share: runtimes on a fake trainer, a throw-away PostgreSQL server, and patience."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlcore.runtime import Runtime, Settings

FAKE = {"scratch": "tests.runtime.fake_trainer", "network": "tests.runtime.fake_trainer"}


def wait_until(condition: Callable[[], Any], seconds: float = 20.0, every: float = 0.02) -> Any:
    """The condition's value as soon as it is true; fails the test if that takes too long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(every)
    pytest.fail(f"waited {seconds} seconds in vain")


@pytest.fixture
def make_runtime(tmp_path: Path) -> Iterator[Callable[..., Runtime]]:
    """Starts runtimes on the fake trainer, in the test's own directory, and ends them with the test."""
    made: list[Runtime] = []

    def make(**values: Any) -> Runtime:
        settings = Settings(
            **{"directory": tmp_path, "slice_seconds": 0.1, "workers": 1, "task_worker": False, **values}
        )
        found = Runtime.start(settings, trainers=FAKE)
        made.append(found)
        return found

    yield make
    for item in made:
        item.close()


def postgres_binaries() -> Path | None:
    """Where `initdb` and `pg_ctl` are: on the path, or where Debian puts them."""
    found = shutil.which("pg_ctl")
    if found:
        return Path(found).parent
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda path: int(path.parts[-3]))
    return places[-1].parent if places else None


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server: the one of $LAB_TEST_POSTGRES_URL, or one started here for the time of the tests."""
    given = os.environ.get("LAB_TEST_POSTGRES_URL")
    if given:
        yield given
        return
    binaries = postgres_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL here: install Debian's postgresql, or set LAB_TEST_POSTGRES_URL")
    as_user = _unprivileged()
    # A socket's path may have at most about 100 characters, so not under pytest's own directories.
    place = Path(tempfile.mkdtemp(prefix="lab-pg-", dir="/tmp"))
    try:
        if as_user:
            account = pwd.getpwnam(as_user[2])
            os.chown(place, account.pw_uid, account.pw_gid)
        data = place / "data"
        _call(as_user, binaries / "initdb", "-D", data, "-U", "lab", "-A", "trust", "--no-sync")
        options = f"-k {place} -c listen_addresses='' -c fsync=off -c full_page_writes=off"
        _call(as_user, binaries / "pg_ctl", "-D", data, "-w", "-l", place / "log", "-o", options, "start")
        try:
            yield f"postgresql+psycopg://lab@/postgres?host={place}"
        finally:
            _call(as_user, binaries / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _unprivileged() -> list[str]:
    """PostgreSQL refuses to run as root: how to run as its own user, where we are root."""
    if os.geteuid() != 0:
        return []
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return ["runuser", "-u", name, "--"]
    pytest.skip("PostgreSQL does not run as root, and there is no other user to run it as")


def _call(prefix: list[str], *command: Any) -> None:
    done = subprocess.run(
        [*prefix, *map(str, command)],
        check=False,
        text=True,
        cwd="/",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    if done.returncode:
        pytest.fail(f"{command[0]} did not work: {done.stderr}")


@pytest.fixture
def fresh_postgres(postgres_url: str) -> Iterator[str]:
    """The server, with no table of ours on it."""
    import sqlalchemy as sa

    engine = sa.create_engine(postgres_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
    engine.dispose()
    return postgres_url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Each kind of database the store is promised to work on, empty."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'lab.db'}"
    return str(request.getfixturevalue("fresh_postgres"))
