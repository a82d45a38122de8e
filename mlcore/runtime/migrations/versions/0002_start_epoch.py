"""Every run begins with its first weights: the epoch that it went on from is no longer kept."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Drop the column.

    Not by Alembic's batch mode, which makes the table anew: with the old one all epochs and weights would go, by their
    foreign keys.
    """
    op.drop_column("runs", "start_epoch")


def downgrade() -> None:
    """Make it again, as it was for all runs."""
    op.add_column("runs", sa.Column("start_epoch", sa.Integer, nullable=False, server_default="0"))
