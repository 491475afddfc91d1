"""What each message was written from, so that it can be shown as it was sent."""

import sqlalchemy as sa

from alembic import op

revision = "0006"
down_revision = "0005"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "editions",
        sa.Column("id", ID, primary_key=True, autoincrement=True),
        sa.Column("digest", sa.String(64), nullable=False, unique=True),
        sa.Column("source", sa.Text, nullable=False),
    )
    op.add_column("deliveries", sa.Column("edition_id", ID))
    op.add_column("deliveries", sa.Column("written_at", TIME))
    op.add_column("deliveries", sa.Column("digest", sa.LargeBinary(32)))


def downgrade() -> None:
    raise NotImplementedError("There is no way back from 0006: restore the backup that was made before it.")
