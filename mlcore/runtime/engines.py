"""Opening the run database: an engine for any SQLAlchemy URL, tuned where it is SQLite, and its errors in words.

`open_engine` gives an engine whose tables are at the version this code knows; `trouble` turns what a database driver
raises into one sentence. A SQLite file that is damaged is set aside by `mlcore.runtime.repair`.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from mlcore.runtime import migrations
from mlcore.runtime.problems import StoreUnavailable
from mlcore.runtime.tables import metadata

# How long a connection waits for another's write before it gives up, in milliseconds.
BUSY_TIMEOUT = 1000

PRAGMAS = (
    # Deleted runs give their room back. Takes effect on a new file only, so it comes first.
    "auto_vacuum=INCREMENTAL",
    # Readers never wait for the writer. With it, NORMAL loses nothing when the process is killed.
    "journal_mode=WAL",
    "synchronous=NORMAL",
    "foreign_keys=ON",
    f"busy_timeout={BUSY_TIMEOUT}",
    "journal_size_limit=16000000",
)


# Where Alembic notes the version of the tables, as Alembic makes it.
_version_table = sa.Table(
    "alembic_version",
    sa.MetaData(),
    sa.Column("version_num", sa.String(32)),
    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


class Damaged(StoreUnavailable):
    """The database file is not (or no longer) a database."""


class Locked(StoreUnavailable):
    """Another program is writing to the database."""


def open_engine(url: str) -> Engine:
    """An engine on the run database, its tables made or brought up to date.

    Raises:
        Damaged: the SQLite file there is not a sound database.
        StoreUnavailable: it cannot be opened, or a newer version of this app has changed it.
    """
    try:
        engine = sa.create_engine(url, **_options(url))
    except (SQLAlchemyError, ImportError) as error:
        raise StoreUnavailable(_url_sentence(error)) from error
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _tune)
        sa.event.listen(engine, "begin", _begin)
    try:
        if engine.dialect.name == "sqlite":
            _check(engine)
        migrate(engine)
    except (SQLAlchemyError, sqlite3.Error) as error:
        engine.dispose()
        raise trouble(error) from error
    except StoreUnavailable:
        engine.dispose()
        raise
    return engine


def _options(url: str) -> dict[str, Any]:
    if url.startswith("sqlite"):
        return {}
    # A machine that slept finds its connections dead: ask before using one.
    return {"pool_pre_ping": True, "pool_size": 5, "max_overflow": 10}


def _url_sentence(error: Exception) -> str:
    if isinstance(error, ImportError):
        return f"LAB_DATABASE_URL needs a driver that is not installed ({error.name}); see requirements-postgres.txt."
    return "LAB_DATABASE_URL is not a database URL such as postgresql+psycopg://user:password@host/name."


def _tune(connection: sqlite3.Connection, _record: object) -> None:
    # SQLAlchemy, not the driver, says when a transaction begins: see _begin.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    """A transaction that will write takes the lock at once: one that asks for it half-way can only be refused."""
    write = connection.get_execution_options().get("write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _check(engine: Engine) -> None:
    with engine.connect() as connection:
        found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
    if found != "ok":
        raise Damaged("The run database is damaged.")


def migrate(engine: Engine) -> None:
    """Bring the tables to this code's version.

    Raises:
        StoreUnavailable: they are at a version this code does not know.
    """
    found = _version(engine)
    if found == migrations.HEAD:
        return
    if found is None:
        _create(engine)
        return
    # Imported only when there is something to do: it takes half a second and ten megabytes.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    known = {item.revision for item in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise StoreUnavailable(
            f"The run database was written by a newer version of this app (its tables are at {found}, "
            f"this version knows {migrations.HEAD}): update the app, or name another database in LAB_DATABASE_URL."
        )
    with engine.execution_options(write=True).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _create(engine: Engine) -> None:
    """Make the tables of a new database, as all migrations together would (a test compares the two)."""
    with engine.execution_options(write=True).begin() as connection:
        if sa.inspect(connection).has_table(_version_table.name):
            return
        metadata.create_all(connection)
        _version_table.create(connection)
        connection.execute(_version_table.insert().values(version_num=migrations.HEAD))


def _version(engine: Engine) -> str | None:
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table(_version_table.name):
            return None
        found = connection.execute(sa.select(_version_table.c.version_num)).scalar()
    return None if found is None else str(found)


def trouble(error: BaseException) -> StoreUnavailable:
    """What a driver's error means, as one sentence."""
    original = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    text = str(original).lower()
    if "locked" in text or "busy" in text:
        return Locked("The run database is locked by another program; the app keeps trying.")
    if "malformed" in text or "not a database" in text or "corrupt" in text:
        return Damaged("The run database is damaged.")
    if "full" in text or "no space" in text:
        return StoreUnavailable("The disk is full: nothing more can be kept until there is room on it.")
    if "readonly" in text or "read-only" in text:
        return StoreUnavailable("The run database may only be read: nothing can be kept until it may be written.")
    if "disk i/o" in text:
        return StoreUnavailable("The disk reports an error: nothing can be kept at the moment.")
    if "unable to open" in text:
        return StoreUnavailable("The run database cannot be opened: its directory is missing or may not be written.")
    return StoreUnavailable("The run database does not answer at the moment.")
