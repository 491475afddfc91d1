"""Several workers share a large task: who helps the one that holds it, each under a lease of its own."""

import sqlalchemy as sa

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "helpers",
        sa.Column("token", sa.String(32), primary_key=True),
        sa.Column("task_id", sa.BigInteger(), sa.ForeignKey("tasks.id", ondelete="CASCADE"), nullable=False),
        sa.Column("worker", sa.String(320), nullable=False),
        sa.Column("lease_until", instant, nullable=False),
    )
    op.create_index("ix_helpers_task", "helpers", ["task_id"])


def downgrade() -> None:
    raise NotImplementedError("There is no way back from 0011: restore the backup that was made before it.")
