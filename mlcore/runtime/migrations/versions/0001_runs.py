"""Runs, their epochs and checkpoints, and the servers that train them."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the four tables."""
    op.create_table(
        "runs",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("owner", sa.String(64), nullable=False, index=True),
        sa.Column("server", sa.String(32), nullable=False),
        sa.Column("config", sa.Text, nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("prediction", sa.Text, nullable=False),
        sa.Column("run_group", sa.String(120), nullable=False),
        sa.Column("parent", sa.String(16), nullable=False),
        sa.Column("status", sa.String(16), nullable=False, index=True),
        sa.Column("reason", sa.String(16), nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("halted", sa.Text, nullable=False),
        sa.Column("start_epoch", sa.Integer, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("batch", sa.Integer, nullable=False),
        sa.Column("batches", sa.Integer, nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.Column("best_epoch", sa.Integer, nullable=False),
        sa.Column("best_accuracy", sa.Float, nullable=False),
        sa.Column("created", sa.Float, nullable=False, index=True),
        sa.Column("updated", sa.Float, nullable=False),
        sa.Column("versions", sa.Text, nullable=False),
        sa.Column("data_hash", sa.String(64), nullable=False),
    )
    op.create_table(
        "epochs",
        sa.Column("run_id", sa.String(16), sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("epoch", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("figures", sa.Text, nullable=False),
    )
    op.create_table(
        "checkpoints",
        sa.Column("run_id", sa.String(16), sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("epoch", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("size", sa.Integer, nullable=False, index=True),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "servers",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("heartbeat", sa.Float, nullable=False),
    )


def downgrade() -> None:
    """Drop them again."""
    for name in ("servers", "checkpoints", "epochs", "runs"):
        op.drop_table(name)
