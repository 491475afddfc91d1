"""The moves of people, and of their programs."""

from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Update

from app.db import after, now
from app.mail import N_
from app.tasks.lifecycle.moves import WAITING, Move, count, delivery, task
from app.tasks.model import Delivery, DeliveryStatus, Task, TaskStatus


def cancel(task_id: int, by: str) -> Move:
    """scheduled or queued → cancelled, and with it every delivery still queued."""
    return (
        task(Task.id == task_id, Task.status.in_(WAITING))
        .values(status=TaskStatus.CANCELLED, ended_at=now(), rung_at=now(), attention=False, who=by, why=None)
        .returning(Task.id, Task.attempt, Task.queue)
    )


def reschedule(task_id: int, due_at: datetime, zone: str | None, by: str) -> Move:
    """scheduled or queued → scheduled at another instant, an event of its own even where it was scheduled already."""
    there = f"→ {due_at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M} {zone}" if zone else f"→ {due_at.isoformat()}"
    return (
        task(Task.id == task_id, Task.status.in_(WAITING))
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
        )
        .returning(Task.id, Task.attempt, Task.queue)
    )


def send_now(task_id: int, by: str) -> Move:
    """scheduled → scheduled for now, however late that is; the promoter takes it from there."""
    return (
        task(Task.id == task_id, Task.status == TaskStatus.SCHEDULED)
        .values(
            scheduled_at=now(),
            due_at=now(),
            rung_at=None,
            held=False,
            attention=Task.unknown > 0,
            hold_after=None,
            who=by,
            why=N_("Send it now."),
        )
        .returning(Task.id, Task.attempt, Task.queue)
    )


def retry(task_id: int, by: str) -> Move:
    """failed → queued. To be followed by `requeue_failed` and a ring."""
    return (
        task(Task.id == task_id, Task.status == TaskStatus.FAILED, count(DeliveryStatus.FAILED) > 0)
        .values(
            status=TaskStatus.QUEUED,
            due_at=now(),
            rung_at=now(),
            ended_at=None,
            error=None,
            failed=0,
            attention=Task.unknown > 0,
            who=by,
            why=N_("Retry what failed."),
        )
        .returning(Task.id, Task.attempt, Task.queue)
    )


def requeue_failed(task_id: int) -> Update:
    """failed → queued for a task's deliveries. What is unknown stays: that is another decision."""
    return delivery(Delivery.task_id == task_id, Delivery.status == DeliveryStatus.FAILED).values(
        status=DeliveryStatus.QUEUED, attempt=0, due_at=None, reply=None, fault_id=None, updated_at=now()
    )


def decide(task_id: int, by: str, why: str) -> Move:
    """failed → queued, because a person decides about what is unknown; with `arrived` or `send_again`, and a ring.

    A task that is queued already, because others of its deliveries wait, becomes due.
    """
    return (
        task(
            Task.id == task_id,
            Task.status.in_((TaskStatus.FAILED, TaskStatus.QUEUED)),
            count(DeliveryStatus.UNKNOWN) > 0,
        )
        .values(status=TaskStatus.QUEUED, due_at=now(), rung_at=now(), ended_at=None, who=by, why=why)
        .returning(Task.id, Task.attempt, Task.queue)
    )


def _unknown(task_id: int, address: str | None) -> Update:
    chosen: list[ColumnElement[bool]] = [] if address is None else [Delivery.address == address]
    return delivery(Delivery.task_id == task_id, Delivery.status == DeliveryStatus.UNKNOWN, *chosen)


def arrived(task_id: int, address: str | None = None) -> Update:
    """unknown → sent, for one address or all: a person says so."""
    return _unknown(task_id, address).values(
        status=DeliveryStatus.SENT, reply=N_("A person said that it arrived."), updated_at=now()
    )


def send_again(task_id: int, address: str | None = None) -> Update:
    """unknown → queued, for one address or all: a person says so, though it may arrive twice."""
    return _unknown(task_id, address).values(
        status=DeliveryStatus.QUEUED,
        attempt=0,
        due_at=None,
        reply=N_("A person said to send it again."),
        updated_at=now(),
    )
