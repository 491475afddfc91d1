"""Every change of a status, as a statement: the web app awaits it, the worker calls it, nobody else writes one.

    task:      scheduled ─promote─▶ queued ─claim─▶ started ─settle─▶ finished | failed
                                      ▲ ▲              │
                                      │ └─ give_back, release
               failed ─retry──────────┘      scheduled, queued ─cancel─▶ cancelled

    delivery:  queued ─mark─▶ sending ─record─▶ sent | failed | unknown | queued (again, later)

A move names the status it leaves and returns a row only where it moved something. No row means that somebody was
first, which is normal: late, doubled and stale callers find nothing to move. What a worker moves carries its lease's
token besides, so that one given up for dead can no longer write. The database's triggers (alembic/versions) write
the event and the counts of a task's move in the same statement, and cancel what a cancelled task has queued.
"""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import (
    ColumnElement,
    ScalarSelect,
    Select,
    Update,
    bindparam,
    case,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from app.db import now
from app.mail import N_
from app.tasks.model import Delivery, DeliveryStatus, Task, TaskStatus

LEASE = 9.0
"""Seconds for which a claim, or its renewal, holds. After a crash this is what the others wait for."""

BATCH = 10
"""Deliveries marked, handed over and recorded together; a crash can leave no more than these unknown."""

Move = ReturningUpdate[*tuple[Any, ...]]

WAITING = (TaskStatus.SCHEDULED, TaskStatus.QUEUED)


def _task(*where: ColumnElement[bool]) -> Update:
    return update(Task).where(*where).execution_options(synchronize_session=False)


def _delivery(*where: ColumnElement[bool]) -> Update:
    return update(Delivery).where(*where).execution_options(synchronize_session=False)


def _among(chosen: Select[int], column: Any = Task.id) -> ColumnElement[bool]:
    # As a plain IN, Postgres may run the choice again for every row, and so exceed its limit.
    once = chosen.cte("chosen").prefix_with("MATERIALIZED")
    among: ColumnElement[bool] = column.in_(select(once.c.id))
    return among


# The promoter, and whoever rings


def promote(limit: int = 1000, task_id: int | None = None) -> Move:
    """scheduled → queued for up to `limit` tasks that are due, those first that are due first; or for one task.

    A queued task that had to wait and is due again comes along: it has to be rung for as well. Returns id, attempt
    and queue of each, to be rung for after the commit.
    """
    due = [Task.status.in_(WAITING), Task.rung_at.is_(None), Task.due_at <= now()]
    first = select(Task.id).where(*due).order_by(Task.due_at).limit(limit).with_for_update(skip_locked=True)
    which = _among(first) if task_id is None else Task.id == task_id
    return (
        _task(which, *due)
        .values(status=TaskStatus.QUEUED, rung_at=now(), who="timekeeper", why=N_("It is due."))
        .returning(Task.id, Task.attempt, Task.queue)
    )


def ring_again(task_ids: list[int]) -> Move:
    """Note that queued tasks are being rung for once more. Returns id, attempt and queue of those still queued."""
    return (
        _task(Task.id.in_(task_ids), Task.status == TaskStatus.QUEUED)
        .values(rung_at=now())
        .returning(Task.id, Task.attempt, Task.queue)
    )


# The worker that holds a task


def claim(task_id: int, attempt: int, token: str, by: str) -> Move:
    """queued → started, if it is due and no other claim came first; `attempt` is the one the ring was for.

    Returns the task's id, attempt (now one higher), template, subject, variables and recipients.
    """
    return (
        _task(
            Task.id == task_id,
            Task.status == TaskStatus.QUEUED,
            Task.attempt == attempt,
            Task.due_at <= now(),
        )
        .values(
            status=TaskStatus.STARTED,
            attempt=Task.attempt + 1,
            token=token,
            lease_until=now(LEASE),
            started_at=func.coalesce(Task.started_at, now()),
            who=by,
            why=None,
        )
        .returning(Task.id, Task.attempt, Task.template, Task.subject, Task.variables, Task.recipients)
    )


def _held(task_id: int, token: str | None) -> list[ColumnElement[bool]]:
    return [Task.id == task_id, Task.status == TaskStatus.STARTED, Task.token == token]


def keep(task_id: int, token: str, sent: int = 0, failed: int = 0, unknown: int = 0) -> Move:
    """Renew the lease and add to the tallies. No row: the lease is lost, hand nothing more over, write nothing."""
    return (
        _task(*_held(task_id, token))
        .values(
            lease_until=now(LEASE), sent=Task.sent + sent, failed=Task.failed + failed, unknown=Task.unknown + unknown
        )
        .returning(Task.id)
    )


def mark(task_id: int, token: str, limit: int = BATCH) -> Move:
    """queued → sending for up to `limit` deliveries whose time has come. Committed before anything is handed over.

    Returns id, address, name, variables, attempt and message_id of each.
    """
    ready = (
        select(Delivery.id)
        .where(
            Delivery.task_id == task_id,
            Delivery.status == DeliveryStatus.QUEUED,
            or_(Delivery.due_at.is_(None), Delivery.due_at <= now()),
        )
        .order_by(Delivery.id)
        .limit(limit)
    )
    return (
        _delivery(
            _among(ready, Delivery.id),
            Delivery.status == DeliveryStatus.QUEUED,
            exists().where(*_held(task_id, token)),
        )
        .values(status=DeliveryStatus.SENDING, token=token, attempt=Delivery.attempt + 1, updated_at=now())
        .returning(
            Delivery.id,
            Delivery.address,
            Delivery.name,
            Delivery.variables,
            Delivery.attempt,
            Delivery.message_id,
        )
    )


def record(token: str) -> Update:
    """sending → what became of it, for many at once: each takes `of` (id), `to` (status), `said` (the server's words)
    and `wait` (seconds until it may be tried again; only meant where it goes back to queued)."""
    again = case((bindparam("to") == DeliveryStatus.QUEUED, now(bindparam("wait"))), else_=null())
    return _delivery(
        Delivery.id == bindparam("of"), Delivery.status == DeliveryStatus.SENDING, Delivery.token == token
    ).values(status=bindparam("to"), reply=bindparam("said"), due_at=again, updated_at=now())


def put_back(task_id: int, token: str, delivery_ids: list[int]) -> Update:
    """sending → queued for what was marked and then not handed over; the attempt does not count."""
    return _delivery(
        Delivery.id.in_(delivery_ids),
        Delivery.task_id == task_id,
        Delivery.status == DeliveryStatus.SENDING,
        Delivery.token == token,
    ).values(status=DeliveryStatus.QUEUED, attempt=Delivery.attempt - 1, updated_at=now())


def _count(*statuses: DeliveryStatus) -> ScalarSelect[int]:
    return (
        select(func.count())
        .select_from(Delivery)
        .where(Delivery.task_id == Task.id, Delivery.status.in_(statuses))
        .correlate(Task)
        .scalar_subquery()
    )


def settle(task_id: int, token: str, why: str | None = None) -> Move:
    """started → finished, failed, or back to queued, by what its deliveries add up to. Returns status and due_at.

    `why` is said where something is left, which is then due again at the earliest of its waits.
    """
    left = _count(DeliveryStatus.QUEUED, DeliveryStatus.SENDING)
    bad = _count(DeliveryStatus.FAILED, DeliveryStatus.UNKNOWN)
    waits = [Delivery.task_id == Task.id, Delivery.status == DeliveryStatus.QUEUED]
    earliest = select(func.min(func.coalesce(Delivery.due_at, now()))).where(*waits).correlate(Task).scalar_subquery()
    said = (
        select(Delivery.reply)
        .where(Delivery.task_id == Task.id, Delivery.status.in_((DeliveryStatus.FAILED, DeliveryStatus.UNKNOWN)))
        .order_by(Delivery.status, Delivery.id)
        .limit(1)
        .correlate(Task)
        .scalar_subquery()
    )
    return (
        _task(*_held(task_id, token))
        .values(
            status=case((left > 0, TaskStatus.QUEUED), (bad > 0, TaskStatus.FAILED), else_=TaskStatus.FINISHED),
            sent=_count(DeliveryStatus.SENT),
            failed=_count(DeliveryStatus.FAILED),
            unknown=_count(DeliveryStatus.UNKNOWN),
            ended_at=case((left > 0, null()), else_=now()),
            due_at=case((left > 0, func.coalesce(earliest, now())), else_=Task.due_at),
            rung_at=case((left > 0, null()), else_=Task.rung_at),
            why=case((left > 0, literal(why)), else_=null()),
            error=said,
            token=None,
            lease_until=None,
        )
        .returning(Task.status, Task.due_at)
    )


def give_back(task_id: int, token: str, why: str, wait: float = 0, error: str | None = None) -> Move:
    """started → queued by the worker that holds it, due again in `wait` seconds."""
    return (
        _task(*_held(task_id, token))
        .values(
            status=TaskStatus.QUEUED,
            due_at=now(wait),
            rung_at=None,
            token=None,
            lease_until=None,
            why=why,
            error=func.coalesce(error, Task.error),
        )
        .returning(Task.id)
    )


# The reconciler


def release(task_id: int, token: str | None) -> Move:
    """started → queued, when the lease ran out: its worker is gone. To be followed by `lose` and a ring."""
    return (
        _task(*_held(task_id, token), Task.lease_until < now())
        .values(
            status=TaskStatus.QUEUED,
            due_at=now(),
            rung_at=now(),
            token=None,
            lease_until=None,
            who="reconciler",
            why=N_("Its worker was lost."),
        )
        .returning(Task.id, Task.attempt, Task.queue)
    )


def lose(task_id: int, token: str | None) -> Update:
    """sending → unknown for what a lost worker had in hand: it may have arrived, and only a person can tell."""
    return _delivery(
        Delivery.task_id == task_id, Delivery.status == DeliveryStatus.SENDING, Delivery.token == token
    ).values(
        status=DeliveryStatus.UNKNOWN,
        reply=N_("The worker was lost while it handed this message over. It may have arrived."),
        updated_at=now(),
    )


# People, and their programs


def cancel(task_id: int, by: str) -> Move:
    """scheduled or queued → cancelled, and with it every delivery still queued."""
    return (
        _task(Task.id == task_id, Task.status.in_(WAITING))
        .values(status=TaskStatus.CANCELLED, ended_at=now(), who=by, why=None)
        .returning(Task.id, Task.attempt, Task.queue)
    )


def reschedule(task_id: int, due_at: datetime, zone: str | None, by: str) -> Move:
    """scheduled or queued → scheduled at another instant, an event of its own even where it was scheduled already."""
    there = f"→ {due_at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M} {zone}" if zone else f"→ {due_at.isoformat()}"
    return (
        _task(Task.id == task_id, Task.status.in_(WAITING))
        .values(
            status=TaskStatus.SCHEDULED, scheduled_at=due_at, due_at=due_at, zone=zone, rung_at=None, who=by, why=there
        )
        .returning(Task.id, Task.attempt, Task.queue)
    )


def retry(task_id: int, by: str) -> Move:
    """failed → queued. To be followed by `requeue_failed` and a ring."""
    return (
        _task(Task.id == task_id, Task.status == TaskStatus.FAILED, _count(DeliveryStatus.FAILED) > 0)
        .values(
            status=TaskStatus.QUEUED,
            due_at=now(),
            rung_at=now(),
            ended_at=None,
            error=None,
            failed=0,
            who=by,
            why=N_("Retry what failed."),
        )
        .returning(Task.id, Task.attempt, Task.queue)
    )


def requeue_failed(task_id: int) -> Update:
    """failed → queued for a task's deliveries. What is unknown stays: that is another decision."""
    return _delivery(Delivery.task_id == task_id, Delivery.status == DeliveryStatus.FAILED).values(
        status=DeliveryStatus.QUEUED, attempt=0, due_at=None, reply=None, updated_at=now()
    )
