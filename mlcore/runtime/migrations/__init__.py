"""Versions of the run database's tables, applied by Alembic when the store opens."""

# The version that this code reads and writes: the newest file under versions/.
HEAD = "0002"
