"""Every filter goes by an index, on both databases, and finds what looking at every row would find."""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from typing import Any

import pytest
from sqlalchemy import Engine, Select, insert, select, text

from app.db import Database
from app.tasks import export, filter, queries, search
from app.tasks.books import Fault
from app.tasks.model import Delivery, Task
from app.tasks.queries import Filter
from tests.integration.sending.conftest import new_database

TASKS = 20_000
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
LONG_AGO = 6_000
"""Of the oldest tasks every second one has a title, an address and a cause of failure that no other has."""

STATUSES = ("finished",) * 90 + ("failed",) * 5 + ("scheduled",) * 2 + ("queued", "started", "cancelled")

TABS = [Filter(status=status) for status in (None, "scheduled", "sending", "finished", "failed", "attention", "queued")]
SINGLE = [
    Filter(template="email/welcome"), Filter(template="email/rare"), Filter(by="anna"), Filter(by="nobody"),
    Filter(q="mina"), Filter(q="user"), Filter(q="nobody"), Filter(subject="invoice 1"), Filter(subject="welcome"),
    Filter(fault=2), Filter(fault=3), Filter(since=BEGAN + timedelta(days=9)), Filter(until=BEGAN + timedelta(days=1)),
    Filter(since=BEGAN + timedelta(days=3), until=BEGAN + timedelta(days=4)),
]  # fmt: skip
PAIRS = [
    Filter(status="sending", q="user"), Filter(status="failed", template="email/rare"), Filter(fault=2, q="user"),
    Filter(status="finished", by="anna"), Filter(status="attention", subject="welcome"), Filter(q="mina", by="anna"),
    Filter(status="sending", since=BEGAN + timedelta(days=9)), Filter(template="email/welcome", by="token billing"),
    Filter(subject="invoice", template="email/rare"), Filter(q="user", until=BEGAN + timedelta(days=1)),
]  # fmt: skip
OLD = [
    Filter(q="party"), Filter(subject="party"), Filter(fault=4), Filter(status="failed", fault=4),
    Filter(status="sending", q="party"), Filter(status="failed", subject="party"), Filter(q="party", subject="party"),
    Filter(template="email/welcome", q="party"), Filter(fault=4, q="party"), Filter(by="anna", fault=4),
    Filter(status="attention", q="party", fault=4), Filter(status="scheduled", fault=4),
    Filter(q="party", since=BEGAN + timedelta(days=1)), Filter(subject="party", until=BEGAN + timedelta(days=1)),
    Filter(fault=4, since=BEGAN + timedelta(days=1)), Filter(fault=4, until=BEGAN + timedelta(days=1)),
]  # fmt: skip
ALL = [*TABS, *SINGLE, *PAIRS, *OLD]


def task(number: int, chance: random.Random) -> dict[str, Any]:
    title = f"{'Party' if is_old(number) else chance.choice(['Welcome', 'Invoice'])} {number}"
    status = chance.choice(STATUSES)
    return {
        "id": number, "status": status, "queue": "default", "due_at": BEGAN, "recipients": 1, "who": "x",
        "template": chance.choice(["email/welcome"] * 40 + ["email/reminder"] * 9 + ["email/rare"]),
        "created_at": BEGAN + timedelta(minutes=number), "title": title, "title_key": title.casefold(),
        "created_by": chance.choice(["admin@postdate.local", "token billing"] * 50 + ["anna"]),
        "attention": status == "failed" and chance.random() < 0.1,
    }  # fmt: skip


def is_old(number: int) -> bool:
    return number < LONG_AGO and number % 2 == 0


def delivery(task: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    number, name = task["id"], chance.choice(["User"] * 5 + ["user"] * 90 + ["Mina"] + ["mina"])
    fault = chance.choice([2] * 9 + [3]) if task["status"] == "failed" else None
    if is_old(number):
        name, fault = "Party", 4
    return {"task_id": number, "address": f"{name}{number}@example.com", "message_id": "m", "fault_id": fault}


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """The same one for all tests: nobody changes it."""
    with new_database(request, tmp_path_factory.mktemp("filled")) as url:
        database = Database(url)
        fill(database)
        yield database
        database.close()


def fill(database: Database) -> None:
    chance = random.Random(7)
    tasks = [task(number, chance) for number in range(1, TASKS + 1)]
    with database.writing() as db:
        if database.engine.dialect.name == "postgresql":
            db.execute(text("SET LOCAL session_replication_role = replica"))  # no events: quicker, and nobody looks
        db.execute(
            insert(Fault),
            [{"id": 2, "words": "550", "n": 0}, {"id": 3, "words": "552", "n": 0}, {"id": 4, "words": "554", "n": 0}],
        )
        db.execute(insert(Task), tasks)
        db.execute(insert(Delivery), [delivery(each, chance) for each in tasks])
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE" if database.engine.dialect.name == "postgresql" else "SELECT 1"))


def plan(engine: Engine, statement: Select[Any]) -> list[str]:
    """What the database does for it: each step on a table of ours that it carried out, in its words."""
    asked = str(statement.compile(engine, compile_kwargs={"literal_binds": True}))
    with engine.connect() as db:
        if engine.dialect.name == "sqlite":
            return [str(row[3]) for row in db.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked}")]
        found = db.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {asked}".replace("%%", "%")).scalar_one()
    return list(carried_out(found[0]["Plan"]))


def carried_out(node: dict[str, Any]) -> Iterator[str]:
    if node["Actual Loops"]:
        yield f"{node['Node Type']} {node.get('Relation Name', '')} {node['Actual Rows']:.0f}"
        for below in node.get("Plans", []):
            yield from carried_out(below)


def test_every_filter_goes_by_an_index(filled: Database) -> None:
    for asked in ALL:
        steps = plan(filled.engine, queries.tasks(asked))
        assert [step for step in steps if step in ("SCAN tasks", "SCAN deliveries") or "Seq Scan" in step] == [], asked


def test_an_export_goes_by_an_index_and_reads_a_large_task_in_order(filled: Database) -> None:
    some = range(TASKS - export.TASKS, TASKS)
    statements = [export.tasks(asked, TASKS + 1) for asked in ALL]
    statements += [export.recipients(asked, some) for asked in (Filter(), Filter(q="user"), Filter(fault=2))]
    for statement in statements:
        steps = plan(filled.engine, statement)
        assert [step for step in steps if step in ("SCAN tasks", "SCAN deliveries") or "Seq Scan" in step] == [], steps
    large = plan(filled.engine, export.recipients(Filter(), [TASKS], "a"))
    assert not any("Sort" in step or "TEMP B-TREE" in step for step in large), large


def test_a_tab_is_read_in_the_order_in_which_it_is_shown(filled: Database) -> None:
    """What is sorted is a page at most, or one of each status."""
    for asked in [*TABS, Filter(template="email/welcome"), Filter(by="admin@postdate.local")]:
        steps = plan(filled.engine, queries.tasks(asked))
        if filled.engine.dialect.name == "sqlite":
            # The page itself and what SQLite unites are sorted; what is read from tasks is not.
            inner = json.dumps(steps[1:]).partition("SCAN")[0]
            assert "TEMP B-TREE" not in inner, (asked, steps)
        else:
            assert all(int(step.split()[-1]) <= 2 * (queries.PAGE + 1) for step in steps if "Sort" in step), (
                asked,
                steps,
            )


def work(engine: Engine, statement: Select[Any]) -> int:
    """How much the database does for it: SQLite's steps in hundreds, or the pages that Postgres looks at."""
    asked, steps = str(statement.compile(engine, compile_kwargs={"literal_binds": True})), [0]
    with engine.connect() as db:
        if engine.dialect.name == "sqlite":
            driver: Any = db.connection.driver_connection
            driver.set_progress_handler(lambda: steps.append(1), 100)
            driver.execute(asked).fetchall()
            driver.set_progress_handler(None, 0)
            return len(steps)
        found = db.exec_driver_sql(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {asked}".replace("%%", "%")).scalar_one()
    return int(found[0]["Plan"]["Shared Hit Blocks"] + found[0]["Plan"]["Shared Read Blocks"])


MOST_WORK = {"sqlite": 1_500, "postgresql": 4_000}
"""To walk to what is of long ago would take 2,700 on SQLite, and 50,000 on Postgres."""


def test_what_is_of_long_ago_is_not_walked_to(filled: Database) -> None:
    """Some of the newest tasks are looked at; and then its index is asked, and no other task."""
    for asked in (Filter(q="party"), Filter(subject="party"), Filter(fault=4), Filter(status="failed", fault=4)):
        done = work(filled.engine, search.ids(asked, queries.PAGE + 1, 300))
        assert done < MOST_WORK[filled.engine.dialect.name], (asked, done)


def fits(asked: Filter, task: Task, delivery: Delivery) -> bool:
    """The same, decided row by row."""
    statuses = filter.STATUSES.get(asked.status or "", (asked.status,))
    return all((
        asked.status is None or (task.attention if asked.status == "attention" else task.status in statuses),
        asked.template in (None, task.template),
        asked.by in (None, task.created_by),
        delivery.address.lower().startswith(asked.q or ""),
        task.title_key.startswith(asked.subject or ""),
        asked.fault in (None, delivery.fault_id),
        asked.since is None or task.created_at >= asked.since,
        asked.until is None or task.created_at < asked.until,
        asked.cursor is None or task.id < asked.cursor,
    ))  # fmt: skip


def test_the_statement_finds_what_looking_at_every_row_finds(filled: Database) -> None:
    with filled.reading() as db:
        every = db.execute(select(Task, Delivery).join(Delivery, Delivery.task_id == Task.id).order_by(-Task.id)).all()
        for asked, cursor in zip(ALL, cycle((None, 4_000)), strict=False):
            wanted = Filter(**{**vars(asked), "cursor": cursor})
            fitting = [*islice((t.id for t, d in every if fits(wanted, t, d)), queries.PAGE + 1)]
            for few in (1, 300, 5_000):  # whichever way leads, the same tasks are found
                assert db.scalars(search.ids(wanted, queries.PAGE + 1, few)).all() == fitting, (few, wanted)
