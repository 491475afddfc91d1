"""A task knows instead of which other one it was written: nobody is to get both."""

import sqlalchemy as sa

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("tasks", sa.Column("instead_of", sa.BigInteger()))
    some = sa.text("instead_of IS NOT NULL")
    op.create_index("ix_tasks_instead", "tasks", ["instead_of"], sqlite_where=some, postgresql_where=some)


def downgrade() -> None:
    raise NotImplementedError("There is no way back from 0010: restore the backup that was made before it.")
