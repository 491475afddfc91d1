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


def test_those_whose_rings_were_lost_have_their_turn_among_those_that_ring(office: Office) -> None:
    tasks = [office.submit(rings=n in (1, 4), queue="high" if n == 4 else "default") for n in range(5)]
    new = office.submit()
    with office.database.writing() as db:
        db.execute(update(Task).where(Task.id != new).values(rung_at=now(-60)))
    keeper = Timekeeper(office.database, office.rings, "it")
    assert keeper.reconcile().rung == 3
    assert [task for task, *_ in office.rings.take(10)] == [tasks[4], tasks[0], tasks[1], new, tasks[2], tasks[3]]


def test_what_is_lost_a_second_later_does_not_go_before_what_was_lost_before_it(office: Office) -> None:
    first, second = office.submit(rings=False), office.submit(rings=False)
    keeper = Timekeeper(office.database, office.rings, "it")
    for task_id in (first, second):
        with office.database.writing() as db:
            db.execute(update(Task).where(Task.id == task_id).values(rung_at=now(-60)))
        assert keeper.reconcile().rung == 1
    assert [task for task, *_ in office.rings.take(10)] == [first, second]
