"""Undo on the real databases: everything is as it was before, a stale one moves nothing, and mail goes out once."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from app.db import now
from app.mail.addresses import parse
from app.tasks import lifecycle, queries
from app.tasks.model import Delivery, Task
from app.tasks.request import Recipient, Request
from tests.integration.sending.test_moves import LATER, claim, move
from tests.parts import Office

NOON = LATER + timedelta(hours=3)


def row(office: Office, task_id: int) -> dict[str, Any]:
    return dict(office.one(select(Task.__table__).where(Task.id == task_id))._mapping)


def plan(office: Office, task_id: int) -> lifecycle.Plan:
    return lifecycle.Plan(*office.one(lifecycle.plan(task_id)))


def cancel_and_undo(office: Office, task_id: int) -> None:
    (moved,) = move(office, lifecycle.cancel(task_id, "boss"))
    restore = lifecycle.restore(task_id, "boss", cancelled_at=moved.ended_at)
    assert move(office, restore, lifecycle.requeue_cancelled(task_id))
    assert not move(office, restore), "once"


@pytest.mark.parametrize("at", [LATER, None], ids=["scheduled", "queued"])
def test_a_cancelled_task_is_as_it_was_and_only_its_own_event_tells_of_it(office: Office, at: datetime | None) -> None:
    task_id = office.submit(3, at=at)
    before = row(office, task_id)
    cancel_and_undo(office, task_id)
    changed = {name for name, value in row(office, task_id).items() if value != before[name]}
    assert changed <= {"who", "why", "rung_at"}
    assert office.all(select(Delivery.status).distinct()) == [("queued",)]
    events = [(e.from_status, e.to_status, e.who, e.why) for (e,) in office.all(queries.events(task_id))][1:]
    was = before["status"]
    assert events == [(was, "cancelled", "boss", None), ("cancelled", was, "boss", "Undone.")]
    assert {status: int(n) for status, n in office.all(queries.counts()) if n} == {was: 1}


def test_what_was_sent_before_stays_sent_and_the_rest_comes_back(office: Office) -> None:
    task_id = office.submit(3)
    claim(office, task_id)
    marked = move(office, lifecycle.mark(task_id, "token", 1))
    with office.database.writing() as db:
        answer = {"of": marked[0].id, "to": "sent", "said": "250 ok", "fault": None, "wait": None}
        db.execute(lifecycle.record("token", [answer]))
        db.execute(lifecycle.give_back(task_id, "token", "why"))
    cancel_and_undo(office, task_id)
    assert [status for (status,) in office.all(select(Delivery.status).order_by(Delivery.id))] == [
        "sent", "queued", "queued",
    ]  # fmt: skip
    assert office.status(task_id) == "queued"


def test_after_a_decision_about_what_is_unknown_a_cancelled_task_is_cancelled_and_can_come_back(office: Office) -> None:
    task_id = office.submit(3)
    claim(office, task_id)
    (marked, *_) = move(office, lifecycle.mark(task_id, "token", 1))
    with office.database.writing() as db:
        unheard = {"of": marked.id, "to": "unknown", "said": "no reply", "fault": None, "wait": None}
        db.execute(lifecycle.record("token", [unheard]))
        db.execute(lifecycle.keep(task_id, "token", unknown=1))
        db.execute(lifecycle.give_back(task_id, "token", "why"))
    assert move(office, lifecycle.cancel(task_id, "boss"))
    assert row(office, task_id)["attention"], "what is unknown still needs a person"
    assert move(office, lifecycle.decide(task_id, "boss", "arrived"), lifecycle.arrived(task_id))
    claim(office, task_id, attempt=1)
    (settled,) = move(office, lifecycle.settle(task_id, "token"))
    now_ = row(office, task_id)
    assert (settled.status, now_["sent"], now_["unknown"], now_["attention"]) == ("cancelled", 1, 0, False)
    assert move(office, lifecycle.restore(task_id, "boss"), lifecycle.requeue_cancelled(task_id))
    assert office.status(task_id) == "queued", "and not started: no worker has it"
    assert [status for (status,) in office.all(select(Delivery.status).order_by(Delivery.id))] == [
        "sent", "queued", "queued",
    ]  # fmt: skip


def test_what_is_undone_after_its_limit_goes_out_as_was_promised(office: Office) -> None:
    cancelled, moved = (office.submit(at=LATER, late_limit=900) for _ in range(2))
    for task_id in (cancelled, moved):
        move(office, update(Task).where(Task.id == task_id).values(due_at=now(-7200), hold_after=now(-6300)))
    was = plan(office, moved)
    cancel_and_undo(office, cancelled)
    move(office, lifecycle.reschedule(moved, LATER, "Asia/Seoul", "boss"))
    assert move(office, lifecycle.replan(moved, was, 0, LATER, "boss"))
    assert not move(office, lifecycle.hold_late())
    assert {row.id for row in move(office, lifecycle.promote())} == {cancelled, moved}
    assert claim(office, cancelled)


def test_a_later_cancelling_is_not_undone_by_an_earlier_button(office: Office) -> None:
    task_id = office.submit(at=LATER)
    (first,) = move(office, lifecycle.cancel(task_id, "boss"))
    again = lifecycle.restore(task_id, "boss", cancelled_at=first.ended_at)
    assert move(office, again)
    move(office, update(Task).values(ended_at=now(5)))
    move(office, lifecycle.cancel(task_id, "somebody else"))
    move(office, update(Task).values(ended_at=now(5)))
    assert not move(office, again)
    assert office.status(task_id) == "cancelled"


@pytest.mark.parametrize("name", ["reschedule", "now", "held"])
def test_another_moment_is_taken_back(office: Office, name: str) -> None:
    task_id = office.submit(at=LATER, late_limit=3600)
    if name == "held":
        move(office, update(Task).values(hold_after=now(-60), due_at=now(-3660)))
        move(office, lifecycle.hold_late())
    before, was = row(office, task_id), plan(office, task_id)
    act = lifecycle.send_now(task_id, "boss") if name == "now" else lifecycle.reschedule(task_id, NOON, "UTC", "boss")
    (moved,) = move(office, act)
    assert row(office, task_id)["due_at"] != before["due_at"]
    back = lifecycle.replan(task_id, was, moved.attempt, moved.due_at, "boss")
    assert move(office, back)
    after = row(office, task_id)
    assert {name for name, value in after.items() if value != before[name]} <= {"who", "why", "rung_at"}
    assert (after["rung_at"] is None) is not after["held"]
    assert not move(office, back), "once"
    assert not move(office, lifecycle.promote()), "not early"


def test_what_a_worker_has_begun_is_not_given_another_moment_by_an_undo(office: Office) -> None:
    task_id = office.submit(at=LATER)
    was = plan(office, task_id)
    (moved,) = move(office, lifecycle.send_now(task_id, "boss"))
    move(office, lifecycle.promote())
    claim(office, task_id)
    back = lifecycle.replan(task_id, was, moved.attempt, moved.due_at, "boss")
    assert not move(office, back)
    move(office, lifecycle.give_back(task_id, "token", "why"))
    assert not move(office, back), "what was begun goes on"


def test_what_has_been_edited_since_keeps_its_moment(office: Office) -> None:
    task_id = office.submit(at=LATER, late_limit=3600)
    was = plan(office, task_id)
    (moved,) = move(office, lifecycle.reschedule(task_id, NOON, "UTC", "boss"))
    request = Request(
        "email/welcome", [Recipient(parse("new@example.com"))], "boss", scheduled_at=NOON, key="form:1:key"
    )
    move(office, lifecycle.edit(task_id, request, lifecycle.Version(moved.due_at, None), ["To"]))
    assert not move(office, lifecycle.replan(task_id, was, moved.attempt, moved.due_at, "boss"))
    assert row(office, task_id)["hold_after"] is None


def test_what_was_cancelled_and_restored_past_its_time_is_sent_once(office: Office) -> None:
    with office.worker():
        task_id = office.submit(4, at=datetime.now(UTC) + timedelta(seconds=0.4))
        (moved,) = move(office, lifecycle.cancel(task_id, "boss"))
        office.rings.take_back([tuple(moved)[:3]])
        other = office.submit(["x@example.com"], at=datetime.now(UTC) + timedelta(seconds=0.8))
        assert office.wait_for(other) == "finished"
        assert office.status(task_id) == "cancelled"
        move(office, lifecycle.restore(task_id, "boss"), lifecycle.requeue_cancelled(task_id))
        assert office.wait_for(task_id) == "finished"
    assert office.sink.addresses == {f"r{n}@example.com": 1 for n in range(4)} | {"x@example.com": 1}
