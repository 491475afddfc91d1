"""What the pages ask for: who, titles, what needs attention, failures by cause, hours for charts, bulks and drafts."""

from typing import Any

import sqlalchemy as sa

from alembic import op

revision = "0002"
down_revision = "0001"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)
SHARDS = 16
POISON = "Three workers were lost over this task, one after another, so it is not tried again by itself."
TITLE_KEY = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")


def new_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("test", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("attention", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("title", sa.String(255), nullable=False, server_default=""),
        sa.Column("title_key", TITLE_KEY, nullable=False, server_default=""),
        sa.Column("created_by", sa.String(320), nullable=False, server_default=""),
        sa.Column("bulk_id", ID),
    ]


def upgrade() -> None:
    for column in new_columns():
        op.add_column("tasks", column)
    op.add_column("deliveries", sa.Column("fault_id", ID))
    create_tables()
    counts = sa.table("task_counts", sa.column("status"), sa.column("shard"), sa.column("n"))
    op.bulk_insert(counts, [{"status": "attention", "shard": shard, "n": 0} for shard in range(SHARDS)])
    faults = sa.table("faults", sa.column("words"), sa.column("n"))
    op.bulk_insert(faults, [{"words": POISON, "n": 0}])
    op.execute(
        "UPDATE tasks SET created_by ="
        " coalesce((SELECT who FROM task_events WHERE task_id = tasks.id ORDER BY id LIMIT 1), '')"
    )
    replace_triggers(TRIGGERS)
    op.execute("UPDATE tasks SET attention = true WHERE held OR unknown > 0")
    create_indexes()


def create_tables() -> None:
    op.create_table(
        "faults",
        sa.Column("id", ID, primary_key=True, autoincrement=True),
        sa.Column("words", sa.String(500), nullable=False, unique=True),
        sa.Column("n", ID, nullable=False),
        sa.Column("first_at", TIME),
        sa.Column("last_at", TIME),
    )
    op.create_table(
        "hours",
        sa.Column("hour", TIME, primary_key=True),
        sa.Column("shard", sa.Integer, primary_key=True),
        *(sa.Column(name, ID, nullable=False) for name in ("sent", "failed", "unknown", "started")),
        sa.Column("late_ms", ID, nullable=False),
        sa.Column("latest_ms", ID, nullable=False),
    )
    op.create_table(
        "bulks",
        sa.Column("id", ID, primary_key=True, autoincrement=True),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("asked", sa.JSON, nullable=False),
        sa.Column("who", sa.String(320), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("ended_at", TIME),
        sa.Column("cursor", ID, nullable=False),
        *(sa.Column(name, sa.Integer, nullable=False) for name in ("total", "seen", "moved")),
    )
    op.create_table(
        "drafts",
        sa.Column("key", sa.String(36), primary_key=True),
        sa.Column("user_id", sa.Integer, nullable=False, index=True),
        sa.Column("content", sa.JSON, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
    )


def create_indexes() -> None:
    op.create_index("ix_tasks_template", "tasks", ["template", "id"])
    op.create_index("ix_tasks_created_by", "tasks", ["created_by", "id"])
    op.create_index("ix_tasks_title", "tasks", ["title_key"])
    op.create_index("ix_tasks_created", "tasks", ["created_at"])
    for name, table, columns, where in (
        ("ix_tasks_attention", "tasks", ["id"], "attention"),
        ("ix_tasks_bulk", "tasks", ["bulk_id"], "bulk_id IS NOT NULL"),
        ("ix_deliveries_fault", "deliveries", ["fault_id", "task_id"], "fault_id IS NOT NULL"),
        ("ix_bulks_open", "bulks", ["id"], "ended_at IS NULL"),
    ):
        op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def replace_triggers(by_dialect: dict[str, list[str]]) -> None:
    if op.get_bind().dialect.name == "sqlite":
        for name in ("task_written", "task_moved", "task_deleted", "delivery_moved"):
            op.execute(f"DROP TRIGGER {name}")
    for statement in by_dialect[op.get_bind().dialect.name]:
        op.execute(sa.text(statement.replace(":", "\\:")))


# Tests are in no tally: they have events, and nothing else. (Their deliveries get no fault_id.)
CLOCK = "strftime('%Y-%m-%d %H:%M:%f000', 'now')"
HOUR = "strftime('%Y-%m-%d %H:00:00.000000', 'now')"


def sqlite_count(status: str, row: str, n: int) -> str:
    return f"UPDATE task_counts SET n = n + {n} WHERE status = {status} AND shard = {row}.id % {SHARDS};"


SQLITE = [
    f"""
    CREATE TRIGGER task_written AFTER INSERT ON tasks BEGIN
      INSERT INTO task_events (task_id, at, to_status, who, why)
        VALUES (NEW.id, {CLOCK}, NEW.status, NEW.who, NEW.why);
      UPDATE task_counts SET n = n + 1 WHERE NOT NEW.test AND status = NEW.status AND shard = NEW.id % {SHARDS};
    END""",
    f"""
    CREATE TRIGGER task_told AFTER UPDATE OF status, scheduled_at, held ON tasks
      WHEN OLD.status <> NEW.status OR OLD.scheduled_at IS NOT NEW.scheduled_at OR OLD.held <> NEW.held BEGIN
      INSERT INTO task_events (task_id, at, from_status, to_status, who, why)
        VALUES (NEW.id, {CLOCK}, OLD.status, NEW.status, NEW.who, NEW.why);
    END""",
    f"""
    CREATE TRIGGER task_moved AFTER UPDATE OF status ON tasks WHEN OLD.status <> NEW.status AND NOT NEW.test BEGIN
      {sqlite_count("OLD.status", "NEW", -1)}
      {sqlite_count("NEW.status", "NEW", 1)}
    END""",
    f"""
    CREATE TRIGGER task_minded AFTER UPDATE OF attention ON tasks
      WHEN OLD.attention <> NEW.attention AND NOT NEW.test BEGIN
      UPDATE task_counts SET n = n + NEW.attention - OLD.attention
        WHERE status = 'attention' AND shard = NEW.id % {SHARDS};
    END""",
    f"""
    CREATE TRIGGER task_begun AFTER UPDATE OF started_at ON tasks
      WHEN OLD.started_at IS NULL AND NEW.started_at IS NOT NULL AND NOT NEW.test BEGIN
      INSERT INTO hours (hour, shard, sent, failed, unknown, started, late_ms, latest_ms)
        SELECT {HOUR}, 0, 0, 0, 0, 1, ms, ms FROM
          (SELECT max(0, CAST(round((julianday(NEW.started_at) - julianday(OLD.due_at)) * 86400000) AS INTEGER)) AS ms)
        WHERE true
        ON CONFLICT (hour, shard) DO UPDATE SET started = started + 1, late_ms = late_ms + excluded.late_ms,
          latest_ms = max(latest_ms, excluded.latest_ms);
    END""",
    f"""
    CREATE TRIGGER task_deleted AFTER DELETE ON tasks WHEN NOT OLD.test BEGIN
      {sqlite_count("OLD.status", "OLD", -1)}
      UPDATE task_counts SET n = n - OLD.attention WHERE status = 'attention' AND shard = OLD.id % {SHARDS};
    END""",
    f"""
    CREATE TRIGGER delivery_moved AFTER UPDATE OF status ON deliveries
      WHEN OLD.status <> NEW.status AND NEW.status NOT IN ('sending', 'cancelled') BEGIN
      INSERT INTO task_events (task_id, at, from_status, to_status, who, why, address)
        SELECT NEW.task_id, {CLOCK}, OLD.status, NEW.status, who, NEW.reply, NEW.address
        FROM tasks WHERE id = NEW.task_id;
    END""",
    f"""
    CREATE TRIGGER delivery_ended AFTER UPDATE OF status ON deliveries
      WHEN OLD.status <> NEW.status AND NEW.status IN ('sent', 'failed', 'unknown')
      AND NOT (SELECT test FROM tasks WHERE id = NEW.task_id) BEGIN
      INSERT INTO hours (hour, shard, sent, failed, unknown, started, late_ms, latest_ms)
        VALUES ({HOUR}, 0, NEW.status = 'sent', NEW.status = 'failed', NEW.status = 'unknown', 0, 0, 0)
        ON CONFLICT (hour, shard) DO UPDATE SET sent = sent + excluded.sent, failed = failed + excluded.failed,
          unknown = unknown + excluded.unknown;
    END""",
    f"""
    CREATE TRIGGER delivery_refused AFTER UPDATE OF fault_id ON deliveries
      WHEN OLD.fault_id IS NOT NEW.fault_id BEGIN
      UPDATE faults SET n = n - 1 WHERE id = OLD.fault_id;
      UPDATE faults SET n = n + 1, first_at = coalesce(first_at, {CLOCK}), last_at = {CLOCK} WHERE id = NEW.fault_id;
    END""",
    """
    CREATE TRIGGER delivery_deleted AFTER DELETE ON deliveries WHEN OLD.fault_id IS NOT NULL BEGIN
      UPDATE faults SET n = n - 1 WHERE id = OLD.fault_id;
    END""",
]

PG_HOUR = "date_trunc('hour', statement_timestamp(), 'UTC')"
# Eight shards by connection: workers that end deliveries at once do not wait for one another's row.
PG_SHARD = "pg_backend_pid() % 8"
POSTGRES = [
    f"""
    CREATE OR REPLACE FUNCTION task_written() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE changes jsonb;
    BEGIN
      INSERT INTO task_events (task_id, at, to_status, who, why)
        SELECT id, clock_timestamp(), status, who, why FROM after ORDER BY id;
      SELECT jsonb_agg(jsonb_build_array(status, shard, n)) INTO changes FROM
        (SELECT status, id % {SHARDS} AS shard, count(*) AS n FROM after WHERE NOT test GROUP BY 1, 2) s;
      IF changes IS NOT NULL THEN PERFORM task_count(changes); END IF;
      RETURN NULL;
    END $$""",
    f"""
    CREATE OR REPLACE FUNCTION task_moved() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE changes jsonb;
    BEGIN
      SELECT jsonb_agg(jsonb_build_array(status, shard, n)) INTO changes FROM
        (SELECT m.status, m.shard, sum(m.n) AS n FROM
          (SELECT v.status, b.id % {SHARDS} AS shard, v.n FROM before b JOIN after a USING (id),
             LATERAL (VALUES (b.status, -1), (a.status, 1)) v(status, n)
             WHERE b.status <> a.status AND NOT a.test
           UNION ALL
           SELECT 'attention', a.id % {SHARDS}, a.attention::int - b.attention::int
             FROM before b JOIN after a USING (id) WHERE b.attention <> a.attention AND NOT a.test)
          m GROUP BY 1, 2) s;
      INSERT INTO task_events (task_id, at, from_status, to_status, who, why)
        SELECT id, clock_timestamp(), b.status, a.status, a.who, a.why FROM before b JOIN after a USING (id)
        WHERE b.status <> a.status OR b.held <> a.held OR b.scheduled_at IS DISTINCT FROM a.scheduled_at
        ORDER BY id;
      INSERT INTO hours AS h (hour, shard, sent, failed, unknown, started, late_ms, latest_ms)
        SELECT {PG_HOUR}, {PG_SHARD}, 0, 0, 0, count(*), sum(ms), max(ms) FROM
          (SELECT greatest(0, round(extract(epoch FROM a.started_at - b.due_at) * 1000))::bigint AS ms
           FROM before b JOIN after a USING (id)
           WHERE b.started_at IS NULL AND a.started_at IS NOT NULL AND NOT a.test) begun
        HAVING count(*) > 0
        ON CONFLICT (hour, shard) DO UPDATE SET started = h.started + excluded.started,
          late_ms = h.late_ms + excluded.late_ms, latest_ms = greatest(h.latest_ms, excluded.latest_ms);
      IF changes IS NOT NULL THEN PERFORM task_count(changes); END IF;
      IF EXISTS (SELECT 1 FROM after WHERE status = 'cancelled') THEN
        UPDATE deliveries SET status = 'cancelled', updated_at = clock_timestamp()
          WHERE status = 'queued' AND task_id IN
            (SELECT id FROM before b JOIN after a USING (id) WHERE a.status = 'cancelled' AND b.status <> a.status);
      END IF;
      RETURN NULL;
    END $$""",
    f"""
    CREATE OR REPLACE FUNCTION task_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE changes jsonb;
    BEGIN
      SELECT jsonb_agg(jsonb_build_array(status, shard, n)) INTO changes FROM
        (SELECT v.status, b.id % {SHARDS} AS shard, sum(v.n) AS n FROM before b,
           LATERAL (VALUES (b.status, -1), ('attention', -(b.attention::int))) v(status, n)
           WHERE NOT b.test GROUP BY 1, 2) s;
      IF changes IS NOT NULL THEN PERFORM task_count(changes); END IF;
      RETURN NULL;
    END $$""",
    """
    CREATE FUNCTION fault_count(changes jsonb) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM 1 FROM faults f WHERE f.id IN (SELECT (x->>0)::bigint FROM jsonb_array_elements(changes) x)
        ORDER BY f.id FOR UPDATE;
      UPDATE faults f SET n = f.n + d.n,
          first_at = CASE WHEN d.came THEN coalesce(f.first_at, clock_timestamp()) ELSE f.first_at END,
          last_at = CASE WHEN d.came THEN clock_timestamp() ELSE f.last_at END
        FROM (SELECT (x->>0)::bigint AS id, sum((x->>1)::int) AS n, bool_or((x->>1)::int > 0) AS came
              FROM jsonb_array_elements(changes) x GROUP BY 1) d
        WHERE f.id = d.id;
    END $$""",
    f"""
    CREATE OR REPLACE FUNCTION delivery_moved() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE changes jsonb;
    BEGIN
      INSERT INTO task_events (task_id, at, from_status, to_status, who, why, address)
        SELECT a.task_id, clock_timestamp(), b.status, a.status, t.who, a.reply, a.address
        FROM before b JOIN after a USING (id) JOIN tasks t ON t.id = a.task_id
        WHERE b.status <> a.status AND a.status NOT IN ('sending', 'cancelled') ORDER BY a.id;
      INSERT INTO hours AS h (hour, shard, sent, failed, unknown, started, late_ms, latest_ms)
        SELECT {PG_HOUR}, {PG_SHARD}, count(*) FILTER (WHERE a.status = 'sent'),
          count(*) FILTER (WHERE a.status = 'failed'), count(*) FILTER (WHERE a.status = 'unknown'), 0, 0, 0
        FROM before b JOIN after a USING (id) JOIN tasks t ON t.id = a.task_id
        WHERE b.status <> a.status AND a.status IN ('sent', 'failed', 'unknown') AND NOT t.test
        HAVING count(*) > 0
        ON CONFLICT (hour, shard) DO UPDATE SET sent = h.sent + excluded.sent, failed = h.failed + excluded.failed,
          unknown = h.unknown + excluded.unknown;
      SELECT jsonb_agg(jsonb_build_array(v.fault_id, v.n)) INTO changes
        FROM before b JOIN after a USING (id), LATERAL (VALUES (b.fault_id, -1), (a.fault_id, 1)) v(fault_id, n)
        WHERE b.fault_id IS DISTINCT FROM a.fault_id AND v.fault_id IS NOT NULL;
      IF changes IS NOT NULL THEN PERFORM fault_count(changes); END IF;
      RETURN NULL;
    END $$""",
    """
    CREATE FUNCTION delivery_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE changes jsonb;
    BEGIN
      SELECT jsonb_agg(jsonb_build_array(fault_id, -1)) INTO changes FROM before WHERE fault_id IS NOT NULL;
      IF changes IS NOT NULL THEN PERFORM fault_count(changes); END IF;
      RETURN NULL;
    END $$""",
    "CREATE TRIGGER delivery_deleted AFTER DELETE ON deliveries REFERENCING OLD TABLE AS before"
    " FOR EACH STATEMENT EXECUTE FUNCTION delivery_deleted()",
]
TRIGGERS = {"sqlite": SQLITE, "postgresql": POSTGRES}


def downgrade() -> None:
    raise NotImplementedError("There is no way back from 0002: restore the backup that was made before it.")
