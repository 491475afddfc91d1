"""Limits: who came to their place a moment too early, each by itself, so that they keep their order."""

import sqlalchemy as sa

from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.add_column("limits", sa.Column("early", sa.JSON(), nullable=False, server_default="{}"))


def downgrade() -> None:
    op.drop_column("limits", "early")
