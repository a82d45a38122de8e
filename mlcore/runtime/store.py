"""Where runs are kept: configs, figures and weights, in SQLite by default and in any database SQLAlchemy speaks.

`Store` reads and writes whole runs in short transactions; it knows nothing of workers. All that comes from outside is
passed as SQL parameters, and what is read back is JSON and safetensors, never pickles.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import sqlalchemy as sa

from mlcore.records import EpochResult, epoch_from_dict
from mlcore.runtime.database import TRIES, Database
from mlcore.runtime.problems import StoreUnavailable
from mlcore.runtime.rows import put_checkpoints, put_epochs, record_of, row_of
from mlcore.runtime.tables import LATEST, START, checkpoints, epochs, runs, servers
from mlcore.runtime.views import ACTIVE, OVER, STORAGE, RunRecord

# A server that has not been heard of for so many seconds is taken for dead.
HEARTBEAT_LIMIT = 30.0
# Runs that were left lying, paused and without a name, may make room after a day.
ABANDONED_AFTER = 86_400.0
# What never changes after a run was made, or only by its owner's wish (`rename`).
FIXED = ("id", "owner", "name", "created")

# Servers of this very process, by id: told from an earlier process that had the same number.
_here: set[str] = set()


class Store(Database):
    """The run database.

    Attributes:
        server: this process's name in the database; a run under way is some server's.
    """

    def __init__(self, url: str) -> None:
        """Open it, making or updating its tables.

        Raises:
            StoreUnavailable: see `open_engine`.
        """
        super().__init__(url)
        self.server = secrets.token_hex(16)
        self.beat()
        _here.add(self.server)
        self.interrupt_orphans()

    def close(self) -> None:
        """Sign off: what was under way here counts as interrupted."""
        _here.discard(self.server)
        with suppress(StoreUnavailable):
            with self._writing(tries=1) as connection:
                connection.execute(servers.delete().where(servers.c.id == self.server))
            self.interrupt_orphans()
        self._engine.dispose()

    def repair(self) -> str:
        """As `Database.repair`; the new file knows this server."""
        sentence = super().repair()
        self.beat()
        return sentence

    # Servers

    def beat(self) -> None:
        """Say that this server is alive."""
        row = {"host": socket.gethostname()[:255], "pid": os.getpid(), "heartbeat": time.time()}
        with self._writing() as connection:
            if not connection.execute(servers.update().where(servers.c.id == self.server).values(row)).rowcount:
                connection.execute(servers.insert().values(id=self.server, **row))

    def servers(self) -> set[str]:
        """The names of the servers that are alive."""
        return {row.id for row in self._rows(sa.select(servers)) if _alive(row)}

    def interrupt_orphans(self) -> int:
        """Mark what dead servers left under way as interrupted; how many runs that were."""
        with self._writing() as connection:
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

    def claim(self, run_id: str) -> bool:
        """Make a run this server's; another that still trains it finds out when it next saves. False: no such run."""
        with self._writing() as connection:
            found = connection.execute(runs.update().where(runs.c.id == run_id).values(server=self.server))
        return bool(found.rowcount)

    def elsewhere(self, run_id: str) -> bool:
        """Whether another server that is alive trains this run."""
        found = self._rows(
            sa.select(servers)
            .join(runs, runs.c.server == servers.c.id)
            .where(runs.c.id == run_id, runs.c.status.in_(ACTIVE), servers.c.id != self.server)
        )
        return any(_alive(row) for row in found)

    # Writing runs

    def insert(
        self,
        record: RunRecord,
        results: Sequence[EpochResult] = (),
        weights: Mapping[int, bytes] | None = None,
    ) -> None:
        """Keep a new run, with what it begins with."""
        with self._writing() as connection:
            connection.execute(runs.insert().values(server=self.server, **row_of(record)))
            put_epochs(connection, record.id, [item.to_dict() for item in results])
            put_checkpoints(connection, record.id, weights or {})

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
        mine = (runs.c.id == record.id) & (runs.c.server == self.server)
        with self._writing(tries) as connection:
            if not connection.execute(runs.update().where(mine).values(_changing(record))).rowcount:
                return False
            put_epochs(connection, record.id, results)
            put_checkpoints(connection, record.id, weights or {})
        return True

    def rewind(self, record: RunRecord) -> None:
        """Take a run back to its start: its figures, and all weights but the first, go."""
        later = (checkpoints.c.run_id == record.id) & (checkpoints.c.epoch != START)
        with self._writing() as connection:
            connection.execute(runs.update().where(runs.c.id == record.id).values(_changing(record)))
            connection.execute(epochs.delete().where(epochs.c.run_id == record.id))
            connection.execute(checkpoints.delete().where(later))

    def rename(self, run_id: str, name: str) -> None:
        """Give a run a name; one with a name is never deleted to make room."""
        with self._writing() as connection:
            connection.execute(runs.update().where(runs.c.id == run_id).values(name=name))

    def delete(self, run_ids: Iterable[str]) -> None:
        """Delete runs with all that belongs to them."""
        ids = list(run_ids)
        with self._writing() as connection:
            # Named one by one: a SQLite file opened without foreign keys would leave orphans.
            for table, column in ((epochs, epochs.c.run_id), (checkpoints, checkpoints.c.run_id), (runs, runs.c.id)):
                connection.execute(table.delete().where(column.in_(ids)))
        self._give_back_room()

    # Reading runs

    def get(self, run_id: str) -> RunRecord | None:
        """The run with this id."""
        return next((record_of(row) for row in self._rows(sa.select(runs).where(runs.c.id == run_id))), None)

    def of_owner(self, owner: str) -> list[RunRecord]:
        """All runs of an owner (by its key), newest first."""
        statement = sa.select(runs).where(runs.c.owner == owner).order_by(runs.c.created.desc(), runs.c.id)
        return [record for row in self._rows(statement) if (record := record_of(row)) is not None]

    def epochs(self, run_id: str, since: int = 0) -> list[EpochResult]:
        """The figures of a run's epochs after `since`, in order."""
        statement = (
            sa.select(epochs.c.figures)
            .where(epochs.c.run_id == run_id, epochs.c.epoch > since)
            .order_by(epochs.c.epoch)
        )
        return [epoch_from_dict(json.loads(row.figures)) for row in self._rows(statement)]

    def last_epochs(self, owner: str) -> dict[str, EpochResult]:
        """The newest epoch's figures of each of an owner's runs: run id -> figures."""
        statement = (
            sa.select(epochs.c.run_id, epochs.c.figures)
            .join(runs, (runs.c.id == epochs.c.run_id) & (runs.c.epoch == epochs.c.epoch))
            .where(runs.c.owner == owner)
        )
        return {row.run_id: epoch_from_dict(json.loads(row.figures)) for row in self._rows(statement)}

    def checkpoint(self, run_id: str, label: int) -> bytes | None:
        """The weights kept under a label: an epoch, `tables.START` or `tables.LATEST`."""
        statement = sa.select(checkpoints.c.data).where(checkpoints.c.run_id == run_id, checkpoints.c.epoch == label)
        found = self._value(statement)
        return None if found is None else bytes(found)

    def labels(self, run_id: str) -> list[int]:
        """The epochs whose weights are kept, in order; 0 is the start."""
        statement = sa.select(checkpoints.c.epoch).where(checkpoints.c.run_id == run_id, checkpoints.c.epoch > LATEST)
        return sorted(row.epoch for row in self._rows(statement))

    # Room

    def count(self, owner: str | None = None) -> int:
        """How many runs are kept, for one owner or in all."""
        statement = sa.select(sa.func.count()).select_from(runs)
        if owner is not None:
            statement = statement.where(runs.c.owner == owner)
        return int(self._value(statement))

    def used_bytes(self) -> int:
        """How much room the weights take."""
        return int(self._value(sa.select(sa.func.coalesce(sa.func.sum(checkpoints.c.size), 0))))

    def expendable(self, owner: str | None = None, limit: int = 50) -> list[str]:
        """Runs that may make room, the ones to go first in front: over, or left lying for a day, and without a name."""
        left = runs.c.status.in_(("paused", "interrupted")) & (runs.c.updated < time.time() - ABANDONED_AFTER)
        over = runs.c.status.in_(OVER)
        statement = sa.select(runs.c.id).where(runs.c.name == "", over | left)
        if owner is not None:
            statement = statement.where(runs.c.owner == owner)
        # Finished ones first: they cannot be missed while they train.
        order = statement.order_by(sa.case((over, 0), else_=1), runs.c.updated, runs.c.id).limit(limit)
        return [row.id for row in self._rows(order)]


def _changing(record: RunRecord) -> dict[str, Any]:
    """The columns of a run that training changes."""
    return {name: value for name, value in row_of(record).items() if name not in FIXED}


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
