"""One action on many tasks, carried out by real workers on the real databases."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from app.db import now
from app.tasks import bulk, lifecycle, queries
from app.tasks.books import Bulk, BulkTask
from app.tasks.model import Delivery, Task, TaskEvent
from app.tasks.queries import Filter
from app.worker.bulks import Bulks
from tests.integration.sending.test_moves import LATER, claim, move
from tests.parts import Office, wait_until
from tests.sink import HANG_UP


def many(office: Office, n: int, at: datetime | None = LATER) -> list[int]:
    return [office.submit(1, at=at, rings=False) for _ in range(n)]


def ask(office: Office, action: str, chosen: bulk.Chosen, key: str | None = None, **asked: str) -> int:
    """As the page does it; the bulk's id."""
    with office.database.writing() as db:
        bulk_id = db.execute(bulk.begin(action, asked, "boss", key or str(datetime.now(UTC)))).scalar_one()
        db.execute(bulk.freeze(bulk_id, action, chosen))
        db.execute(bulk.count(bulk_id))
    return bulk_id


def highest(office: Office) -> int:
    return int(office.one(bulk.highest())[0])


def wait_for(office: Office, bulk_id: int) -> Bulk:
    def over() -> bool:
        return bool(office.one(bulk.read(bulk_id))[0].ended_at)

    wait_until(over, 40, "the bulk is over")
    found: Bulk = office.one(bulk.read(bulk_id))[0]
    return found


def hold(office: Office, task_id: int) -> None:
    """As a worker does that is busy with it for as long as the bulk may take: nobody renews its lease here."""
    claim(office, task_id)
    move(office, update(Task).where(Task.id == task_id).values(lease_until=LATER))


def statuses(office: Office, ids: Sequence[int]) -> set[str]:
    return {status for (status,) in office.all(select(Task.status).where(Task.id.in_(ids)))}


def test_everything_that_fits_is_cancelled_and_nothing_that_was_stored_later(office: Office) -> None:
    theirs = many(office, 450)
    sent = office.submit(1, rings=False)
    hold(office, sent)
    everything = bulk.Chosen(highest(office), filter=Filter())
    counted = {row[0]: (row[1], row[2]) for row in office.all(bulk.tally(everything, "cancel"))}
    assert counted == {"scheduled": (450, 450), "started": (1, 0)}
    new = office.submit(1, at=LATER)
    with office.worker():
        done = wait_for(office, ask(office, "cancel", everything))
    assert (done.total, done.seen, done.moved) == (450, 450, 450)
    assert statuses(office, theirs) == {"cancelled"}
    assert (office.status(new), office.status(sent)) == ("scheduled", "started")
    events = office.all(select(TaskEvent.who, TaskEvent.why, func.count()).where(TaskEvent.to_status == "cancelled")
                        .group_by(TaskEvent.who, TaskEvent.why))  # fmt: skip
    assert [tuple(each) for each in events] == [("boss", f"Cancelled. (bulk {done.id})", 450)]
    assert office.one(select(func.count()).select_from(BulkTask))[0] == 0
    counts = {status: int(n) for status, n in office.all(queries.counts()) if n}
    assert counts == {"cancelled": 450, "scheduled": 1, "started": 1}


def test_what_moved_on_meanwhile_is_left_alone_and_counted(office: Office) -> None:
    ids = many(office, 5)
    bulk_id = ask(office, "cancel", bulk.Chosen(highest(office), ids=ids))
    move(office, lifecycle.send_now(ids[0], "somebody"))
    move(office, lifecycle.promote())
    hold(office, ids[0])
    with office.worker():
        done = wait_for(office, bulk_id)
    assert (done.total, done.seen, done.moved) == (5, 5, 4)
    assert office.status(ids[0]) == "started"


def test_a_filter_by_status_is_frozen_too(office: Office) -> None:
    """What was scheduled then is cancelled though it is queued by now; what came into that status later is not."""
    scheduled, other = many(office, 3), office.submit(1, rings=False)
    bulk_id = ask(office, "cancel", bulk.Chosen(highest(office), filter=Filter(status="scheduled")))
    move(office, update(Task).where(Task.id.in_(scheduled)).values(due_at=now(-1)))
    move(office, lifecycle.promote())
    move(office, lifecycle.reschedule(other, LATER, "UTC", "somebody"))
    with office.worker():
        done = wait_for(office, bulk_id)
    assert (done.total, done.moved) == (3, 3)
    assert office.status(other) == "scheduled"


def test_a_cancelling_of_many_is_undone_but_for_what_somebody_cancelled_since(office: Office) -> None:
    ids = many(office, 6)
    with office.worker():
        first = wait_for(office, ask(office, "cancel", bulk.Chosen(highest(office), ids=ids)))
        move(office, lifecycle.restore(ids[0], "a", cancelled_at=None), lifecycle.requeue_cancelled(ids[0]))
        move(office, lifecycle.cancel(ids[0], "somebody who means it"))
        back = wait_for(office, ask(office, "restore", bulk.Chosen(highest(office), bulk=first.id)))
        assert (back.total, back.moved) == (5, 5)
    assert statuses(office, ids[1:]) == {"scheduled"}
    assert office.status(ids[0]) == "cancelled"
    waiting = office.all(select(Delivery.status, func.count()).group_by(Delivery.status).order_by(Delivery.status))
    assert [tuple(each) for each in waiting] == [("cancelled", 1), ("queued", 5)]
    assert office.rings.redis.zcard("rq:scheduled:default") == 5


def test_many_are_retried_each_once_and_what_was_sent_stays_sent(office: Office) -> None:
    office.sink.script = lambda step, address: "550 no" if (step, address[:2]) == ("rcpt", "r1") else None
    with office.worker():
        ids = [office.submit(2) for _ in range(30)]
        for task_id in ids:
            assert office.wait_for(task_id) == "failed"
        office.sink.script = lambda step, address: None
        done = wait_for(office, ask(office, "retry", bulk.Chosen(highest(office), filter=Filter(status="failed"))))
        assert (done.total, done.moved) == (30, 30)
        assert {office.wait_for(task_id, "finished") for task_id in ids} == {"finished"}
    assert office.sink.addresses == {"r0@example.com": 30, "r1@example.com": 30}


@pytest.mark.parametrize(("action", "arrived"), [("arrived", 1), ("again", 2)])
def test_what_is_unknown_is_decided_for_many_at_once(office: Office, action: str, arrived: int) -> None:
    office.sink.script = lambda step, address: HANG_UP if (step, address[:2]) == ("taken", "r1") else None
    with office.worker():
        ids = [office.submit(2) for _ in range(5)]
        for task_id in ids:
            assert office.wait_for(task_id) == "failed"
        office.sink.script = lambda step, address: None
        done = wait_for(office, ask(office, action, bulk.Chosen(highest(office), filter=Filter(status="attention"))))
        assert (done.total, done.moved) == (5, 5)
        assert {office.wait_for(task_id, "finished") for task_id in ids} == {"finished"}
    assert office.sink.addresses == {"r0@example.com": 5, "r1@example.com": 5 * arrived}
    counts = {status: int(n) for status, n in office.all(queries.counts()) if n}
    assert counts == {"finished": 5}


def test_one_that_is_stopped_leaves_the_rest_as_it_was(office: Office) -> None:
    ids = many(office, 300)
    bulk_id = ask(office, "cancel", bulk.Chosen(highest(office), filter=Filter()))
    hand = Bulks(office.database, office.rings, lambda: True)
    assert hand.bite()
    with office.database.writing() as db:
        for statement in bulk.stop(bulk_id):
            db.execute(statement)
    assert not hand.bite()
    done = office.one(bulk.read(bulk_id))[0]
    assert (done.total, done.seen, done.moved) == (300, 200, 200)
    assert office.one(select(func.count()).select_from(BulkTask))[0] == 0
    assert statuses(office, ids[:200]) == {"cancelled"}
    assert statuses(office, ids[200:]) == {"scheduled"}


def test_many_are_sent_now(office: Office) -> None:
    ids = many(office, 30)
    with office.worker():
        wait_for(office, ask(office, "now", bulk.Chosen(highest(office), ids=ids)))
        assert {office.wait_for(task_id) for task_id in ids} == {"finished"}
    assert office.sink.addresses == {"r0@example.com": 30}


def test_a_worker_killed_in_the_middle_leaves_it_to_the_next_and_no_task_is_moved_twice(office: Office) -> None:
    ids = many(office, 800)
    bulk_id = ask(office, "cancel", bulk.Chosen(highest(office), filter=Filter()))
    for part in (200, 400):
        with office.worker() as process:
            wait_until(lambda part=part: office.one(bulk.read(bulk_id))[0].moved >= part, 40, "it is under way")  # type: ignore[misc]
            process.kill()
            process.wait()
    with office.worker():
        done = wait_for(office, bulk_id)
    assert (done.total, done.seen, done.moved) == (800, 800, 800)
    assert statuses(office, ids) == {"cancelled"}
    assert office.one(select(func.count()).where(TaskEvent.to_status == "cancelled"))[0] == 800


def test_two_who_carry_it_out_at_once_move_each_task_once(office: Office) -> None:
    many(office, 700)
    bulk_id = ask(office, "cancel", bulk.Chosen(highest(office), filter=Filter()))
    workers = [Bulks(office.database, office.rings, lambda: True) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        while not office.one(bulk.read(bulk_id))[0].ended_at:
            list(pool.map(lambda each: each.bite(), workers))
    done = office.one(bulk.read(bulk_id))[0]
    assert (done.seen, done.moved) == (700, 700)


def test_the_guards_are_those_of_the_single_moves(office: Office) -> None:
    """Whatever a task's status is, doing it to many moves it if and only if doing it to one would."""
    singles = {"cancel": lifecycle.cancel, "now": lifecycle.send_now, "retry": lifecycle.retry}
    statuses = ("scheduled", "queued", "started", "finished", "failed", "cancelled")
    for action, single in singles.items():
        for status in statuses:
            one, two = many(office, 2)
            move(office, update(Task).where(Task.id.in_([one, two])).values(status=status))
            move(office, update(Delivery).where(Delivery.task_id.in_([one, two])).values(status="failed"))
            alone = bool(move(office, single(one, "boss")))
            together = office.all(bulk.tally(bulk.Chosen(highest(office), ids=[two]), action))[0][2]
            assert bool(together) is alone, (action, status)
            assert bool(move(office, single([two], "boss"))) is alone, (action, status)


@pytest.mark.parametrize("ids", [[], [999_999]])
def test_one_without_any_task_is_over_at_once(office: Office, ids: list[int]) -> None:
    bulk_id = ask(office, "cancel", bulk.Chosen(highest(office), ids=ids or [0]))
    found = office.one(bulk.read(bulk_id))[0]
    assert (found.total, found.ended_at is None) == (0, False)
    assert LATER - datetime.now(UTC) > timedelta(hours=1)
