"""A task keeps the address that was given first: lists name a mail after the same person as the form did."""

import sqlalchemy as sa

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    address = sa.String(320).with_variant(sa.String(320, collation="C"), "postgresql")
    op.add_column("tasks", sa.Column("first_address", address))


def downgrade() -> None:
    raise NotImplementedError("There is no way back from 0009: restore the backup that was made before it.")
