"""What a restored task brings back is told by the task's own event, as its cancelling was."""

import sqlalchemy as sa

from alembic import op

revision = "0003"
down_revision = "0002"

TOLD = "status NOT IN ('sending', 'cancelled')"


def upgrade() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"
    now_told = f"{TOLD} AND {'OLD' if sqlite else 'b'}.status <> 'cancelled'"
    kept = (
        "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name = 'delivery_moved'"
        if sqlite
        else "SELECT pg_get_functiondef('delivery_moved'::regproc)"
    )
    before = op.get_bind().execute(sa.text(kept.replace("::", "\\:\\:"))).scalar_one()
    after = before.replace(TOLD, now_told)
    if before == after:
        raise RuntimeError("delivery_moved is not the one that 0002 left")
    if sqlite:
        op.execute("DROP TRIGGER delivery_moved")
    op.execute(sa.text(after.replace(":", "\\:")))


def downgrade() -> None:
    raise NotImplementedError("There is no way back from 0003: restore the backup that was made before it.")
