"""What the measurement of pages fills a database with is what the app would have left there."""

from collections import Counter
from typing import Any

from sqlalchemy import func, select

from app.db import Database
from app.tasks import lifecycle, queries
from app.tasks.books import Fault, Hour
from app.tasks.model import Delivery, Task, TaskEvent
from bench.pages.fill import fill

TASKS = 2_000


def test_what_is_kept_beside_the_rows_is_what_they_add_up_to(database_url: str) -> None:
    year, database = fill(database_url, TASKS), Database(database_url)
    with database.reading() as db:
        tasks, people = list(db.scalars(select(Task))), list(db.scalars(select(Delivery)))
        statuses = Counter(task.status for task in tasks)
        statuses["attention"] = sum(task.attention for task in tasks)
        assert dict(db.execute(queries.counts()).all()) == statuses  # type: ignore[arg-type]
        assert len(tasks) == TASKS
        ended = Counter(one.status for one in people)
        sums = [func.sum(column) for column in (Hour.sent, Hour.failed, Hour.unknown, Hour.started)]
        begun = sum(task.started_at is not None for task in tasks)
        assert [*db.execute(select(*sums)).one()] == [*(ended[each] for each in ("sent", "failed", "unknown")), begun]
        faults = Counter(one.fault_id for one in people if one.fault_id)
        assert {fault.id: fault.n for fault in db.scalars(select(Fault).where(Fault.n > 0))} == faults
        assert max(task.recipients for task in tasks) == 1000
        assert next(task for task in tasks if task.id == year.large).recipients == 1000
    database.close()


def test_every_task_came_to_its_status_by_its_events(database_url: str) -> None:
    fill(database_url, TASKS)
    database = Database(database_url)
    with database.reading() as db:
        moves: dict[int, str | None] = {}
        for event in db.scalars(select(TaskEvent).where(TaskEvent.address.is_(None)).order_by(TaskEvent.id)):
            assert event.from_status == moves.get(event.task_id)
            moves[event.task_id] = event.to_status
        assert moves == {task.id: task.status for task in db.scalars(select(Task))}
        for task in db.scalars(select(Task).where(Task.status.in_(("finished", "failed"))).limit(100)):
            became = Counter(one.status for one in db.scalars(queries.deliveries(task.id, limit=2000)))
            assert (task.sent, task.failed, task.unknown) == tuple(
                became[each] for each in ("sent", "failed", "unknown")
            )
    database.close()


def test_the_triggers_are_at_work_again(database_url: str) -> None:
    fill(database_url, TASKS)
    database = Database(database_url)

    def count() -> Any:
        with database.reading() as db:
            return dict(db.execute(queries.counts()).all())  # type: ignore[arg-type]

    before = count()
    with database.writing() as db:
        scheduled = db.scalars(select(Task.id).where(Task.status == "scheduled")).first()
        db.execute(lifecycle.cancel([scheduled], "tester"))
    after = count()
    assert (after["scheduled"], after["cancelled"]) == (before["scheduled"] - 1, before["cancelled"] + 1)
    database.close()
