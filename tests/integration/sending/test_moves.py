"""Every move on the real databases: who may make it, from where, and what it leaves on record."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import IntegrityError

from app.db import now
from app.tasks import lifecycle, queries, reconcile
from app.tasks.model import Delivery, Task, TaskEvent
from tests.parts import Office

LATER = datetime.now(UTC) + timedelta(days=1)


def move(office: Office, *statements: Any) -> Sequence[Any]:
    """Make moves in one transaction; what the first returned."""
    with office.database.writing() as db:
        results = [db.execute(statement) for statement in statements]
        return results[0].all() if getattr(results[0], "returns_rows", True) else []


def claim(office: Office, task_id: int, attempt: int = 0, token: str = "token") -> Sequence[Any]:
    return move(office, lifecycle.claim(task_id, attempt, token, "worker"))


def test_of_many_claims_one_succeeds(office: Office) -> None:
    task_id = office.submit()
    with ThreadPoolExecutor(10) as pool:
        claims = [*pool.map(lambda n: claim(office, task_id, 0, f"t{n}"), range(10))]
    assert sum(len(each) for each in claims) == 1


def test_a_stale_ring_claims_nothing(office: Office) -> None:
    task_id = office.submit()
    assert not claim(office, task_id, attempt=1)
    claim(office, task_id)
    move(office, lifecycle.give_back(task_id, "token", "why"))
    assert not claim(office, task_id, attempt=0)
    assert claim(office, task_id, attempt=1)


def test_nothing_is_claimed_or_promoted_before_it_is_due(office: Office) -> None:
    task_id = office.submit(at=LATER)
    assert not move(office, lifecycle.promote())
    assert not move(office, lifecycle.promote(task_id=task_id))
    assert not claim(office, task_id)
    assert office.status(task_id) == "scheduled"


def test_promotion_takes_what_is_due_once(office: Office) -> None:
    soon = datetime.now(UTC) - timedelta(seconds=1)
    tasks = {office.submit(at=soon, rings=False) for _ in range(25)}
    first = move(office, lifecycle.promote(limit=20))
    second = move(office, lifecycle.promote(limit=20))
    assert (len(first), len(second)) == (20, 5)
    assert {row.id for row in [*first, *second]} == tasks
    assert not move(office, lifecycle.promote())


def test_a_lost_lease_can_write_nothing(office: Office) -> None:
    task_id = office.submit(3)
    claim(office, task_id, token="old")
    marked = move(office, lifecycle.mark(task_id, "old", 2))
    move(office, update(Task).values(lease_until=now(-1)))
    assert move(office, lifecycle.release(task_id, "old"), lifecycle.lose(task_id, "old"))
    claim(office, task_id, attempt=1, token="new")
    assert not move(office, lifecycle.keep(task_id, "old", sent=2))
    assert not move(office, lifecycle.mark(task_id, "old"))
    assert not move(office, lifecycle.settle(task_id, "old"))
    assert not move(office, lifecycle.give_back(task_id, "old", "why"))
    with office.database.writing() as db:
        answer = {"of": marked[0].id, "to": "sent", "said": "250 late", "fault": None, "wait": None}
        db.execute(lifecycle.record("old", [answer]))
    statuses = [status for (status,) in office.all(select(Delivery.status).order_by(Delivery.id))]
    assert statuses == ["unknown", "unknown", "queued"]


def test_a_lease_that_still_holds_is_not_released(office: Office) -> None:
    task_id = office.submit()
    claim(office, task_id)
    assert not office.all(reconcile.expired())
    assert not move(office, lifecycle.release(task_id, "token"))


@pytest.mark.parametrize("seconds", [None, 3600])
def test_cancelling_ends_what_waits_and_nothing_else(office: Office, seconds: int | None) -> None:
    task_id = office.submit(3, at=LATER if seconds else None)
    assert move(office, lifecycle.cancel(task_id, "boss"))
    assert not move(office, lifecycle.cancel(task_id, "boss"))
    assert not claim(office, task_id)
    assert office.all(select(Delivery.status).distinct()) == [("cancelled",)]
    (event,) = [e for (e,) in office.all(queries.events(task_id)) if e.to_status == "cancelled"]
    assert event.who == "boss"


def test_a_started_task_can_neither_be_cancelled_nor_rescheduled(office: Office) -> None:
    task_id = office.submit()
    claim(office, task_id)
    assert not move(office, lifecycle.cancel(task_id, "boss"))
    assert not move(office, lifecycle.reschedule(task_id, LATER, None, "boss"))


def test_rescheduling_is_on_record_also_where_the_status_stays(office: Office) -> None:
    task_id = office.submit(at=LATER)
    assert move(office, lifecycle.reschedule(task_id, LATER + timedelta(hours=1), "Asia/Seoul", "boss"))
    events = [e for (e,) in office.all(queries.events(task_id))]
    assert [(e.from_status, e.to_status, e.who) for e in events] == [
        (None, "scheduled", "tester"),
        ("scheduled", "scheduled", "boss"),
    ]
    assert "Asia/Seoul" in events[1].why
    assert {status: int(n) for status, n in office.all(queries.counts()) if n} == {"scheduled": 1}


def test_ended_states_are_sticky(office: Office) -> None:
    task_id = office.submit()
    claim(office, task_id)
    marked = move(office, lifecycle.mark(task_id, "token"))
    with office.database.writing() as db:
        answers = [{"of": each.id, "to": "sent", "said": "250 ok", "fault": None, "wait": None} for each in marked]
        db.execute(lifecycle.record("token", answers))
    assert move(office, lifecycle.settle(task_id, "token"))
    for statement in (
        lifecycle.settle(task_id, "token"),
        lifecycle.give_back(task_id, "token", "why"),
        lifecycle.cancel(task_id, "boss"),
        lifecycle.retry(task_id, "boss"),
        lifecycle.reschedule(task_id, LATER, None, "boss"),
        lifecycle.promote(task_id=task_id),
        lifecycle.claim(task_id, 1, "x", "worker"),
    ):
        assert not move(office, statement)
    assert office.status(task_id) == "finished"


def test_the_office_of_the_timekeeper_has_one_holder_at_a_time(office: Office) -> None:
    assert move(office, reconcile.hold_office("a"))
    assert move(office, reconcile.hold_office("a"))
    assert not move(office, reconcile.hold_office("b"))
    move(office, reconcile.leave_office("a"))
    assert move(office, reconcile.hold_office("b"))


def test_an_address_is_once_in_a_task(office: Office) -> None:
    task_id = office.submit(["a@example.com"])
    with pytest.raises(IntegrityError), office.database.writing() as db:
        db.add(Delivery(task_id=task_id, address="a@example.com", message_id="<x@example.com>"))


def test_deleting_a_task_takes_its_rows_and_its_count_along(office: Office) -> None:
    task_id = office.submit(3)
    move(office, text(f"DELETE FROM tasks WHERE id = {task_id}"))
    assert office.one(select(func.count()).select_from(Delivery))[0] == 0
    assert office.one(select(func.count()).select_from(TaskEvent))[0] == 0
    assert not [status for status, n in office.all(queries.counts()) if n]


def test_a_time_without_a_zone_is_refused(office: Office) -> None:
    with pytest.raises(Exception, match="a time without a zone"):
        office.submit(at=datetime(2030, 1, 1))  # noqa: DTZ001


def test_the_databases_clock_is_ours_and_exact_to_the_millisecond(office: Office) -> None:
    before = datetime.now(UTC)
    theirs, later = office.one(select(now(), now(90.5)))
    assert before - timedelta(milliseconds=2) <= theirs <= datetime.now(UTC)
    assert timedelta(seconds=90.4) < later - theirs < timedelta(seconds=90.6)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_promoters_questions_are_answered_from_its_index(office: Office) -> None:
    """On SQLite a partial index is used only where the query says the same as the index; Postgres has its own mind."""
    for question in (reconcile.next_due(), lifecycle.promote()):
        compiled = question.compile(office.database.engine, compile_kwargs={"literal_binds": True})
        with office.database.reading() as db:
            plan = " ".join(row[3] for row in db.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}"))
        assert "ix_tasks_unrung" in plan, plan
