"""A task that waits can be edited; each edit is an event, though neither its status nor its moment changes."""

import sqlalchemy as sa

from alembic import op

revision = "0007"
down_revision = "0006"

CHANGES = {
    "sqlite": (
        "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name = 'task_told'",
        {
            "held ON tasks": "held, edit_key ON tasks",
            "OLD.held <> NEW.held": "OLD.held <> NEW.held OR OLD.edit_key IS NOT NEW.edit_key",
        },
    ),
    "postgresql": (
        r"SELECT pg_get_functiondef('task_moved'\:\:regproc)",
        {"b.held <> a.held": "b.held <> a.held OR b.edit_key IS DISTINCT FROM a.edit_key"},
    ),
}


def upgrade() -> None:
    op.add_column("tasks", sa.Column("edit_key", sa.String(128)))
    kept, changes = CHANGES[op.get_bind().dialect.name]
    statement = op.get_bind().execute(sa.text(kept)).scalar_one()
    for old, new in changes.items():
        if statement.count(old) != 1:
            raise RuntimeError("the trigger that tells of a task's moves is not the one that 0002 left")
        statement = statement.replace(old, new)
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TRIGGER task_told")
    op.execute(sa.text(statement.replace(":", "\\:")))


def downgrade() -> None:
    raise NotImplementedError("There is no way back from 0007: restore the backup that was made before it.")
