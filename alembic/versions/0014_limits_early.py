"""Limits: who came to their place a moment too early, each by itself, so that they keep their order."""

import sqlalchemy as sa

from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.add_column("limits", sa.Column("early", sa.JSON(), nullable=False, server_default="{}"))
    op.drop_column("limits", "again")


def downgrade() -> None:
    op.add_column("limits", sa.Column("again", sa.Float(), nullable=False, server_default="0"))
    op.drop_column("limits", "early")
