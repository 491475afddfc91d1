"""Limits on how much is handed over: what was used of each, and until when others wait in line for it."""

import sqlalchemy as sa

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_table(
        "limits",
        sa.Column("name", sa.String(320), primary_key=True),
        sa.Column("uses", sa.JSON(), nullable=False),
        sa.Column("line", sa.Float(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("limits")
