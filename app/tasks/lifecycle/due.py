"""The moves of the timekeeper: ring for what is due, and put right what a lost worker left."""

from sqlalchemy import ColumnElement, Select, Update, case, null, or_, select

from app.db import now
from app.mail import N_
from app.tasks.books import Fault
from app.tasks.lifecycle.moves import (
    WAITING,
    Move,
    Which,
    among,
    count,
    delivery,
    held,
    needs_a_person,
    task,
    these,
    too_late,
)
from app.tasks.model import Delivery, DeliveryStatus, OnUnknown, Task, TaskStatus

CRASHES = 3
"""Workers that one task may cost, without a message sent between, until it is condemned."""

LOST = N_("The worker was lost while it handed this message over. It may have arrived.")
POISON = N_("Three workers were lost over this task, one after another, so it is not tried again by itself.")


def promote(limit: int = 1000, task_id: int | None = None) -> Move:
    """scheduled → queued for up to `limit` tasks that are due, those first that are due first; or for one task.

    A queued task that had to wait and is due again comes along: it has to be rung for as well. Returns id, attempt
    and queue of each, to be rung for after the commit.
    """
    due = [Task.rung_at.is_(None), Task.due_at <= now()]  # only what waits has nobody rung for: see ix_tasks_unrung
    first = select(Task.id).where(*due).order_by(Task.due_at).limit(limit).with_for_update(skip_locked=True)
    # What was chosen is locked: were it asked about once more, Postgres would look through all that is due for each.
    which = [among(first)] if task_id is None else [Task.id == task_id, *due]
    return (
        task(*which, Task.status.in_(WAITING))
        .values(status=TaskStatus.QUEUED, rung_at=now(), who="timekeeper", why=N_("It is due."))
        .returning(Task.id, Task.attempt, Task.queue)
    )


def waiting(whose: ColumnElement[bool]) -> Select[int]:
    """The ids of such queued tasks that wait for a moment that is still to come."""
    which = Task.status == TaskStatus.QUEUED, Task.rung_at.is_(None), Task.due_at > now(), whose
    return select(Task.id).where(*which).order_by(Task.id).with_for_update(skip_locked=True)


def hurry(which: Which) -> Update:
    """What waits for a moment is due."""
    return task(these(which), Task.status == TaskStatus.QUEUED, Task.rung_at.is_(None)).values(due_at=now())


def hurry_deliveries(which: Which) -> Update:
    """Theirs as well, unless the mail server may have put them off: they have been tried."""
    untouched = Delivery.status == DeliveryStatus.QUEUED, Delivery.attempt == 0, Delivery.due_at > now()
    return delivery(these(which, Delivery.task_id), *untouched).values(due_at=now())


def late() -> list[ColumnElement[bool]]:
    """That a task came due longer ago than its limit, and was never tried."""
    return [Task.status.in_(WAITING), *too_late(Task.hold_after)]


def hold_late() -> Move:
    """scheduled or queued → scheduled and held, where it is `late`."""
    return (
        task(*late())
        .values(
            status=TaskStatus.SCHEDULED,
            held=True,
            attention=True,
            rung_at=now(),
            who="timekeeper",
            why=N_("It could not be sent in time, and waits for a decision."),
        )
        .returning(Task.id, Task.attempt, Task.queue)
    )


def release(task_id: int, token: str | None) -> Move:
    """started → queued, when the lease ran out: its worker is gone. To be followed by `lose`, `tally` and a ring."""
    return (
        task(*held(task_id, token), Task.lease_until < now(), Task.crashes < CRASHES - 1)
        .values(
            status=TaskStatus.QUEUED,
            due_at=now(),
            rung_at=now(),
            token=None,
            lease_until=None,
            crashes=Task.crashes + 1,
            who="reconciler",
            why=N_("Its worker was lost."),
        )
        .returning(Task.id, Task.attempt, Task.queue)
    )


def condemn(task_id: int, token: str | None) -> Move:
    """started → failed, when the lease ran out once too often. To be followed by `lose`, `give_up` and `tally`."""
    return (
        task(*held(task_id, token), Task.lease_until < now(), Task.crashes >= CRASHES - 1)
        .values(
            status=TaskStatus.FAILED,
            ended_at=now(),
            token=None,
            lease_until=None,
            crashes=0,
            attention=True,
            who="reconciler",
            why=POISON,
            error=POISON,
        )
        .returning(Task.id)
    )


def lose(task_id: int, token: str | None) -> Update:
    """sending → unknown for what a lost worker had in hand: it may have arrived, and only a person can tell.

    Where a person said so beforehand (OnUnknown.AGAIN), it goes back to queued instead.
    """
    asked = select(Task.on_unknown).where(Task.id == task_id).scalar_subquery()
    return delivery(
        Delivery.task_id == task_id, Delivery.status == DeliveryStatus.SENDING, Delivery.token == token
    ).values(
        status=case((asked == OnUnknown.AGAIN, DeliveryStatus.QUEUED), else_=DeliveryStatus.UNKNOWN),
        reply=LOST,
        updated_at=now(),
    )


def lose_strays(task_id: int, token: str) -> Update:
    """sending → unknown for what is under any other lease than the one just claimed: nobody can be working on it."""
    return delivery(
        Delivery.task_id == task_id, Delivery.status == DeliveryStatus.SENDING, Delivery.token != token
    ).values(status=DeliveryStatus.UNKNOWN, reply=LOST, updated_at=now())


def give_up(task_id: int) -> Update:
    """queued → failed for what a condemned task has left."""
    return delivery(Delivery.task_id == task_id, Delivery.status == DeliveryStatus.QUEUED).values(
        status=DeliveryStatus.FAILED,
        reply=POISON,
        fault_id=case((select(Task.test).where(Task.id == task_id).scalar_subquery(), null()), else_=Fault.POISON),
        updated_at=now(),
    )


def tally(which: Which) -> Update:
    """Count a task's deliveries anew."""
    return task(these(which)).values(
        sent=count(DeliveryStatus.SENT),
        failed=count(DeliveryStatus.FAILED),
        unknown=count(DeliveryStatus.UNKNOWN),
        attention=or_(Task.status == TaskStatus.FAILED, needs_a_person()),
    )
