"""What each limit was when a worker last started: where it is another one, what waits for it asks again."""

import sqlalchemy as sa

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.add_column("limits", sa.Column("most", sa.Integer()))


def downgrade() -> None:
    op.drop_column("limits", "most")
