"""Which tasks a bulk still has to look at, and the key of the form that it came from."""

import sqlalchemy as sa

from alembic import op

revision = "0005"
down_revision = "0004"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "bulk_tasks",
        sa.Column("bulk_id", ID, primary_key=True, autoincrement=False),
        sa.Column("task_id", ID, primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
    )
    op.add_column("bulks", sa.Column("key", sa.String(64)))
    op.create_index("ix_bulks_key", "bulks", ["key"], unique=True)


def downgrade() -> None:
    raise NotImplementedError("There is no way back from 0005: restore the backup that was made before it.")
