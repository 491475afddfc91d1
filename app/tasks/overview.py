"""What the overview asks: what ended hour by hour, why mails fail, who works at what, what waits. Never a long scan."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, case, func, literal, select

from app.db import now
from app.tasks.books import Fault, Hour, Sender, Worker
from app.tasks.lifecycle import WAITING
from app.tasks.model import Delivery, Task, TaskStatus
from app.tasks.queries import WORKER_ALIVE
from app.tasks.sender import NAME

MOST_CAUSES = 50
MOST_COUNTED = 200
"""Tasks of one cause: where there are as many, there may be more."""

MOST_WAITING = 10_000
"""Queued tasks that are looked at, the oldest first: where there are more, the numbers are those of these."""


def hours(since: datetime) -> Select[*tuple[Any, ...]]:
    """What ended and what began in each hour (UTC) from `since` on, oldest first; hours without anything are absent."""
    sums = [
        func.sum(column).label(column.key)
        for column in (Hour.sent, Hour.failed, Hour.unknown, Hour.started, Hour.late_ms)
    ]
    latest = func.max(Hour.latest_ms).label("latest_ms")
    return select(Hour.hour, *sums, latest).where(Hour.hour >= since).group_by(Hour.hour).order_by(Hour.hour)


def clock() -> Select[datetime]:
    """What the time is."""
    return select(now())


def causes(limit: int = MOST_CAUSES) -> Select[Fault]:
    """Why deliveries failed that are still failed, the most frequent first."""
    return select(Fault).where(Fault.n > 0).order_by(Fault.n.desc(), Fault.id).limit(limit)


def tasks_of(causes: Sequence[int], limit: int = MOST_COUNTED) -> Select[int, int, int, int]:
    """For each cause: how many tasks it is in, counted up to `limit`; how many of these wait, how many can be retried.

    It goes from one task to the next in the index: a million refused recipients of one task cost one step.
    """
    first = select(Delivery.fault_id.label("cause"), func.max(Delivery.task_id).label("task_id"), literal(1).label("n"))
    found = first.where(Delivery.fault_id.in_(causes)).group_by(Delivery.fault_id).cte("found", recursive=True)
    before = select(func.max(Delivery.task_id)).where(
        Delivery.fault_id == found.c.cause, Delivery.task_id < found.c.task_id
    )
    step = select(found.c.cause, before.scalar_subquery(), found.c.n + 1)
    found = found.union_all(step.where(found.c.task_id.is_not(None), found.c.n < limit))
    waits = func.sum(case((Task.status.in_(WAITING), 1), else_=0))
    failed = func.sum(case((Task.status == TaskStatus.FAILED, 1), else_=0))
    return (
        select(found.c.cause, func.count(Task.id), waits, failed)
        .join(Task, Task.id == found.c.task_id)
        .group_by(found.c.cause)
    )


def workers() -> Select[str, datetime, datetime, bool]:
    """Name, since when, when last seen, and whether that is recent enough to count as alive. One that is not was lost:
    who stops in order signs off.
    """
    alive = Worker.seen_at > now(-WORKER_ALIVE)
    return select(Worker.name, Worker.started_at, Worker.seen_at, alive).order_by(Worker.started_at, Worker.name)


def at_work(limit: int = 50) -> Select[Task]:
    """What is being sent right now; `who` is the worker."""
    return select(Task).where(Task.status == TaskStatus.STARTED, Task.test.is_(False)).order_by(Task.id).limit(limit)


def waiting(limit: int = MOST_WAITING) -> Select[str, int, int]:
    """By queue: how many tasks are queued, and how many of these are due; of the oldest `limit` and one."""
    oldest = (
        select(Task.queue, and_(Task.due_at <= now(), Task.rung_at.is_not(None)).label("due"))
        .where(Task.status == TaskStatus.QUEUED)
        .order_by(Task.id)
        .limit(limit + 1)
        .subquery()
    )
    due = func.sum(case((oldest.c.due, 1), else_=0))
    return select(oldest.c.queue, func.count(), due).group_by(oldest.c.queue)


def way_out() -> Select[*tuple[Any, ...]]:
    """The mail server's words; until when nothing is handed over, and until when only every `gap` seconds (or None)."""
    paused = case((Sender.paused_until > now(), Sender.paused_until))
    slowed = case((Sender.gap_until > now(), Sender.gap_until))
    named = [paused.label("paused_until"), slowed.label("slowed_until")]
    return select(Sender.reason, Sender.gap, *named).where(Sender.name == NAME)
