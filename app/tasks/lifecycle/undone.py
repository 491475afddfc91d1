"""The moves that take back what a person did: afterwards everything is as it was before, but for what was recorded."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, Update, and_, case, func, literal, null, or_, select

from app.db import Instant, now
from app.mail import N_
from app.tasks.lifecycle.moves import WAITING, Move, Which, delivery, needs_a_person, task, these, too_late
from app.tasks.lifecycle.people import CAN
from app.tasks.model import Delivery, DeliveryStatus, Task, TaskEvent, TaskStatus

UNDONE = N_("Undone.")


@dataclass(frozen=True)
class Plan:
    """When a waiting task is to go out, as far as a person can change it; and which edit that belongs to."""

    status: str
    scheduled_at: datetime | None
    zone: str | None
    due_at: datetime
    hold_after: datetime | None
    held: bool
    edit_key: str | None


def plan(task_id: int) -> Select[str, datetime | None, str | None, datetime, datetime | None, bool, str | None]:
    """The fields of a task's `Plan`, in their order; nobody changes them before the transaction ends."""
    return (
        select(Task.status, Task.scheduled_at, Task.zone, Task.due_at, Task.hold_after, Task.held, Task.edit_key)
        .where(Task.id == task_id)
        .with_for_update(key_share=True)
    )


def restore(
    which: Which, by: str, why: str = UNDONE, bulk: int | None = None, cancelled_at: datetime | None = None
) -> Move:
    """cancelled → what it was before, with the moment it had: at once, if that has passed. By `cancelled_at` the
    cancelling that is meant is told from a later one. To be followed by `requeue_cancelled` for those that moved.

    Returns id, attempt, queue, due_at and held.
    """
    that_one: list[ColumnElement[bool]] = [] if cancelled_at is None else [Task.ended_at == cancelled_at]
    before = (
        select(TaskEvent.from_status)
        .where(TaskEvent.task_id == Task.id, TaskEvent.address.is_(None), TaskEvent.to_status == TaskStatus.CANCELLED)
        .order_by(TaskEvent.id.desc())
        .limit(1)
        .correlate(Task)
        .scalar_subquery()
    )
    return (
        task(these(which), CAN["restore"], *that_one)
        .values(
            # A worker leaves a task cancelled that was so before somebody decided about what was unknown.
            status=case(
                (before == TaskStatus.STARTED, TaskStatus.QUEUED), else_=func.coalesce(before, TaskStatus.SCHEDULED)
            ),
            ended_at=None,
            # Whoever undoes was told that it goes out at once: it is not held for being late instead.
            hold_after=case((and_(*too_late(Task.hold_after)), null()), else_=Task.hold_after),
            rung_at=case((Task.held, now()), else_=null()),
            attention=or_(Task.held, needs_a_person()),
            who=by,
            why=why,
            bulk_id=bulk,
        )
        .returning(Task.id, Task.attempt, Task.queue, Task.due_at, Task.held)
    )


def requeue_cancelled(which: Which) -> Update:
    """cancelled → queued for a task's deliveries: all that its cancelling took along, and nothing else is cancelled."""
    return delivery(these(which, Delivery.task_id), Delivery.status == DeliveryStatus.CANCELLED).values(
        status=DeliveryStatus.QUEUED, updated_at=now()
    )


def replan(task_id: int, was: Plan, attempt: int, due_at: datetime, by: str) -> Move:
    """scheduled or queued → what it was before a person gave it the moment `due_at`, if it still waits for that one.

    Returns id, attempt, queue, due_at and held.
    """
    return (
        task(
            Task.id == task_id,
            Task.status.in_(WAITING),
            Task.attempt == attempt,
            Task.due_at == due_at,
            Task.edit_key.is_not_distinct_from(was.edit_key),
        )
        .values(
            status=was.status,
            scheduled_at=was.scheduled_at,
            zone=was.zone,
            due_at=was.due_at,
            hold_after=_limit(was),
            held=was.held,
            rung_at=now() if was.held else None,
            attention=or_(literal(was.held), needs_a_person()),
            who=by,
            why=UNDONE,
            bulk_id=None,
        )
        .returning(Task.id, Task.attempt, Task.queue, Task.due_at, Task.held)
    )


def _limit(was: Plan) -> Any:
    if was.held or was.hold_after is None:
        return was.hold_after
    limit = literal(was.hold_after, Instant())
    return case((and_(*too_late(limit)), null()), else_=limit)
