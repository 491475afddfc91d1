"""Recipients are found whatever the case of their address: the index is on it in small letters."""

import sqlalchemy as sa

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_index("ix_deliveries_lower", "deliveries", [sa.text("lower(address)"), "task_id"])
    op.drop_index("ix_deliveries_address", "deliveries")


def downgrade() -> None:
    op.create_index("ix_deliveries_address", "deliveries", ["address", "task_id"])
    op.drop_index("ix_deliveries_lower", "deliveries")
