"""When the run database's file is damaged: set it aside, begin a new one, and save from the old what can be read.

Nothing is ever deleted: the damaged file stays beside the new one under another name, for whoever wants to try more.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from mlcore.runtime.engines import open_engine
from mlcore.runtime.rows import record_of
from mlcore.runtime.tables import checkpoints, epochs, runs
from mlcore.runtime.views import ACTIVE


def set_aside(path: Path) -> tuple[Path, str]:
    """Rename a damaged database, begin a new one in its place, and fill it with the runs that can still be read.

    Returns:
        The file's new name, and a sentence for whoever opens the app.
    """
    kept = _free_name(path)
    for suffix in ("-wal", "-shm", ""):
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(kept.with_name(kept.name + suffix))
    saved = _salvage(kept, f"sqlite:///{path}")
    return kept, (
        f"The run database was damaged. It was set aside as {kept.name} and a new one begun; "
        + (f"{saved} of its runs could be read and were taken over." if saved else "none of its runs could be read.")
    )


def _free_name(path: Path) -> Path:
    stamp = time.strftime("%Y%m%d-%H%M%S")
    number = 0
    while True:
        found = path.with_name(f"{path.name}.damaged-{stamp}" + (f"-{number}" if number else ""))
        if not found.exists():
            return found
        number += 1


def _salvage(old: Path, url: str) -> int:
    """Copy every whole run that can be read; how many."""
    engine = open_engine(url)
    try:
        with suppress(sqlite3.Error), closing(sqlite3.connect(f"file:{old}?mode=ro", uri=True)) as source:
            known = [row for row in _rows(source, runs) if record_of(SimpleNamespace(_mapping=row)) is not None]
            for row in known:
                if row["status"] in ACTIVE:
                    row["status"] = "interrupted"
            ids = {row["id"] for row in known}
            with engine.execution_options(write=True).begin() as target:
                for row in known:
                    target.execute(runs.insert().values(row))
                for table in (epochs, checkpoints):
                    for row in _rows(source, table):
                        if row["run_id"] in ids:
                            target.execute(table.insert().values(row))
            return len(ids)
        return 0
    except SQLAlchemyError:
        return 0
    finally:
        engine.dispose()


def _rows(source: sqlite3.Connection, table: sa.Table) -> Iterator[dict[str, Any]]:
    """The rows of a table that can be read, from the front until the damage, then from the back."""
    names = [column.name for column in table.columns]
    columns = ", ".join(f'"{name}"' for name in names)
    keys = [column.name for column in table.primary_key]
    seen: set[tuple[Any, ...]] = set()
    for order in ("ASC", "DESC"):
        with suppress(sqlite3.Error):
            for values in source.execute(f'SELECT {columns} FROM "{table.name}" ORDER BY rowid {order}'):
                row = dict(zip(names, values, strict=True))
                key = tuple(row[name] for name in keys)
                if key in seen:
                    continue
                seen.add(key)
                yield row
