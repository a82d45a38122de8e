"""The run database as a place to read and write: short transactions, errors as sentences, and a damaged file replaced.

`Database` knows connections, locks and files, and nothing of runs; `store` says what is kept in it.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from mlcore.runtime.engines import Locked, open_engine, trouble
from mlcore.runtime.problems import StoreUnavailable

# A write that finds the database locked waits a second each time (see engines.BUSY_TIMEOUT) before it gives up.
TRIES = 3
# How every SQLite file begins.
SQLITE_HEADER = b"SQLite format 3\0"


def sqlite_file(url: str) -> Path | None:
    """The file that a database URL names, where it is SQLite's."""
    found = sa.make_url(url)
    is_file = found.get_backend_name() == "sqlite" and found.database not in (None, "", ":memory:")
    return Path(str(found.database)) if is_file else None


class Database:
    """An open run database.

    Args:
        url: any SQLAlchemy URL.

    Raises:
        StoreUnavailable: see `open_engine`.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._engine: Engine = open_engine(url)
        self._one_writer = threading.Lock()

    # Transactions

    @contextmanager
    def _writing(self, tries: int = TRIES) -> Iterator[Connection]:
        """One transaction: all of it is kept or nothing.

        Raises:
            StoreUnavailable: it could not be kept.
        """
        try:
            with self._one_writer, ExitStack() as stack:
                yield self._begun(stack, tries)
        except SQLAlchemyError as error:
            raise trouble(error) from error

    def _begun(self, stack: ExitStack, tries: int) -> Connection:
        """A connection that may write. SQLite gives its lock with the beginning, so only that is tried again."""
        for left in reversed(range(tries)):
            try:
                with ExitStack() as attempt:
                    connection = attempt.enter_context(self._engine.connect().execution_options(write=True))
                    attempt.enter_context(connection.begin())
                    stack.push(attempt.pop_all())
                    return connection
            except SQLAlchemyError as error:
                if not left or not isinstance(trouble(error), Locked):
                    raise
        raise AssertionError("not reached: the last try returns or raises")

    def _rows(self, statement: sa.Executable) -> Sequence[sa.Row[Any]]:
        """All rows that a query finds."""
        try:
            with self._engine.connect() as connection:
                return connection.execute(statement).all()
        except SQLAlchemyError as error:
            raise trouble(error) from error

    def _value(self, statement: sa.Executable) -> Any:
        """The first column of the first row that a query finds; None if there is no row."""
        return next((row[0] for row in self._rows(statement)), None)

    def _give_back_room(self) -> None:
        """Let the file of a SQLite database shrink by what was deleted."""
        if self._engine.dialect.name != "sqlite":
            return
        with suppress(SQLAlchemyError, sqlite3.Error), self._one_writer, self._engine.connect() as connection:
            # It frees a page a step, and of the driver's methods only this one takes more than the first step.
            driver: Any = connection.connection.driver_connection
            driver.executescript("PRAGMA incremental_vacuum")

    # Repair

    @property
    def path(self) -> Path | None:
        """The SQLite file, where it is one."""
        return sqlite_file(self.url)

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
        with self._one_writer:
            self._engine.dispose()
            gone = not path.exists()
            sentence = set_aside(path)[1]
            self._engine = open_engine(self.url)
        return "The run database had gone; a new one was begun with the runs in memory." if gone else sentence
