"""Rings that are nowhere to be found, very many of them: each is rung again, in portions that hold nobody up."""

from sqlalchemy import select, update

from app.db import now
from app.tasks.model import Task
from app.worker.timekeeper import Timekeeper
from bench import copies
from tests.parts import Office


def test_very_many_are_rung_for_in_portions_and_each_once(office: Office) -> None:
    copies.tasks(office, 2500)
    with office.database.writing() as db:
        db.execute(update(Task).values(rung_at=now(-60)))
    first, second = (Timekeeper(office.database, office.rings, name) for name in ("first", "second"))
    assert [first.reconcile(patience=0).rung for _ in range(2)] == [1000, 1000]
    assert second.reconcile(patience=0).rung == 0  # it begins with those, which ring already
    assert [first.reconcile(patience=0).rung for _ in range(2)] == [500, 0]
    assert sum(office.rings.waiting().values()) == 2500
    assert [task for task, *_ in office.rings.take(2500)] == sorted(row[0] for row in office.all(select(Task.id)))
    office.rings.redis.flushall()
    assert first.reconcile().rung == 2500


def test_none_is_rung_for_that_rings_already(office: Office) -> None:
    for _ in range(3):
        office.submit()
    with office.database.writing() as db:
        db.execute(update(Task).values(rung_at=now(-60)))
    assert Timekeeper(office.database, office.rings, "it").reconcile().rung == 0


def test_one_whose_ring_was_lost_does_not_wait_behind_all_others_once_more(office: Office) -> None:
    lost, *_ = tasks = [office.submit(rings=n > 0) for n in range(3)]
    with office.database.writing() as db:
        db.execute(update(Task).values(rung_at=now(-60)))
    assert Timekeeper(office.database, office.rings, "it").reconcile().rung == 1
    assert [task for task, *_ in office.rings.take(10)] == tasks, f"{lost} is the first"
