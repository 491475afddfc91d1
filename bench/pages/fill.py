"""A database filled as if a year had passed: the rows, and what the triggers would have kept of them."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Index, TextClause, create_engine, text

from app.tasks.model import Delivery, Task, TaskEvent
from bench.pages.rows import FAULTS, Year, deliveries, events, tasks

PORTION = 200_000
TABLES: list[Any] = [model.__table__ for model in (Task, Delivery, TaskEvent)]

AT = {"sqlite": "strftime('%Y-%m-%d %H:%M:%f000', {}, 'unixepoch')", "postgresql": "to_timestamp({})"}
HOUR = {"sqlite": "strftime('%Y-%m-%d %H:00:00.000000', {})", "postgresql": "date_trunc('hour', {}, 'UTC')"}
LATE = {
    "sqlite": "CAST(round((julianday(started_at) - julianday(due_at)) * 86400000) AS INTEGER)",
    "postgresql": "CAST(extract(epoch FROM started_at - due_at) * 1000 AS bigint)",
}
DIGEST = {"sqlite": "zeroblob(32)", "postgresql": "decode(repeat('00', 32), 'hex')"}
SHARD = {"sqlite": "0", "postgresql": "id % 8"}
QUICK = {
    "sqlite": ("PRAGMA journal_mode = OFF", "PRAGMA synchronous = OFF", "PRAGMA foreign_keys = OFF"),
    "postgresql": ("SET session_replication_role = replica", "SET synchronous_commit = off", "SET work_mem = '512MB'",
                   "SET maintenance_work_mem = '1GB'"),
}  # fmt: skip
USUAL = {"sqlite": "PRAGMA journal_mode = WAL", "postgresql": "VACUUM ANALYZE"}
"""What a database is like after a while: Postgres finds out about its tables by itself."""


def fill(url: str, size: int) -> Year:
    """Store so many tasks into an empty database."""
    year, engine = Year(size, int(time.time()) - Year.length), create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        kind = connection.dialect.name
        for setting in QUICK[kind]:
            connection.execute(text(setting))
        with _bare(connection):
            for statement in _all(year, kind):
                connection.execute(_plain(statement))
        connection.execute(text(USUAL[kind]))
    engine.dispose()
    return year


def _all(year: Year, kind: str) -> Iterator[str]:
    yield from _causes()
    for low in range(1, year.size + 1, PORTION):
        high = min(low + PORTION, year.size + 1)
        yield tasks(year, low, high, AT[kind])
        yield deliveries(year, low, high, DIGEST[kind])
        yield events(low, high)
    yield from _sums(kind)
    if kind == "postgresql":
        yield "SELECT setval(pg_get_serial_sequence('tasks', 'id'), (SELECT max(id) FROM tasks))"


@contextmanager
def _bare(connection: Connection) -> Iterator[None]:
    """Without indexes, and without triggers, which Postgres has put to sleep; all are there again afterwards."""
    triggers: list[Any] = []
    if connection.dialect.name == "sqlite":
        triggers = list(connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")))
    for trigger in triggers:
        connection.execute(text(f"DROP TRIGGER {trigger.name}"))
    indexes: list[Index] = [index for table in TABLES for index in table.indexes]
    for index in indexes:
        index.drop(connection)
    yield
    for index in indexes:
        index.create(connection)
    for trigger in triggers:
        connection.execute(_plain(trigger.sql))


def _plain(statement: str) -> TextClause:
    return text(statement.replace(":", "\\:"))


def _causes() -> Iterator[str]:
    """Beside the first one, which is there already; and the one edition of the templates."""
    yield "INSERT INTO editions (id, digest, source) VALUES (1, '0', '{}')"
    for n in range(2, FAULTS + 3):
        words = f"55{n % 5} 5.{n % 8}.{n % 3} what is wrong with a recipient of the kind {n}"
        yield f"INSERT INTO faults (id, words, n) VALUES ({n}, '{words}', 0)"


def _sums(kind: str) -> Iterator[str]:
    """What the triggers keep, from the rows."""
    yield """
    UPDATE task_counts SET n = t.n FROM
      (SELECT status AS what, id % 16 AS shard, count(*) AS n FROM tasks GROUP BY 1, 2
       UNION ALL SELECT 'attention', id % 16, count(*) FROM tasks WHERE attention GROUP BY 2) t
      WHERE t.what = task_counts.status AND t.shard = task_counts.shard"""
    became = ", ".join(
        f"CASE status WHEN '{each}' THEN 1 ELSE 0 END AS {each}" for each in ("sent", "failed", "unknown")
    )
    yield f"""
    INSERT INTO hours (hour, shard, sent, failed, unknown, started, late_ms, latest_ms)
      SELECT hour, shard, sum(sent), sum(failed), sum(unknown), sum(started), sum(late), max(late) FROM
        (SELECT {HOUR[kind].format("updated_at")} AS hour, {SHARD[kind]} AS shard, {became}, 0 AS started, 0 AS late
           FROM deliveries WHERE status IN ('sent', 'failed', 'unknown')
         UNION ALL SELECT {HOUR[kind].format("started_at")}, {SHARD[kind]}, 0, 0, 0, 1, {LATE[kind]}
           FROM tasks WHERE started_at IS NOT NULL) e GROUP BY 1, 2"""
    yield """
    UPDATE faults SET n = f.n, first_at = f.first_at, last_at = f.last_at FROM
      (SELECT fault_id, count(*) AS n, min(updated_at) AS first_at, max(updated_at) AS last_at FROM deliveries
       WHERE fault_id IS NOT NULL GROUP BY 1) f
      WHERE f.fault_id = faults.id"""
