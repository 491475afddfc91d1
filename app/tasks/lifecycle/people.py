"""The moves of people, and of their programs: of one task, or of many as one `bulk` (its id; see app/tasks/bulk.py).

What may be moved is said in `CAN`, once, for the moves and for whoever asks beforehand what they would do.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, Update, and_, false, func, or_, select

from app.db import after, now
from app.mail import N_
from app.tasks.lifecycle.moves import WAITING, Move, Which, count, delivery, instead_reached, task, these, was_put_off
from app.tasks.model import Delivery, DeliveryStatus, Task, TaskStatus

DECIDABLE = (TaskStatus.FAILED, TaskStatus.QUEUED, TaskStatus.CANCELLED)
"""The statuses in which what is unknown can be decided about."""

ARRIVED = N_("It arrived, a person said.")
AGAIN = N_("A person said to send it again.")

CAN: dict[str, ColumnElement[bool]] = {
    "cancel": Task.status.in_(WAITING),
    "reschedule": Task.status.in_(WAITING),
    "edit": and_(Task.status.in_(WAITING), Task.attempt == 0, ~Task.test),
    "now": Task.status == TaskStatus.SCHEDULED,
    "retry": and_(Task.status == TaskStatus.FAILED, count(DeliveryStatus.FAILED) > 0, ~instead_reached()),
    "restore": and_(Task.status == TaskStatus.CANCELLED, ~instead_reached()),
    "decide": and_(Task.status.in_(DECIDABLE), count(DeliveryStatus.UNKNOWN) > 0),
}
"""That a task may be moved so."""


def cancel(which: Which, by: str, why: str | None = None, bulk: int | None = None) -> Move:
    """scheduled or queued → cancelled, and with it every delivery still queued. What is unknown still needs a person.
    Returns when it ended, and was due.
    """
    return (
        task(these(which), CAN["cancel"])
        .values(
            status=TaskStatus.CANCELLED,
            ended_at=now(),
            rung_at=now(),
            attention=Task.unknown > 0,
            who=by,
            why=why,
            bulk_id=bulk,
        )
        .returning(Task.id, Task.attempt, Task.queue, Task.ended_at, Task.due_at)
    )


def undo(task_id: int, by: str) -> Move:
    """scheduled or queued → cancelled, if no worker ever claimed it: nothing of it has been sent."""
    return cancel(task_id, by, N_("Undone.")).where(Task.attempt == 0)


def reschedule(task_id: int, due_at: datetime, zone: str | None, by: str) -> Move:
    """scheduled or queued → scheduled at another instant, an event of its own even where it was scheduled already."""
    there = f"→ {due_at.astimezone(ZoneInfo(zone or 'UTC')):%Y-%m-%d %H:%M} {zone or 'UTC'}"
    return (
        task(these(task_id), CAN["reschedule"])
        .values(
            status=TaskStatus.SCHEDULED,
            scheduled_at=due_at,
            due_at=due_at,
            zone=zone,
            rung_at=None,
            held=False,
            attention=Task.unknown > 0,
            hold_after=after(due_at, Task.late_limit),
            who=by,
            why=there,
            bulk_id=None,
        )
        .returning(Task.id, Task.attempt, Task.queue, Task.due_at)
    )


def send_now(which: Which, by: str, why: str = N_("Send it now."), bulk: int | None = None, wait: float = 0) -> Move:
    """scheduled → scheduled for now, or in `wait` seconds, however late that is; the promoter takes it from there."""
    return (
        task(these(which), CAN["now"])
        .values(
            scheduled_at=now(wait),
            due_at=now(wait),
            rung_at=None,
            held=False,
            attention=Task.unknown > 0,
            hold_after=None,
            who=by,
            why=why,
            bulk_id=bulk,
        )
        .returning(Task.id, Task.attempt, Task.queue, Task.due_at)
    )


def retry(
    which: Which, by: str, why: str = N_("Retry what failed."), bulk: int | None = None, fault: int | None = None
) -> Move:
    """failed → queued; with `fault`, for what failed because of it. To be followed by `requeue_failed` with the same
    `fault` for those that moved, and by rings.
    """
    stays, doubtful = _stays_failed(fault), [*_stays_failed(fault), was_put_off()]
    because = [] if fault is None else [_deliveries(*_failed(fault)).exists()]
    return (
        task(these(which), CAN["retry"], *because)
        .values(
            status=TaskStatus.QUEUED,
            due_at=now(),
            hold_after=None,
            rung_at=now(),
            ended_at=None,
            error=None,
            failed=_deliveries(*stays).with_only_columns(func.count()).scalar_subquery(),
            attention=or_(Task.unknown > 0, _deliveries(*doubtful).exists()),
            who=by,
            why=why,
            bulk_id=bulk,
        )
        .returning(Task.id, Task.attempt, Task.queue)
    )


def requeue_failed(which: Which, fault: int | None = None) -> Update:
    """failed → queued for a task's deliveries. What is unknown stays: that is another decision."""
    return delivery(these(which, Delivery.task_id), *_failed(fault)).values(
        status=DeliveryStatus.QUEUED, attempt=0, due_at=None, reply=None, fault_id=None, updated_at=now()
    )


def _failed(fault: int | None) -> list[ColumnElement[bool]]:
    because = [] if fault is None else [Delivery.fault_id == fault]
    return [Delivery.status == DeliveryStatus.FAILED, *because]


def _stays_failed(fault: int | None) -> list[ColumnElement[bool]]:
    return [
        Delivery.status == DeliveryStatus.FAILED,
        false() if fault is None else Delivery.fault_id.is_distinct_from(fault),
    ]


def _deliveries(*where: ColumnElement[bool]) -> Select[int]:
    return select(Delivery.id).where(Delivery.task_id == Task.id, *where).correlate(Task)


def decide(which: Which, by: str, why: str, bulk: int | None = None) -> Move:
    """failed or cancelled → queued, because a person decides about what is unknown; with `arrived` or `send_again`,
    and a ring. What was cancelled stays so.

    A task that is queued already, because others of its deliveries wait, becomes due.
    """
    return (
        task(these(which), CAN["decide"])
        .values(
            status=TaskStatus.QUEUED,
            due_at=now(),
            hold_after=None,
            rung_at=now(),
            ended_at=None,
            who=by,
            why=why,
            bulk_id=bulk,
        )
        .returning(Task.id, Task.attempt, Task.queue)
    )


def _unknown(which: Which, address: str | None, seen: datetime | None) -> Update:
    chosen: list[ColumnElement[bool]] = [] if address is None else [Delivery.address == address]
    if seen is not None:
        chosen.append(Delivery.updated_at <= seen)
    return delivery(these(which, Delivery.task_id), Delivery.status == DeliveryStatus.UNKNOWN, *chosen)


def arrived(which: Which, address: str | None = None, seen: datetime | None = None) -> Update:
    """unknown → sent, for one address or all, of what was so when it was `seen`: a person says so."""
    return _unknown(which, address, seen).values(
        status=DeliveryStatus.SENT, reply=N_("A person said that it arrived."), updated_at=now()
    )


def send_again(which: Which, address: str | None = None, seen: datetime | None = None) -> Update:
    """unknown → queued, for one address or all, of what was so when it was `seen`: a person says so, though it may
    arrive twice.
    """
    return _unknown(which, address, seen).values(
        status=DeliveryStatus.QUEUED,
        attempt=0,
        due_at=None,
        reply=AGAIN,
        updated_at=now(),
    )
