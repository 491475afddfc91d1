"""The moves by which a worker lets go of the task that it holds."""

from datetime import datetime
from typing import Any

from sqlalchemy import ScalarSelect, case, func, null, select

from app.db import now, prepared
from app.tasks.lifecycle.moves import Move, count, held, needs_a_person, task
from app.tasks.model import Delivery, DeliveryStatus, Task, TaskStatus


@prepared
def settle(task_id: int, token: str, why: str | None = None) -> Move:
    """started → finished, failed, cancelled (where a person had cancelled what was left, and then decided about what
    was unknown), or back to queued: by what its deliveries add up to. Returns status and due_at.

    `why` is said where something is left, which is then due again at the earliest of its waits.
    """
    return task(*held(task_id, token)).values(**settling(why)).returning(Task.status, Task.due_at)


def settling(why: str | None) -> dict[str, Any]:
    """What settling writes into a task."""
    left = count(DeliveryStatus.QUEUED, DeliveryStatus.SENDING)
    bad = count(DeliveryStatus.FAILED, DeliveryStatus.UNKNOWN)
    return {
        "status": case(
            (left > 0, TaskStatus.QUEUED),
            (count(DeliveryStatus.CANCELLED) > 0, TaskStatus.CANCELLED),
            (bad > 0, TaskStatus.FAILED),
            else_=TaskStatus.FINISHED,
        ),
        "sent": count(DeliveryStatus.SENT),
        "failed": count(DeliveryStatus.FAILED),
        "unknown": count(DeliveryStatus.UNKNOWN),
        "ended_at": case((left > 0, null()), else_=now()),
        "due_at": case((left > 0, func.coalesce(_earliest(), now())), else_=Task.due_at),
        "rung_at": case((left > 0, null()), else_=Task.rung_at),
        "why": case((left > 0, why), else_=null()),
        "error": _first_words(),
        "attention": needs_a_person(),
        "token": None,
        "lease_until": None,
    }


def _earliest() -> ScalarSelect[datetime]:
    """When the first of a task's waiting deliveries may be tried again."""
    waiting = Delivery.task_id == Task.id, Delivery.status == DeliveryStatus.QUEUED
    return select(func.min(func.coalesce(Delivery.due_at, now()))).where(*waiting).correlate(Task).scalar_subquery()


def _first_words() -> ScalarSelect[str | None]:
    """What was said of the first of a task's deliveries that failed, or else is unknown."""
    ended = Delivery.task_id == Task.id, Delivery.status.in_((DeliveryStatus.FAILED, DeliveryStatus.UNKNOWN))
    first = select(Delivery.reply).where(*ended).order_by(Delivery.status, Delivery.id).limit(1)
    return first.correlate(Task).scalar_subquery()


def give_back(task_id: int, token: str, why: str, wait: float = 0, error: str | None = None) -> Move:
    """started → queued by the worker that holds it, due again in `wait` seconds; its deliveries are counted anew."""
    return (
        task(*held(task_id, token))
        .values(
            status=TaskStatus.QUEUED,
            due_at=now(wait),
            rung_at=None,
            token=None,
            lease_until=None,
            why=why,
            error=func.coalesce(error, Task.error),
            crashes=case((count(DeliveryStatus.SENT) > Task.sent, 0), else_=Task.crashes),
            sent=count(DeliveryStatus.SENT),
            failed=count(DeliveryStatus.FAILED),
            unknown=count(DeliveryStatus.UNKNOWN),
            attention=needs_a_person(),
        )
        .returning(Task.id)
    )
