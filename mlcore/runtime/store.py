"""Where runs are kept: configs, figures and weights, in SQLite by default and in any database SQLAlchemy speaks.

`Store` reads and writes whole runs in short transactions; it knows nothing of workers. All that comes from outside is
passed as SQL parameters, and what is read back is JSON and safetensors, never pickles.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from mlcore.records import EpochResult, epoch_from_dict
from mlcore.runtime.engines import Locked, open_engine, trouble
from mlcore.runtime.problems import StoreUnavailable
from mlcore.runtime.rows import put_checkpoints, put_epochs, record_of, row_of
from mlcore.runtime.tables import LATEST, START, checkpoints, epochs, runs, servers
from mlcore.runtime.views import ACTIVE, OVER, STORAGE, RunRecord

T = TypeVar("T")

# A write that finds the database locked waits a second each time (see engines.BUSY_TIMEOUT) before it gives up.
TRIES = 3
# A server that has not been heard of for so many seconds is taken for dead.
HEARTBEAT_LIMIT = 30.0
# Runs that were left lying, paused and without a name, may make room after a day.
ABANDONED_AFTER = 86_400.0
# How every SQLite file begins.
SQLITE_HEADER = b"SQLite format 3\0"

# Servers of this very process, by id: told from an earlier process that had the same number.
_here: set[str] = set()


class Store:
    """The run database.

    Attributes:
        server: this process's name in the database; a run under way is some server's.
    """

    def __init__(self, url: str) -> None:
        """Open it, making or updating its tables.

        Raises:
            StoreUnavailable: see `open_engine`.
        """
        self.url = url
        self.server = secrets.token_hex(16)
        self._engine: Engine = open_engine(url)
        self._writing = threading.Lock()
        self.beat()
        _here.add(self.server)
        self.interrupt_orphans()

    # Transactions

    def _write(self, work: Callable[[Connection], T], tries: int = TRIES) -> T:
        """Run this in one transaction; all of it is kept or nothing."""
        with self._writing:
            for attempt in range(tries):
                try:
                    with self._engine.connect().execution_options(write=True) as connection, connection.begin():
                        return work(connection)
                except SQLAlchemyError as error:
                    problem = trouble(error)
                    if not isinstance(problem, Locked) or attempt == tries - 1:
                        raise problem from error
        raise AssertionError("not reached: the last try returns or raises")

    def _read(self, work: Callable[[Connection], T]) -> T:
        try:
            with self._engine.connect() as connection:
                return work(connection)
        except SQLAlchemyError as error:
            raise trouble(error) from error

    def close(self) -> None:
        """Sign off: what was under way here counts as interrupted."""
        _here.discard(self.server)
        with suppress(StoreUnavailable):
            self._write(lambda c: c.execute(servers.delete().where(servers.c.id == self.server)), tries=1)
            self.interrupt_orphans()
        self._engine.dispose()

    # Repair

    @property
    def path(self) -> Path | None:
        """The SQLite file, where it is one."""
        found = sa.make_url(self.url)
        is_file = found.get_backend_name() == "sqlite" and found.database not in (None, "", ":memory:")
        return Path(str(found.database)) if is_file else None

    def lost(self) -> bool:
        """Whether the file was taken away or overwritten: SQLite may go on for long before it notices."""
        if self.path is None:
            return False
        try:
            with self.path.open("rb") as file:
                return file.read(len(SQLITE_HEADER)) != SQLITE_HEADER
        except FileNotFoundError:
            return True
        except OSError:
            return False

    def repair(self) -> str:
        """Set a damaged file aside and go on with a new one that has what could be read; a sentence about it.

        Raises:
            StoreUnavailable: it is no SQLite file, or there is no room for a new one.
        """
        from mlcore.runtime.repair import set_aside

        path = self.path
        if path is None:
            raise StoreUnavailable("The run database is damaged; its server has to be repaired.")
        with self._writing:
            self._engine.dispose()
            gone = not path.exists()
            sentence = set_aside(path)[1]
            self._engine = open_engine(self.url)
        self.beat()
        return "The run database had gone; a new one was begun with the runs in memory." if gone else sentence

    # Servers

    def beat(self) -> None:
        """Say that this server is alive."""
        row = {"host": socket.gethostname()[:255], "pid": os.getpid(), "heartbeat": time.time()}

        def work(connection: Connection) -> None:
            if not connection.execute(servers.update().where(servers.c.id == self.server).values(row)).rowcount:
                connection.execute(servers.insert().values(id=self.server, **row))

        self._write(work)

    def servers(self) -> set[str]:
        """The names of the servers that are alive."""
        return {row.id for row in self._read(lambda c: c.execute(sa.select(servers)).all()) if _alive(row)}

    def interrupt_orphans(self) -> int:
        """Mark what dead servers left under way as interrupted; how many runs that were."""

        def work(connection: Connection) -> int:
            rows = connection.execute(sa.select(servers)).all()
            dead = [row.id for row in rows if not _alive(row)]
            if dead:
                connection.execute(servers.delete().where(servers.c.id.in_(dead)))
            alive = [row.id for row in rows if row.id not in dead]
            under_way = runs.c.status.in_(ACTIVE) | (runs.c.reason == STORAGE)
            found = connection.execute(
                runs.update()
                .where(under_way, runs.c.server.not_in(alive))
                .values(status="interrupted", reason="", error="", server="")
            )
            return int(found.rowcount)

        return self._write(work)

    def claim(self, run_id: str) -> bool:
        """Make a run this server's; another that still trains it finds out when it next saves. False: no such run."""
        statement = runs.update().where(runs.c.id == run_id).values(server=self.server)
        return bool(self._write(lambda c: c.execute(statement)).rowcount)

    def elsewhere(self, run_id: str) -> bool:
        """Whether another server that is alive trains this run."""

        def work(connection: Connection) -> bool:
            owner = connection.execute(sa.select(runs.c.server, runs.c.status).where(runs.c.id == run_id)).first()
            if owner is None or owner.server in ("", self.server) or owner.status not in ACTIVE:
                return False
            row = connection.execute(sa.select(servers).where(servers.c.id == owner.server)).first()
            return row is not None and _alive(row)

        return self._read(work)

    # Writing runs

    def insert(
        self,
        record: RunRecord,
        results: Sequence[EpochResult] = (),
        weights: Mapping[int, bytes] | None = None,
    ) -> None:
        """Keep a new run, with what it begins with."""

        def work(connection: Connection) -> None:
            connection.execute(runs.insert().values(server=self.server, **row_of(record)))
            put_epochs(connection, record.id, [item.to_dict() for item in results])
            put_checkpoints(connection, record.id, weights or {})

        self._write(work)

    def save(
        self,
        record: RunRecord,
        results: Sequence[Mapping[str, Any]] = (),
        weights: Mapping[int, bytes] | None = None,
        tries: int = TRIES,
    ) -> bool:
        """Keep how far a run got. False if it is no longer this server's: deleted, or taken over.

        Args:
            record: everything about it but its name, which its owner may be changing.
            results: `EpochResult.to_dict()` of the epochs that ended since.
            weights: label -> `Checkpoint.to_bytes()`; see `tables.LATEST`.
        """
        row = {name: value for name, value in row_of(record).items() if name not in ("id", "owner", "name", "created")}

        def work(connection: Connection) -> bool:
            mine = (runs.c.id == record.id) & (runs.c.server == self.server)
            if not connection.execute(runs.update().where(mine).values(row)).rowcount:
                return False
            put_epochs(connection, record.id, results)
            put_checkpoints(connection, record.id, weights or {})
            return True

        return self._write(work, tries)

    def rewind(self, record: RunRecord) -> None:
        """Take a run back to where it began: figures and weights of later epochs go."""
        row = {name: value for name, value in row_of(record).items() if name not in ("id", "owner", "name", "created")}

        def work(connection: Connection) -> None:
            connection.execute(runs.update().where(runs.c.id == record.id).values(row))
            later = (epochs.c.run_id == record.id) & (epochs.c.epoch > record.start_epoch)
            connection.execute(epochs.delete().where(later))
            kept = (checkpoints.c.run_id == record.id) & (checkpoints.c.epoch != START)
            connection.execute(checkpoints.delete().where(kept))

        self._write(work)

    def rename(self, run_id: str, name: str) -> None:
        """Give a run a name; one with a name is never deleted to make room."""
        self._write(lambda c: c.execute(runs.update().where(runs.c.id == run_id).values(name=name)))

    def delete(self, run_ids: Iterable[str]) -> None:
        """Delete runs with all that belongs to them."""
        ids = list(run_ids)

        def work(connection: Connection) -> None:
            # Named one by one: a SQLite file opened without foreign keys would leave orphans.
            for table, column in ((epochs, epochs.c.run_id), (checkpoints, checkpoints.c.run_id), (runs, runs.c.id)):
                connection.execute(table.delete().where(column.in_(ids)))

        self._write(work)
        self._give_back_room()

    def _give_back_room(self) -> None:
        if self._engine.dialect.name != "sqlite":
            return
        with suppress(SQLAlchemyError, sqlite3.Error), self._writing, self._engine.connect() as connection:
            # It frees a page a step, and of the driver's methods only this one takes more than the first step.
            driver: Any = connection.connection.driver_connection
            driver.executescript("PRAGMA incremental_vacuum")

    # Reading runs

    def get(self, run_id: str) -> RunRecord | None:
        """The run with this id."""
        row = self._read(lambda c: c.execute(sa.select(runs).where(runs.c.id == run_id)).first())
        return record_of(row) if row is not None else None

    def of_owner(self, owner: str) -> list[RunRecord]:
        """All runs of an owner (by its key), newest first."""
        statement = sa.select(runs).where(runs.c.owner == owner).order_by(runs.c.created.desc(), runs.c.id)
        found = [record_of(row) for row in self._read(lambda c: c.execute(statement).all())]
        return [record for record in found if record is not None]

    def epochs(self, run_id: str, since: int = 0) -> list[EpochResult]:
        """The figures of a run's epochs after `since`, in order."""
        statement = (
            sa.select(epochs.c.figures)
            .where(epochs.c.run_id == run_id, epochs.c.epoch > since)
            .order_by(epochs.c.epoch)
        )
        return [epoch_from_dict(json.loads(row)) for row in self._read(lambda c: c.execute(statement).scalars().all())]

    def last_epochs(self, owner: str) -> dict[str, EpochResult]:
        """The newest epoch's figures of each of an owner's runs: run id -> figures."""
        statement = (
            sa.select(epochs.c.run_id, epochs.c.figures)
            .join(runs, (runs.c.id == epochs.c.run_id) & (runs.c.epoch == epochs.c.epoch))
            .where(runs.c.owner == owner)
        )
        rows = self._read(lambda c: c.execute(statement).all())
        return {row.run_id: epoch_from_dict(json.loads(row.figures)) for row in rows}

    def checkpoint(self, run_id: str, label: int) -> bytes | None:
        """The weights kept under a label: an epoch, `tables.START` or `tables.LATEST`."""
        statement = sa.select(checkpoints.c.data).where(checkpoints.c.run_id == run_id, checkpoints.c.epoch == label)
        found = self._read(lambda c: c.execute(statement).scalar())
        return None if found is None else bytes(found)

    def labels(self, run_id: str) -> list[int]:
        """The epochs whose weights are kept, in order; 0 is the start."""
        statement = sa.select(checkpoints.c.epoch).where(checkpoints.c.run_id == run_id, checkpoints.c.epoch > LATEST)
        return sorted(self._read(lambda c: c.execute(statement).scalars().all()))

    # Room

    def count(self, owner: str | None = None) -> int:
        """How many runs are kept, for one owner or in all."""
        statement = sa.select(sa.func.count()).select_from(runs)
        if owner is not None:
            statement = statement.where(runs.c.owner == owner)
        return int(self._read(lambda c: c.execute(statement).scalar()) or 0)

    def used_bytes(self) -> int:
        """How much room the weights take."""
        statement = sa.select(sa.func.coalesce(sa.func.sum(checkpoints.c.size), 0))
        return int(self._read(lambda c: c.execute(statement).scalar()) or 0)

    def expendable(self, owner: str | None = None, limit: int = 50) -> list[str]:
        """Runs that may make room, the ones to go first in front: over, or left lying for a day, and without a name."""
        left = runs.c.status.in_(("paused", "interrupted")) & (runs.c.updated < time.time() - ABANDONED_AFTER)
        over = runs.c.status.in_(OVER)
        statement = sa.select(runs.c.id).where(runs.c.name == "", over | left)
        if owner is not None:
            statement = statement.where(runs.c.owner == owner)
        # Finished ones first: they cannot be missed while they train.
        order = statement.order_by(sa.case((over, 0), else_=1), runs.c.updated, runs.c.id).limit(limit)
        return list(self._read(lambda c: c.execute(order).scalars().all()))


def _alive(row: Any) -> bool:
    """Whether the server of this row still runs, as far as can be told from here."""
    if row.id in _here:
        return True
    if time.time() - row.heartbeat > HEARTBEAT_LIMIT:
        return False
    if row.host != socket.gethostname()[:255]:
        return True
    if row.pid == os.getpid():
        return False
    try:
        os.kill(row.pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
