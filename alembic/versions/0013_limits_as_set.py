"""Limits: what each was when a worker last started, and a line for who came a moment too early for their place."""

import sqlalchemy as sa

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.add_column("limits", sa.Column("most", sa.Integer()))
    op.add_column("limits", sa.Column("again", sa.Float(), nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("limits", "again")
    op.drop_column("limits", "most")
