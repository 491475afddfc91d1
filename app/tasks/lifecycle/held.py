"""The moves of the worker that holds a task: every one of them names its lease."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    Integer,
    Update,
    bindparam,
    case,
    exists,
    func,
    null,
    or_,
    select,
    type_coerce,
)

from app.db import Prepared, Statement, now, prepared
from app.tasks.books import Edition, Helper, Sender
from app.tasks.lifecycle.moves import Move, among, delivery, task, untried
from app.tasks.model import Delivery, DeliveryStatus, Task, TaskStatus

LEASE = 8.0
"""Seconds for which a claim, or its renewal, holds. After a crash this is what the others wait for."""

BATCH = 10
"""Deliveries marked, handed over and recorded together; a crash can leave no more than these unknown."""

CLAIMED = (Task.id, Task.attempt, Task.template, Task.subject, Task.variables, Task.on_unknown, Task.test,
           Task.recipients, Task.queue)  # fmt: skip
MARKED = (Delivery.id, Delivery.address, Delivery.name, Delivery.variables, Delivery.attempt, Delivery.message_id,
          Delivery.written_at, Delivery.due_at)  # fmt: skip
"""What the worker learns of what it has."""


@prepared
def claim(task_id: int, attempt: int, token: str, by: str) -> Move:
    """queued → started, if it is due and no other claim came first; `attempt` is the one the ring was for.

    Nothing is claimed while the mail server is in trouble: see `sender.pause`. Returns CLAIMED; the attempt is now one
    higher.
    """
    return (
        task(Task.id == task_id, Task.attempt == attempt, *claimable())
        .values(**claiming(token, by))
        .returning(*CLAIMED)
    )


def claimable() -> list[ColumnElement[bool]]:
    """That a task may be claimed: it is due, not too late, and mail gets out."""
    return [
        Task.status == TaskStatus.QUEUED,
        Task.due_at <= now(),
        or_(Task.hold_after.is_(None), Task.hold_after >= now(), ~untried()),
        ~exists().where(Sender.paused_until > now()),
    ]


def claiming(token: str, by: str) -> dict[str, Any]:
    """What a claim writes into a task."""
    return {
        "status": TaskStatus.STARTED,
        "attempt": Task.attempt + 1,
        "token": token,
        "lease_until": now(LEASE),
        "rung_at": func.coalesce(Task.rung_at, now()),
        "started_at": func.coalesce(Task.started_at, now()),
        "who": by,
        "why": None,
    }


@prepared
def keep(task_id: int, token: str, sent: int = 0, failed: int = 0, unknown: int = 0) -> Move:
    """Add to the tallies, and renew the lease of whoever holds it; that of a helper is renewed by `keep_helping`. No
    row: the lease is lost, hand nothing more over.
    """
    return (
        task(*working(task_id, token))
        .values(
            lease_until=case((Task.token == token, now(LEASE)), else_=Task.lease_until),
            sent=Task.sent + sent,
            failed=Task.failed + failed,
            unknown=Task.unknown + unknown,
            crashes=case((type_coerce(sent, Integer) > 0, 0), else_=Task.crashes),
        )
        .returning(Task.id)
    )


def working(task_id: int, token: str) -> list[ColumnElement[bool]]:
    """That the task is started, and whoever has this token holds it or helps with it."""
    helps = exists().where(Helper.token == token, Helper.task_id == task_id)
    return [Task.id == task_id, Task.status == TaskStatus.STARTED, or_(Task.token == token, helps)]


@prepared
def mark(task_id: int, token: str, limit: int = BATCH, edition: str | None = None) -> Move:
    """queued → sending for up to `limit` deliveries whose time has come. Committed before anything is handed over.

    `edition` is the digest of the one that their messages are written from, at `written_at`. Returns MARKED of each.
    """
    return mark_some(task_id, token, limit, edition)


def mark_some(
    task_id: int, token: str, limit: int, edition: str | None, which: Sequence[ColumnElement[bool]] = ()
) -> Move:
    """The same, of those deliveries for `which` all of this holds."""
    first = select(Delivery.id).where(Delivery.task_id == task_id, *ready(), *which).order_by(Delivery.id).limit(limit)
    first = first.with_for_update(skip_locked=True)  # others may be marking theirs
    return (
        delivery(
            among(first, Delivery.id),
            Delivery.status == DeliveryStatus.QUEUED,
            exists().where(*working(task_id, token)),
        )
        .values(**marking(token, edition))
        .returning(*MARKED)
    )


def ready() -> list[ColumnElement[bool]]:
    """That a delivery may be marked: it waits, and not for a moment that is still to come."""
    return [Delivery.status == DeliveryStatus.QUEUED, or_(Delivery.due_at.is_(None), Delivery.due_at <= now())]


def marking(token: str, edition: str | None) -> dict[str, Any]:
    """What a mark writes into a delivery."""
    return {
        "status": DeliveryStatus.SENDING,
        "token": token,
        "attempt": Delivery.attempt + 1,
        "edition_id": select(Edition.id).where(Edition.digest == edition).scalar_subquery(),
        "written_at": now(),
        "digest": None,
        "updated_at": now(),
    }


def record(token: str, answers: Sequence[Mapping[str, Any]]) -> Update:
    """sending → what became of it, for many at once: each has `of` (id), `to` (status), `said`
    (the server's words), `fault` (the id of what it failed for, or None), `wait` (seconds until it may be tried again;
    only meant where it goes back to queued) and `digest` (SHA-256 of what was handed over; None where nothing was).
    """
    return cast(Update, Prepared(_record(), [{"digest": None, **answer, "holder": token} for answer in answers]))


@cache
def _record() -> Statement:
    again = case((bindparam("to") == DeliveryStatus.QUEUED, now(bindparam("wait"))), else_=null())
    held = Delivery.status == DeliveryStatus.SENDING, Delivery.token == bindparam("holder")
    return Statement(
        delivery(Delivery.id == bindparam("of"), *held).values(
            status=bindparam("to"),
            reply=bindparam("said"),
            fault_id=bindparam("fault"),
            digest=bindparam("digest"),
            due_at=again,
            updated_at=now(),
        )
    )


def put_back(task_id: int, token: str, delivery_ids: list[int], due_at: datetime | None = None) -> Update:
    """sending → queued for what was marked and then not handed over; the attempt does not count."""
    return delivery(
        Delivery.id.in_(delivery_ids),
        Delivery.task_id == task_id,
        Delivery.status == DeliveryStatus.SENDING,
        Delivery.token == token,
    ).values(
        status=DeliveryStatus.QUEUED,
        attempt=Delivery.attempt - 1,
        written_at=None,
        due_at=due_at or Delivery.due_at,
        updated_at=now(),
    )
