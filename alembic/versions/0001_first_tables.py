"""The first tables, and the triggers that write events and keep counts."""

from datetime import UTC, datetime

import sqlalchemy as sa

from alembic import op

revision = "0001"
down_revision = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)
ADDRESS = sa.String(320).with_variant(sa.String(320, collation="C"), "postgresql")
STATUSES = ("scheduled", "queued", "started", "finished", "failed", "cancelled")
SHARDS = 16
UNRUNG = sa.text("rung_at IS NULL")
LIMITED = sa.text("hold_after IS NOT NULL")


def upgrade() -> None:
    create_core()
    create_accounts()
    counts = sa.table("task_counts", sa.column("status"), sa.column("shard"), sa.column("n"))
    op.bulk_insert(counts, [{"status": s, "shard": k, "n": 0} for s in STATUSES for k in range(SHARDS)])
    leases = sa.table("leases", sa.column("name"), sa.column("holder"), sa.column("until", TIME))
    op.bulk_insert(leases, [{"name": "timekeeper", "holder": "", "until": datetime(1970, 1, 1, tzinfo=UTC)}])
    senders = sa.table("senders", sa.column("name"), sa.column("troubles"), sa.column("gap"))
    op.bulk_insert(senders, [{"name": "default", "troubles": 0, "gap": 0.0}])
    repairs = sa.table("repairs", sa.column("name"), sa.column("n"))
    op.bulk_insert(repairs, [{"name": name, "n": 0} for name in ("released", "rung", "unknown", "condemned")])
    for statement in TRIGGERS[op.get_bind().dialect.name]:
        op.execute(sa.text(statement.replace(":", "\\:")))


def create_core() -> None:
    op.create_table(
        "tasks",
        sa.Column("id", ID, primary_key=True, autoincrement=True),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("template", sa.String(128), nullable=False),
        sa.Column("subject", sa.String(255)),
        sa.Column("variables", sa.JSON, nullable=False),
        sa.Column("queue", sa.String(16), nullable=False),
        sa.Column("scheduled_at", TIME),
        sa.Column("zone", sa.String(64)),
        sa.Column("due_at", TIME, nullable=False),
        sa.Column("rung_at", TIME),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("started_at", TIME),
        sa.Column("ended_at", TIME),
        sa.Column("late_limit", sa.Integer),
        sa.Column("hold_after", TIME),
        sa.Column("held", sa.Boolean, nullable=False),
        sa.Column("on_unknown", sa.String(16), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("crashes", sa.Integer, nullable=False),
        sa.Column("token", sa.String(32)),
        sa.Column("lease_until", TIME),
        sa.Column("recipients", sa.Integer, nullable=False),
        sa.Column("sent", sa.Integer, nullable=False),
        sa.Column("failed", sa.Integer, nullable=False),
        sa.Column("unknown", sa.Integer, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("who", sa.String(320), nullable=False),
        sa.Column("why", sa.Text),
        sa.Column("idempotency_key", sa.String(255), unique=True),
        sa.Column("request_hash", sa.String(64)),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_tasks_unrung", "tasks", ["due_at"], sqlite_where=UNRUNG, postgresql_where=UNRUNG)
    op.create_index("ix_tasks_hold", "tasks", ["hold_after"], sqlite_where=LIMITED, postgresql_where=LIMITED)
    op.create_index("ix_tasks_status", "tasks", ["status", "id"])
    op.create_table(
        "deliveries",
        sa.Column("id", ID, primary_key=True, autoincrement=True),
        sa.Column("task_id", ID, sa.ForeignKey("tasks.id", ondelete="CASCADE"), nullable=False),
        sa.Column("address", ADDRESS, nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("variables", sa.JSON, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("token", sa.String(32)),
        sa.Column("due_at", TIME),
        sa.Column("message_id", sa.String(255), nullable=False),
        sa.Column("reply", sa.Text),
        sa.Column("updated_at", TIME, nullable=False),
        sa.UniqueConstraint("task_id", "address"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_deliveries_status", "deliveries", ["task_id", "status", "id"])
    op.create_index("ix_deliveries_address", "deliveries", ["address", "task_id"])
    op.create_table(
        "task_events",
        sa.Column("id", ID, primary_key=True, autoincrement=True),
        sa.Column("task_id", ID, sa.ForeignKey("tasks.id", ondelete="CASCADE"), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("from_status", sa.String(16)),
        sa.Column("to_status", sa.String(16), nullable=False),
        sa.Column("who", sa.String(320), nullable=False),
        sa.Column("why", sa.Text),
        sa.Column("address", ADDRESS),
    )
    op.create_index("ix_task_events_task", "task_events", ["task_id", "id"])
    op.create_table(
        "task_counts",
        sa.Column("status", sa.String(16), primary_key=True),
        sa.Column("shard", sa.Integer, primary_key=True),
        sa.Column("n", ID, nullable=False),
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("holder", sa.String(128), nullable=False),
        sa.Column("until", TIME, nullable=False),
    )
    op.create_table(
        "senders",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("paused_until", TIME),
        sa.Column("troubles", sa.Integer, nullable=False),
        sa.Column("gap", sa.Float, nullable=False),
        sa.Column("gap_until", TIME),
        sa.Column("reason", sa.Text),
    )
    op.create_table(
        "repairs",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("n", ID, nullable=False),
        sa.Column("last_at", TIME),
    )
    op.create_table(
        "workers",
        sa.Column("name", sa.String(128), primary_key=True),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("seen_at", TIME, nullable=False),
    )


def create_accounts() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("email", sa.String(320), nullable=False, unique=True),
        sa.Column("password_hash", sa.String(255)),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
    )
    op.create_table(
        "sign_in_links",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("user_id", sa.Integer, nullable=False),
        sa.Column("until", TIME, nullable=False),
    )
    op.create_table(
        "api_tokens",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(64), nullable=False, unique=True),
        sa.Column("digest", sa.String(64), nullable=False, unique=True),
        sa.Column("created_at", TIME, nullable=False),
    )


# On SQLite one row at a time. Writers are one at a time there, so the order of counts does not matter.
SQLITE_CLOCK = "strftime('%Y-%m-%d %H:%M:%f000', 'now')"
SQLITE = [
    f"""
    CREATE TRIGGER task_written AFTER INSERT ON tasks BEGIN
      INSERT INTO task_events (task_id, at, to_status, who, why)
        VALUES (NEW.id, {SQLITE_CLOCK}, NEW.status, NEW.who, NEW.why);
      UPDATE task_counts SET n = n + 1 WHERE status = NEW.status AND shard = NEW.id % {SHARDS};
    END""",
    f"""
    CREATE TRIGGER task_moved AFTER UPDATE OF status, scheduled_at, held ON tasks
      WHEN OLD.status <> NEW.status OR OLD.scheduled_at IS NOT NEW.scheduled_at OR OLD.held <> NEW.held BEGIN
      INSERT INTO task_events (task_id, at, from_status, to_status, who, why)
        VALUES (NEW.id, {SQLITE_CLOCK}, OLD.status, NEW.status, NEW.who, NEW.why);
      UPDATE task_counts SET n = n - 1 WHERE status = OLD.status AND shard = NEW.id % {SHARDS};
      UPDATE task_counts SET n = n + 1 WHERE status = NEW.status AND shard = NEW.id % {SHARDS};
    END""",
    f"""
    CREATE TRIGGER task_cancelled AFTER UPDATE OF status ON tasks
      WHEN NEW.status = 'cancelled' AND OLD.status <> 'cancelled' BEGIN
      UPDATE deliveries SET status = 'cancelled', updated_at = {SQLITE_CLOCK}
        WHERE task_id = NEW.id AND status = 'queued';
    END""",
    f"""
    CREATE TRIGGER task_deleted AFTER DELETE ON tasks BEGIN
      UPDATE task_counts SET n = n - 1 WHERE status = OLD.status AND shard = OLD.id % {SHARDS};
    END""",
    f"""
    CREATE TRIGGER delivery_moved AFTER UPDATE OF status ON deliveries
      WHEN OLD.status <> NEW.status AND NEW.status NOT IN ('sending', 'cancelled') BEGIN
      INSERT INTO task_events (task_id, at, from_status, to_status, who, why, address)
        SELECT NEW.task_id, {SQLITE_CLOCK}, OLD.status, NEW.status, who, NEW.reply, NEW.address
        FROM tasks WHERE id = NEW.task_id;
    END""",
]

# On Postgres once per statement: ten thousand rows promoted in one statement change each count once.
# The counts are locked in one order first, so that two transactions never wait for one another in a circle.
POSTGRES = [
    """
    CREATE FUNCTION task_count(changes jsonb) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM 1 FROM task_counts c WHERE (c.status, c.shard) IN
        (SELECT x->>0, (x->>1)::int FROM jsonb_array_elements(changes) x)
        ORDER BY c.status, c.shard FOR UPDATE;
      UPDATE task_counts c SET n = c.n + d.n FROM
        (SELECT x->>0 AS status, (x->>1)::int AS shard, sum((x->>2)::bigint) AS n
         FROM jsonb_array_elements(changes) x GROUP BY 1, 2) d
        WHERE c.status = d.status AND c.shard = d.shard AND d.n <> 0;
    END $$""",
    f"""
    CREATE FUNCTION task_written() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO task_events (task_id, at, to_status, who, why)
        SELECT id, clock_timestamp(), status, who, why FROM after ORDER BY id;
      PERFORM task_count((SELECT jsonb_agg(jsonb_build_array(status, shard, n)) FROM
        (SELECT status, id % {SHARDS} AS shard, count(*) AS n FROM after GROUP BY 1, 2) s));
      RETURN NULL;
    END $$""",
    f"""
    CREATE FUNCTION task_moved() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE changes jsonb;
    BEGIN
      SELECT jsonb_agg(jsonb_build_array(status, shard, n)) INTO changes FROM
        (SELECT m.status, m.shard, sum(m.n) AS n FROM
          (SELECT b.status, b.id % {SHARDS} AS shard, -1 AS n FROM before b JOIN after a USING (id)
             WHERE b.status <> a.status
           UNION ALL
           SELECT a.status, a.id % {SHARDS}, 1 FROM before b JOIN after a USING (id)
             WHERE b.status <> a.status) m GROUP BY 1, 2) s;
      INSERT INTO task_events (task_id, at, from_status, to_status, who, why)
        SELECT id, clock_timestamp(), b.status, a.status, a.who, a.why FROM before b JOIN after a USING (id)
        WHERE b.status <> a.status OR b.held <> a.held OR b.scheduled_at IS DISTINCT FROM a.scheduled_at
        ORDER BY id;
      IF changes IS NULL THEN RETURN NULL; END IF;
      PERFORM task_count(changes);
      UPDATE deliveries SET status = 'cancelled', updated_at = clock_timestamp()
        WHERE status = 'queued' AND task_id IN
          (SELECT id FROM before b JOIN after a USING (id) WHERE a.status = 'cancelled' AND b.status <> a.status);
      RETURN NULL;
    END $$""",
    f"""
    CREATE FUNCTION task_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE changes jsonb;
    BEGIN
      SELECT jsonb_agg(jsonb_build_array(status, shard, n)) INTO changes FROM
        (SELECT status, id % {SHARDS} AS shard, -count(*) AS n FROM before GROUP BY 1, 2) s;
      IF changes IS NOT NULL THEN PERFORM task_count(changes); END IF;
      RETURN NULL;
    END $$""",
    """
    CREATE FUNCTION delivery_moved() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO task_events (task_id, at, from_status, to_status, who, why, address)
        SELECT a.task_id, clock_timestamp(), b.status, a.status, t.who, a.reply, a.address
        FROM before b JOIN after a USING (id) JOIN tasks t ON t.id = a.task_id
        WHERE b.status <> a.status AND a.status NOT IN ('sending', 'cancelled') ORDER BY a.id;
      RETURN NULL;
    END $$""",
    "CREATE TRIGGER task_written AFTER INSERT ON tasks REFERENCING NEW TABLE AS after"
    " FOR EACH STATEMENT EXECUTE FUNCTION task_written()",
    "CREATE TRIGGER task_moved AFTER UPDATE ON tasks REFERENCING OLD TABLE AS before NEW TABLE AS after"
    " FOR EACH STATEMENT EXECUTE FUNCTION task_moved()",
    "CREATE TRIGGER task_deleted AFTER DELETE ON tasks REFERENCING OLD TABLE AS before"
    " FOR EACH STATEMENT EXECUTE FUNCTION task_deleted()",
    "CREATE TRIGGER delivery_moved AFTER UPDATE ON deliveries REFERENCING OLD TABLE AS before NEW TABLE AS after"
    " FOR EACH STATEMENT EXECUTE FUNCTION delivery_moved()",
]
TRIGGERS = {"sqlite": SQLITE, "postgresql": POSTGRES}


def downgrade() -> None:
    for table in ("api_tokens", "sign_in_links", "users", "workers", "repairs", "senders", "leases"):
        op.drop_table(table)
    for table in ("task_counts", "task_events", "deliveries", "tasks"):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        for function in ("task_written", "task_moved", "task_deleted", "delivery_moved", "task_count"):
            op.execute(f"DROP FUNCTION {function}")
