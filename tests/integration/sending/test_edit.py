"""Editing on the real databases: what waits says something else afterwards, nobody's work is overwritten unseen, and
whoever is first, the worker or the editor, what goes out is whole and goes out once."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from app.db import now
from app.mail.addresses import parse
from app.tasks import lifecycle, queries
from app.tasks.model import Delivery, Task
from app.tasks.request import Recipient, Request
from app.tasks.submit import new_deliveries, titled
from tests.integration.sending.test_moves import LATER, claim, move
from tests.parts import Office

WHOLE = LATER.replace(microsecond=0)  # to the second: SQLite adds in milliseconds
PEOPLE = [Recipient(parse(each)) for each in ("new@example.com", "other@example.com")]
OTHER = Request("email/welcome", PEOPLE, "boss", {"name": "Lee"}, "Hello {{ name }}", "high", key="form:1:key",
                digest="0" * 64)  # fmt: skip


def seen(office: Office, task_id: int) -> lifecycle.Version:
    return lifecycle.Version(*office.one(lifecycle.version(task_id)))


def edit(office: Office, task_id: int, version: lifecycle.Version, **changed: Any) -> bool:
    """As the page does it; whether it moved."""
    request = titled(replace(OTHER, **changed), office.templates)
    with office.database.writing() as db:
        moved = db.execute(lifecycle.edit(task_id, request, version, ["To", "Subject"])).first()
        if moved:
            db.execute(lifecycle.clear(task_id))
            db.execute(new_deliveries(request, task_id, "example.com"))
    return moved is not None


def row(office: Office, task_id: int) -> dict[str, Any]:
    return dict(office.one(select(Task.__table__).where(Task.id == task_id))._mapping)


def addresses(office: Office) -> Sequence[str]:
    return [address for (address,) in office.all(select(Delivery.address).order_by(Delivery.id))]


@pytest.mark.parametrize("before", [LATER, None], ids=["scheduled", "queued"])
@pytest.mark.parametrize("after", [LATER + timedelta(hours=1), None], ids=["for later", "for now"])
def test_it_is_the_same_task_and_says_something_else(
    office: Office, before: datetime | None, after: datetime | None
) -> None:
    task_id = office.submit(3, at=before, late_limit=900)
    old = {message_id for (message_id,) in office.all(select(Delivery.message_id))}
    assert edit(office, task_id, seen(office, task_id), scheduled_at=after, zone="Asia/Seoul" if after else None)
    task = row(office, task_id)
    assert task["status"] == ("scheduled" if after else "queued")
    assert (task["subject"], task["title"], task["title_key"]) == ("Hello {{ name }}", "Hello Lee", "hello lee")
    assert (task["variables"], task["queue"], task["recipients"]) == ({"name": "Lee"}, "high", 2)
    assert (task["scheduled_at"], task["late_limit"], task["hold_after"]) == (after, None, None)
    assert (task["rung_at"] is None) is (after is not None)
    assert addresses(office) == ["new@example.com", "other@example.com"]
    assert not old & {message_id for (message_id,) in office.all(select(Delivery.message_id))}, "another message"
    event = office.all(queries.events(task_id))[-1][0]
    assert (event.who, event.why) == ("boss", "Edited: To, Subject")
    assert (event.from_status, event.to_status) == ("scheduled" if before else "queued", task["status"])
    assert {status: int(n) for status, n in office.all(queries.counts()) if n} == {task["status"]: 1}


def test_an_edit_of_the_subject_alone_is_an_event(office: Office) -> None:
    task_id = office.submit(at=LATER)
    assert edit(office, task_id, seen(office, task_id), scheduled_at=LATER)
    assert len(office.all(queries.events(task_id))) == 2


def test_what_is_held_waits_for_its_new_moment(office: Office) -> None:
    task_id = office.submit(at=LATER, late_limit=3600)
    move(office, update(Task).values(hold_after=now(-60), due_at=now(-3660)))
    move(office, lifecycle.hold_late())
    assert edit(office, task_id, seen(office, task_id), scheduled_at=WHOLE, late_limit=3600)
    task = row(office, task_id)
    assert (task["held"], task["attention"], task["hold_after"]) == (False, False, WHOLE + timedelta(hours=1))
    assert {status: int(n) for status, n in office.all(queries.counts()) if n} == {"scheduled": 1}


def test_what_somebody_else_changed_meanwhile_is_not_overwritten(office: Office) -> None:
    task_id = office.submit(at=LATER)
    opened = seen(office, task_id)
    assert edit(office, task_id, opened, scheduled_at=LATER)
    assert not edit(office, task_id, opened, scheduled_at=LATER), "edited"
    opened = seen(office, task_id)
    move(office, lifecycle.reschedule(task_id, LATER + timedelta(hours=3), "UTC", "somebody"))
    assert not edit(office, task_id, opened, scheduled_at=LATER), "given another moment"
    assert edit(office, task_id, seen(office, task_id), key="form:1:other")


@pytest.mark.parametrize("status", ["started", "given back", "finished", "cancelled", "a test"])
def test_what_does_not_wait_untouched_is_not_edited(office: Office, status: str) -> None:
    task_id = office.submit()
    opened = seen(office, task_id)
    if status == "cancelled":
        move(office, lifecycle.cancel(task_id, "boss"))
    elif status == "a test":
        move(office, update(Task).values(test=True))
    else:
        claim(office, task_id)
    if status == "given back":
        move(office, lifecycle.give_back(task_id, "token", "why"))
    if status == "finished":
        move(office, update(Task).values(status="finished"))
    before = row(office, task_id)
    assert not edit(office, task_id, opened)
    assert not edit(office, task_id, seen(office, task_id))
    assert row(office, task_id) == before
    assert addresses(office) == ["r0@example.com"]


def test_of_an_editor_and_a_worker_at_once_one_is_first_and_the_message_is_whole(office: Office) -> None:
    for _ in range(12):
        task_id = office.submit(3, rings=False)
        opened = seen(office, task_id)
        with ThreadPoolExecutor(2) as pool:
            edits = pool.submit(edit, office, task_id, opened)
            claims = pool.submit(claim, office, task_id)
        (claimed,) = claims.result() or claim(office, task_id)
        marked = move(office, lifecycle.mark(task_id, "token"))
        told = claimed.variables["name"], claimed.subject, sorted(each.address for each in marked)
        edited = ("Lee", "Hello {{ name }}", ["new@example.com", "other@example.com"])
        assert told == (edited if edits.result() else ("Kim", None, [f"r{n}@example.com" for n in range(3)]))


def test_a_worker_sends_what_was_saved_to_whom_it_was_saved_for_and_once(office: Office) -> None:
    with office.worker():
        task_id = office.submit(4, at=datetime.now(UTC) + timedelta(seconds=1))
        assert edit(office, task_id, seen(office, task_id), scheduled_at=datetime.now(UTC) + timedelta(seconds=1.5))
        moment = row(office, task_id)["scheduled_at"]
        assert office.wait_for(task_id) == "finished"
    assert office.sink.addresses == {"new@example.com": 1, "other@example.com": 1}
    assert row(office, task_id)["started_at"] >= moment
