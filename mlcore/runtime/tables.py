"""The tables of the run database, the same on SQLite and PostgreSQL.

A run is one row of `runs`; its figures are rows of `epochs`, its weights rows of `checkpoints`. `servers` says which
processes are alive, so that two of them on one database never train the same run. `migrations/` makes these tables;
a test holds the two together.
"""

from __future__ import annotations

from sqlalchemy import Column, Float, ForeignKey, Integer, LargeBinary, MetaData, String, Table, Text

metadata = MetaData()

# The rows of `checkpoints` that are not the weights after some epoch: what the run goes on from.
LATEST = -1
# The weights before the first update.
START = 0

runs = Table(
    "runs",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("owner", String(64), nullable=False, index=True),
    Column("server", String(32), nullable=False, default=""),
    Column("config", Text, nullable=False),
    Column("name", String(120), nullable=False, default=""),
    Column("prediction", Text, nullable=False, default="null"),
    Column("run_group", String(120), nullable=False, default=""),
    Column("parent", String(16), nullable=False, default=""),
    Column("status", String(16), nullable=False, index=True),
    Column("reason", String(16), nullable=False, default=""),
    Column("error", Text, nullable=False, default=""),
    Column("halted", Text, nullable=False, default=""),
    Column("epoch", Integer, nullable=False, default=0),
    Column("batch", Integer, nullable=False, default=0),
    Column("batches", Integer, nullable=False, default=0),
    Column("seconds", Float, nullable=False, default=0.0),
    Column("best_epoch", Integer, nullable=False, default=0),
    Column("best_accuracy", Float, nullable=False, default=0.0),
    Column("created", Float, nullable=False, index=True),
    Column("updated", Float, nullable=False),
    Column("versions", Text, nullable=False, default="{}"),
    Column("data_hash", String(64), nullable=False, default=""),
)

epochs = Table(
    "epochs",
    metadata,
    Column("run_id", String(16), ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("epoch", Integer, primary_key=True, autoincrement=False),
    Column("figures", Text, nullable=False),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("run_id", String(16), ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("epoch", Integer, primary_key=True, autoincrement=False),
    Column("size", Integer, nullable=False, index=True),
    Column("data", LargeBinary, nullable=False),
)

servers = Table(
    "servers",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("heartbeat", Float, nullable=False),
)
