"""Every question about tasks, as a statement; pages and JSON calls ask the same ones."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, func, or_, select

from app.db import now
from app.tasks.books import Bulk, Edition, Fault, Repair, Sender, Worker
from app.tasks.family import head_of, reached, surely_missed
from app.tasks.filter import Filter as Filter
from app.tasks.filter import lowered
from app.tasks.model import Delivery, Task, TaskCount, TaskEvent, TaskStatus
from app.tasks.search import ids

PAGE = 50

WORKER_ALIVE = 15
"""Seconds without a sign of life, of which there is one a second, after which a worker counts as gone."""


def tasks(filter: Filter, limit: int = PAGE) -> Select[Task, str]:
    """Newest first, before the filter's cursor, each with the address of its first recipient.

    Asks for one more than `limit`: where it comes, there is a next page.
    """
    any_ = select(func.min(Delivery.address)).where(Delivery.task_id == Task.id).correlate(Task).scalar_subquery()
    fit = Task.id.in_(ids(filter, limit + 1))
    return select(Task, func.coalesce(Task.first_address, any_)).where(fit).order_by(Task.id.desc())


def counts() -> Select[str, int]:
    """How many tasks have each status, exactly; and how many need attention, under `attention`."""
    return select(TaskCount.status, func.sum(TaskCount.n)).group_by(TaskCount.status)


def last_event() -> Select[int | None]:
    """The id of the newest move of all."""
    return select(func.max(TaskEvent.id))


def moved_after(event_id: int, limit: int) -> Select[int, int]:
    """The first `limit` moves after that one: their ids, and their tasks'."""
    return select(TaskEvent.id, TaskEvent.task_id).where(TaskEvent.id > event_id).order_by(TaskEvent.id).limit(limit)


def written(event_ids: Sequence[int]) -> Select[int]:
    """Which of these moves there are."""
    return select(TaskEvent.id).where(TaskEvent.id.in_(event_ids))


def house() -> Select[*tuple[Any, ...]]:
    """What pages show and no move tells: trouble with the mail server, workers, open bulks, repairs. To be compared."""
    asked = [
        select(func.max(Sender.reason)).where(or_(Sender.paused_until > now(), Sender.gap_until > now())),
        live_workers(),
        select(func.max(Worker.started_at)),
        select(func.count()).select_from(Worker),
        select(func.sum(Bulk.seen) + func.count()).where(Bulk.ended_at.is_(None)),
        select(func.sum(Repair.n)),
    ]
    return select(*(each.scalar_subquery() for each in asked))


def fault_words(fault_id: int) -> Select[str]:
    """Why mails failed, in the mail server's words."""
    return select(Fault.words).where(Fault.id == fault_id)


def task(task_id: int) -> Select[Task]:
    return select(Task).where(Task.id == task_id)


def task_by_key(key: str) -> Select[Task]:
    return select(Task).where(Task.idempotency_key == key)


def made_of(key: str | None, digest: str | None, task_id: int, edit_key: str) -> Select[int]:
    """The id of the task with this key and digest, or, of `task_id`, if this was its last edit."""
    new = and_(Task.idempotency_key == key, Task.request_hash == digest)
    return select(Task.id).where(or_(new, and_(Task.id == task_id, Task.edit_key == edit_key)))


def deliveries(
    task_id: int, cursor: str | None = None, limit: int = PAGE, status: str | None = None, q: str | None = None
) -> Select[Delivery]:
    """By address, after `cursor` (an address), with this status, and `q` in the address; one more than `limit`."""
    found = select(Delivery).where(Delivery.task_id == task_id).order_by(Delivery.address).limit(limit + 1)
    if status:
        found = found.where(Delivery.status == status)
    if q:
        found = found.where(func.lower(Delivery.address).contains(lowered(q), autoescape=True))
    return found if cursor is None else found.where(Delivery.address > cursor)


def delivery_counts(task_id: int) -> Select[str, int]:
    """How many of a task's deliveries have each status."""
    return (
        select(Delivery.status, func.count())
        .where(Delivery.task_id == task_id)
        .group_by(Delivery.status)
        .order_by(Delivery.status)
    )


def delivery(task_id: int, address: str) -> Select[Delivery]:
    return select(Delivery).where(Delivery.task_id == task_id, Delivery.address == address)


def edition(delivery: Delivery) -> Select[str]:
    """The source of what the latest message of a delivery was written from."""
    return select(Edition.source).where(Edition.id == delivery.edition_id)


def everybody(task_id: int) -> Select[str, str, dict[str, Any]]:
    """Address, name and variables of each recipient, in the order in which they were given."""
    found = select(Delivery.address, Delivery.name, Delivery.variables).where(Delivery.task_id == task_id)
    return found.order_by(Delivery.id)


def missed(task: Task, among: Sequence[str] | None = None) -> Select[str, str, dict[str, Any]]:
    """The same of those who surely got neither it nor another of its family; or of those `among` these addresses."""
    this, family = select(Task.id).where(Task.id == task.id), reached(head_of(task), but=task.id)
    found = everybody(task.id).where(surely_missed(this), func.lower(Delivery.address).not_in(family))
    return found if among is None else found.where(Delivery.address.in_(among))


def how_many_missed(task: Task) -> Select[int]:
    return select(func.count()).select_from(missed(task).order_by(None).subquery())


def events(task_id: int, limit: int = 1000, before: int | None = None) -> Select[TaskEvent]:
    """The task's and its deliveries' moves in the order in which they happened: the latest `limit` of them, or of those
    before the one with the id `before`."""
    latest = select(TaskEvent.id).where(TaskEvent.task_id == task_id).order_by(TaskEvent.id.desc()).limit(limit)
    if before is not None:
        latest = latest.where(TaskEvent.id < before)
    return select(TaskEvent).where(TaskEvent.id.in_(latest)).order_by(TaskEvent.id)


def events_of(task_id: int, address: str) -> Select[TaskEvent]:
    """One recipient's moves, in the order in which they happened."""
    of_it = TaskEvent.task_id == task_id, TaskEvent.address == address
    return select(TaskEvent).where(*of_it).order_by(TaskEvent.id)


LARGE = 20
"""Recipients from which on a task's pace says something about the next one's."""


def last_large() -> Select[int, datetime | None, datetime | None]:
    """Of the latest large task that was sent, among the recent ones: how many messages, begun when, ended when."""
    recent = select(Task.id).where(Task.status == TaskStatus.FINISHED).order_by(Task.id.desc()).limit(500)
    return (
        select(Task.sent, Task.started_at, Task.ended_at)
        .where(Task.id.in_(recent), Task.recipients >= LARGE)
        .order_by(Task.id.desc())
        .limit(1)
    )


def live_workers() -> Select[int]:
    return select(func.count()).select_from(Worker).where(Worker.seen_at > now(-WORKER_ALIVE))


def way_out() -> Select[str | None, int]:
    """The mail server's words if it is in trouble for now (else None), and how many workers live."""
    trouble = select(Sender.reason).where(Sender.paused_until > now()).limit(1).scalar_subquery()
    return select(trouble, live_workers().scalar_subquery())
