"""The moves by which workers share a large task, one by one: who may join, mark, keep, leave and inherit."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update

from app.db import now
from app.tasks import lifecycle, queries
from app.tasks.books import Helper
from app.tasks.model import Delivery, Task, TaskEvent
from app.worker import shared
from app.worker.hold import Hold, count_in, renew
from app.worker.timekeeper import Timekeeper
from tests.parts import Office

LARGE = 400
HELPERS = select(Helper.token)


def statuses(office: Office) -> dict[str, int]:
    return dict(office.all(select(Delivery.status, func.count()).group_by(Delivery.status)))


def hold(office: Office, recipients: int = LARGE) -> int:
    """A task that somebody holds under the token `holder`."""
    task_id = office.submit(recipients, rings=False)
    with office.database.writing() as db:
        assert db.execute(lifecycle.claim(task_id, 0, "holder", "worker a")).first()
    return task_id


def join(office: Office, task_id: int, token: str = "helper") -> bool:
    with office.database.writing() as db:
        found = db.execute(lifecycle.joinable(task_id)).first()
        if found:
            db.execute(lifecycle.join(task_id, token, "worker b"))
    return found is not None


def mark(office: Office, task_id: int, token: str, n: int = 10) -> list[str]:
    with office.database.writing() as db:
        return [row.address for row in db.execute(lifecycle.mark(task_id, token, n))]


def lease(office: Office, of: Any) -> datetime:
    found: datetime = office.one(select(of))[0]
    return found


def test_only_a_large_task_that_somebody_holds_is_joined(office: Office) -> None:
    waits = office.submit(LARGE, rings=False)
    assert not join(office, waits)
    assert not join(office, hold(office, lifecycle.MUCH - 1))
    assert join(office, hold(office))


def test_what_is_nearly_done_is_not_joined(office: Office) -> None:
    task_id = hold(office)
    with office.database.writing() as db:
        db.execute(lifecycle.keep(task_id, "holder", sent=LARGE - 2 * lifecycle.BATCH + 1))
    assert not join(office, task_id)


def test_each_marks_what_the_other_has_not(office: Office) -> None:
    task_id = hold(office)
    join(office, task_id)
    first, second = mark(office, task_id, "holder"), mark(office, task_id, "helper")
    assert len({*first, *second}) == 20
    assert mark(office, task_id, "stranger") == []


def test_two_transactions_mark_at_once_and_neither_waits_for_the_other(office: Office) -> None:
    if office.database.engine.dialect.name == "sqlite":
        return  # one writes at a time
    task_id = hold(office)
    join(office, task_id)
    with office.database.writing() as db:
        first = db.execute(lifecycle.mark(task_id, "holder", 10)).all()
        began = time.monotonic()
        second = mark(office, task_id, "helper")
        assert time.monotonic() - began < 2
        assert not {row.address for row in first} & {*second}


def test_a_helper_keeps_its_own_lease_and_counts_with_the_others(office: Office) -> None:
    task_id = hold(office)
    join(office, task_id)
    before, own = lease(office, Task.lease_until), lease(office, Helper.lease_until)
    time.sleep(0.05)
    with office.database.writing() as db:
        assert db.scalar(lifecycle.keep(task_id, "helper", sent=3)) == task_id
        db.execute(lifecycle.keep_helping("helper"))
        assert db.scalar(lifecycle.keep(task_id, "stranger", sent=3)) is None
    assert lease(office, Task.lease_until) == before
    assert lease(office, Helper.lease_until) > own
    assert office.one(select(Task.sent))[0] == 3


def hand_on(office: Office, task_id: int) -> str | None:
    with office.database.writing() as db:
        heir: str | None = db.scalar(lifecycle.hand_on(task_id, "holder"))
        db.execute(lifecycle.stop_helping(heir or ""))
    return heir


def test_a_holder_that_leaves_hands_it_on_and_can_do_nothing_more(office: Office) -> None:
    task_id = hold(office)
    assert hand_on(office, task_id) is None
    join(office, task_id)
    assert hand_on(office, task_id) == "helper"
    assert office.status(task_id) == "started"
    assert mark(office, task_id, "holder") == []
    assert len(mark(office, task_id, "helper")) == 10
    assert not office.all(HELPERS)


def expire(office: Office, whose: Callable[[], Any]) -> None:
    with office.database.writing() as db:
        db.execute(whose().values(lease_until=now(-1)))


def last_events(office: Office, n: int) -> list[str]:
    """Who made the last `n` of them."""
    return [who for (who,) in office.all(select(TaskEvent.who).order_by(TaskEvent.id))][-n:]


def test_a_holder_that_is_lost_is_followed_by_a_helper(office: Office) -> None:
    task_id = hold(office)
    join(office, task_id)
    mark(office, task_id, "holder", 4)
    mark(office, task_id, "helper", 5)
    expire(office, lambda: update(Task))
    repairs = Timekeeper(office.database, office.rings, "a test").reconcile()
    assert (repairs.released, repairs.unknown) == (1, 4)
    task = office.one(queries.task(task_id))[0]
    assert (task.status, task.token, task.who, task.unknown) == ("started", "helper", "worker b", 4)
    assert last_events(office, 5) == ["worker a", *["reconciler"] * 4]
    assert statuses(office) == {"queued": LARGE - 9, "sending": 5, "unknown": 4}


def test_a_helper_that_is_lost_loses_what_it_had_in_hand_and_nothing_else(office: Office) -> None:
    task_id = hold(office)
    join(office, task_id)
    mark(office, task_id, "holder", 4)
    mark(office, task_id, "helper", 5)
    expire(office, lambda: update(Helper))
    assert hand_on(office, task_id) is None, "nobody who is lost inherits"
    repairs = Timekeeper(office.database, office.rings, "a test").reconcile()
    assert (repairs.released, repairs.unknown) == (1, 5)
    assert not office.all(HELPERS)
    assert statuses(office) == {"queued": LARGE - 9, "sending": 4, "unknown": 5}
    assert mark(office, task_id, "helper") == []
    assert office.one(select(Task.who))[0] == "worker a"
    assert last_events(office, 6) == ["worker b", *["reconciler"] * 5]


def as_held(office: Office, task_id: int, token: str, joined: bool = False) -> Hold:
    """As the worker with this token knows it."""
    return Hold(office.one(queries.task(task_id))[0], token, 0, joined=joined)


def leave(office: Office, held: Hold) -> bool:
    """Leave it as a worker does that has had its turn. Whether others go on with it."""
    with office.database.writing() as db:
        left = shared.leave(db, held)
        if not left:
            db.execute(lifecycle.settle(held.task.id, held.token, "it had its turn")).one()
    return left


def test_what_a_lost_helper_has_in_hand_is_unknown_before_anybody_else_takes_the_task_up(office: Office) -> None:
    """Whether or not the timekeeper has looked: the helper may only be frozen, and must not wake up to it."""
    task_id = hold(office)
    join(office, task_id)
    mark(office, task_id, "helper", 10)
    expire(office, lambda: update(Helper))
    assert not leave(office, as_held(office, task_id, "holder"))
    assert statuses(office) == {"queued": LARGE - 10, "unknown": 10}
    with office.database.writing() as db:
        assert not renew(db, as_held(office, task_id, "helper", joined=True))
        assert db.execute(lifecycle.claim(task_id, 1, "third", "worker c")).first()
        assert not renew(db, as_held(office, task_id, "helper", joined=True))
    task = office.one(queries.task(task_id))[0]
    assert (task.unknown, task.attention) == (10, True)


def test_of_a_condemned_task_a_frozen_helper_has_nothing_more(office: Office) -> None:
    task_id = hold(office)
    join(office, task_id)
    mark(office, task_id, "helper", 10)
    expire(office, lambda: update(Helper))
    expire(office, lambda: update(Task))
    with office.database.writing() as db:
        db.execute(update(Task).values(crashes=lifecycle.CRASHES - 1))
    assert Timekeeper(office.database, office.rings, "a test").reconcile().condemned == 1
    with office.database.writing() as db:
        assert not renew(db, as_held(office, task_id, "helper", joined=True))
    assert (office.status(task_id), statuses(office)) == ("failed", {"unknown": 10, "failed": LARGE - 10})


def test_workers_that_leave_at_once_do_not_wait_for_one_another_in_a_circle(office: Office) -> None:
    task_id = hold(office)
    join(office, task_id)

    def record_and_leave(token: str, joined: bool) -> bool:
        held = as_held(office, task_id, token, joined)
        row = {"to": "sent", "said": "250", "fault": None, "wait": None, "digest": None}
        marked = office.all(select(Delivery.id).where(Delivery.token == token))
        with office.database.writing() as db:
            db.execute(lifecycle.record(token, [{**row, "of": each} for (each,) in marked]))
            time.sleep(0.3)  # on Postgres, until the other one has recorded too
            left = shared.leave(db, held)
            if not left:
                db.execute(lifecycle.settle(task_id, token, "it had its turn")).one()
            return left

    mark(office, task_id, "holder")
    mark(office, task_id, "helper")
    with ThreadPoolExecutor(2) as pool:
        left = [*pool.map(record_and_leave, ("holder", "helper"), (False, True))]
    assert sorted(left) == [False, True], "one of them settled it"
    task = office.one(queries.task(task_id))[0]
    assert (task.status, task.sent) == ("queued", 20)


def test_one_that_counts_and_one_that_leaves_do_not_either(office: Office) -> None:
    task_id = hold(office)
    join(office, task_id)
    helper, holder = as_held(office, task_id, "helper", joined=True), as_held(office, task_id, "holder")

    def count() -> bool:
        with office.database.writing() as db:
            counted = count_in(db, helper, {"sent": 3})
            time.sleep(0.2)
            return counted

    with ThreadPoolExecutor(2) as pool:
        counted = pool.submit(count)
        time.sleep(0.1)
        assert pool.submit(leave, office, holder).result()
        assert counted.result()


def test_nobody_joins_where_all_that_is_left_has_to_wait(office: Office) -> None:
    task_id = hold(office)
    with office.database.writing() as db:
        db.execute(update(Delivery).values(due_at=now(60)))
    assert not join(office, task_id)
