"""The charts count everybody once: whoever is tried again, or decided about, leaves the hour of the outcome before."""

import sqlalchemy as sa

from alembic import op

revision = "0008"
down_revision = "0007"

SQLITE_HOUR = "strftime('%Y-%m-%d %H:00:00.000000', {row}.updated_at)"
SQLITE = f"""
    CREATE TRIGGER delivery_ended AFTER UPDATE OF status ON deliveries
      WHEN OLD.status <> NEW.status AND (NEW.status IN ('sent', 'failed', 'unknown')
        OR OLD.status IN ('sent', 'failed', 'unknown'))
      AND NOT (SELECT test FROM tasks WHERE id = NEW.task_id) BEGIN
      UPDATE hours SET sent = sent - (OLD.status = 'sent'), failed = failed - (OLD.status = 'failed'),
          unknown = unknown - (OLD.status = 'unknown')
        WHERE hour = {SQLITE_HOUR.format(row="OLD")} AND shard = 0;
      INSERT INTO hours (hour, shard, sent, failed, unknown, started, late_ms, latest_ms)
        VALUES ({SQLITE_HOUR.format(row="NEW")}, 0, NEW.status = 'sent', NEW.status = 'failed', NEW.status = 'unknown',
          0, 0, 0)
        ON CONFLICT (hour, shard) DO UPDATE SET sent = sent + excluded.sent, failed = failed + excluded.failed,
          unknown = unknown + excluded.unknown;
    END"""

POSTGRES_KEPT = r"SELECT pg_get_functiondef('delivery_moved'\:\:regproc)"
BEGINS, ENDS = "INSERT INTO hours AS h", "unknown = h.unknown + excluded.unknown;"
# One row for each hour, in their order: two workers that touch the same hours can't wait for each other in a circle.
POSTGRES = """INSERT INTO hours AS h (hour, shard, sent, failed, unknown, started, late_ms, latest_ms)
        SELECT date_trunc('hour', v.at, 'UTC'), pg_backend_pid() % 8,
          coalesce(sum(v.n) FILTER (WHERE v.status = 'sent'), 0),
          coalesce(sum(v.n) FILTER (WHERE v.status = 'failed'), 0),
          coalesce(sum(v.n) FILTER (WHERE v.status = 'unknown'), 0), 0, 0, 0
        FROM before b JOIN after a USING (id) JOIN tasks t ON t.id = a.task_id,
          LATERAL (VALUES (b.status, b.updated_at, -1), (a.status, a.updated_at, 1)) v(status, at, n)
        WHERE b.status <> a.status AND v.status IN ('sent', 'failed', 'unknown') AND NOT t.test
        GROUP BY 1 ORDER BY 1
        ON CONFLICT (hour, shard) DO UPDATE SET sent = h.sent + excluded.sent, failed = h.failed + excluded.failed,
          unknown = h.unknown + excluded.unknown;"""


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TRIGGER delivery_ended")
        op.execute(sa.text(SQLITE.replace(":", "\\:")))
        return
    function = op.get_bind().execute(sa.text(POSTGRES_KEPT)).scalar_one()
    before, begins, rest = function.partition(BEGINS)
    _, ends, after = rest.partition(ENDS)
    if not begins or not ends:
        raise RuntimeError("delivery_moved is not the one that 0003 left")
    op.execute(sa.text((before + POSTGRES + after).replace(":", "\\:")))


def downgrade() -> None:
    raise NotImplementedError("There is no way back from 0008: restore the backup that was made before it.")
