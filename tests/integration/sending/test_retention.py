"""What ended long ago is deleted, a few at a time: that and nothing else."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select, text
from werkzeug.exceptions import NotFound

from app.mail.addresses import parse
from app.tasks import bulk, lifecycle, queries
from app.tasks import retention as retention_of
from app.tasks.books import Bulk, Fault, Hour
from app.tasks.model import Delivery, Task, TaskEvent
from app.tasks.request import Recipient, Refused, Request
from app.tasks.retention import BITE
from app.tasks.submit import new_deliveries, new_task
from app.web.intake import check_family
from app.worker.bulks import Bulks
from app.worker.retention import Retention
from tests.parts import Office, answer, wait_until

DAYS = 30
X, NO = "x@example.com", "550 5.1.1 no such user"


@pytest.fixture(name="retention")
def _retention(office: Office) -> Retention:
    return Retention(office.database, DAYS, lambda: True)


def made_old(
    office: Office, task_ids: Sequence[int], days: int = DAYS + 1, columns: str = "created_at, ended_at"
) -> None:
    is_sqlite = office.database.engine.dialect.name == "sqlite"
    ago = f"strftime('%Y-%m-%d %H:%M:%f000', 'now', '-{days} days')" if is_sqlite else f"now() - interval '{days} days'"
    changes = ", ".join(f"{column} = {ago}" for column in columns.split(", "))
    with office.database.writing() as db:
        for task_id in task_ids:
            db.execute(text(f"UPDATE tasks SET {changes} WHERE id = :id"), {"id": task_id})


def ended(office: Office, recipients: int | Sequence[str] = 1, **replies: str) -> int:
    task_id = office.submit(recipients, rings=False)
    answer(office.database, task_id, replies)
    return task_id


def kept(office: Office) -> list[int]:
    return [task_id for (task_id,) in office.all(select(Task.id).order_by(Task.id))]


def rows_of(office: Office, task_id: int) -> tuple[int, int]:
    """Its recipients and its events."""
    (recipients,) = office.one(select(func.count()).where(Delivery.task_id == task_id))
    (events,) = office.one(select(func.count()).where(TaskEvent.task_id == task_id))
    return recipients, events


def forget_all(retention: Retention) -> None:
    for _ in range(20):
        if not retention.bite():
            return
    raise AssertionError("it goes on and on")


def test_only_what_ended_long_ago_is_deleted(office: Office, retention: Retention) -> None:
    sent, refused = ended(office), ended(office, ["no@example.com"], **{"no@example.com": "550 5.1.1 no such user"})
    cancelled = office.submit(1, rings=False)
    with office.database.writing() as db:
        db.execute(lifecycle.cancel(cancelled, "tester"))
    waits, just_ended, recent = office.submit(1, rings=False), ended(office), ended(office)
    made_old(office, [sent, refused, cancelled])
    made_old(office, [just_ended, waits], columns="created_at")
    made_old(office, [recent], days=DAYS - 1)
    hours = office.all(select(Hour.sent, Hour.failed))
    forget_all(retention)
    assert kept(office) == [waits, just_ended, recent]
    for task_id in (sent, refused, cancelled):
        assert rows_of(office, task_id) == (0, 0)
    counts = {status: int(n) for status, n in office.all(queries.counts()) if n}
    assert counts == {"queued": 1, "finished": 2}
    assert office.all(select(Fault.n).where(Fault.n > 0)) == []
    assert office.all(select(Hour.sent, Hour.failed)) == hours, "what happened, happened"


def test_a_few_are_deleted_at_a_time(office: Office, retention: Retention) -> None:
    tasks = [ended(office, BITE // 2) for _ in range(5)]
    made_old(office, tasks)
    left = []
    while retention.bite():
        left.append(len(kept(office)))
    assert left == [3, 1, 0]


def test_a_large_one_goes_at_once_and_alone(office: Office, retention: Retention) -> None:
    tasks = [ended(office, 1), ended(office, 2 * BITE + 50), ended(office, 1)]
    made_old(office, tasks)
    left = []
    while retention.bite():
        left.append(kept(office))
    assert left == [tasks[1:], tasks[2:], []]


def test_what_a_bulk_is_to_retry_is_kept(office: Office, retention: Retention) -> None:
    task_id = ended(office, [X], **{X: NO})
    made_old(office, [task_id])
    with office.database.writing() as db:
        bulk_id = db.execute(bulk.begin("retry", {}, "tester", "k")).scalar_one()
        db.execute(bulk.freeze(bulk_id, "retry", bulk.Chosen(task_id, ids=[task_id])))
        db.execute(bulk.count(bulk_id))
    assert retention.bite(), "it comes back to it"
    Bulks(office.database, office.rings, lambda: True).bite()
    assert office.one(select(Bulk.total, Bulk.moved)) == (1, 1)


def instead(office: Office, task_id: int, *addresses: str) -> int:
    recipients = [Recipient(parse(each)) for each in addresses]
    request = Request("email/welcome", recipients, "tester", {"name": "Kim"}, instead_of=task_id)
    with office.database.writing() as db:
        request = check_family(db, request)
        stored: int = db.execute(new_task(request)).scalar_one()
        db.execute(new_deliveries(request, stored, "example.com"))
    return stored


@pytest.mark.parametrize("ended_later", ["first", "second"])
def test_mails_that_were_written_instead_of_one_another_go_together(
    office: Office, retention: Retention, ended_later: str
) -> None:
    first = ended(office, [X, "y@example.com"], **{X: NO, "y@example.com": NO})
    second = instead(office, first, X)
    answer(office.database, second, {})  # x has got it
    alone = ended(office)
    made_old(office, [alone, second if ended_later == "first" else first])
    forget_all(retention)
    assert kept(office) == [first, second]
    with office.database.writing() as db:
        assert db.execute(lifecycle.retry(first, "tester")).first() is None, "x would get both"
    with pytest.raises(Refused):
        instead(office, second, X)
    third = instead(office, second, "y@example.com")
    made_old(office, [first, second])
    forget_all(retention)
    assert kept(office) == [first, second, third]
    answer(office.database, third, {})
    made_old(office, [first, second, third])
    assert retention.bite()
    assert kept(office) == []
    with pytest.raises(NotFound):
        instead(office, first, X)


def test_whoever_writes_instead_of_one_that_is_being_deleted_is_told(office: Office) -> None:
    task_id = ended(office, [X], **{X: NO})
    made_old(office, [task_id])
    with ThreadPoolExecutor(1) as one:
        with office.database.writing() as db:
            assert db.scalars(retention_of.families([task_id])).all() == [task_id]
            db.execute(retention_of.forget([task_id], DAYS))
            late = one.submit(instead, office, task_id, X)  # on Postgres it still sees the row, and waits for it
            time.sleep(0.5)
        with pytest.raises(NotFound):
            late.result(20)


def test_a_worker_deletes_what_is_kept_no_longer(office: Office) -> None:
    old, new = ended(office, 3), ended(office)
    made_old(office, [old])
    with office.worker():
        assert office.wait_for(office.submit(1)) == "finished"
    assert old in kept(office), "without the setting all is kept"
    with office.worker(RETENTION_DAYS=str(DAYS)):
        wait_until(lambda: old not in kept(office), 20, "the old one is deleted")
    assert new in kept(office)
