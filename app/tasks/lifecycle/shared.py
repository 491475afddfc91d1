"""The moves of workers that share a large task: one holds it, the others help, each under a lease of its own.

Whoever joins or leaves locks the task's row first (`lock`), so that nobody joins what is being settled. Who holds it
and leaves hands it on to a helper, who need not notice; the last one settles it.
"""

from typing import Any

from sqlalchemy import Insert, Select, Update, delete, exists, func, insert, select, update
from sqlalchemy.sql.dml import Delete

from app.db import now
from app.mail import N_
from app.tasks.books import Helper, Sender
from app.tasks.lifecycle.held import BATCH, CLAIMED, LEASE, ready
from app.tasks.lifecycle.moves import Move, held, task
from app.tasks.model import Delivery, Task, TaskEvent, TaskStatus

GONE = N_("This worker was lost; the others go on.")

MUCH = 200
"""Recipients from which on a task may have helpers."""


def joinable(task_id: int) -> Select[*tuple[Any, ...]]:
    """CLAIMED of a task that somebody holds, if there is enough left of it; nobody leaves it before the transaction
    ends.
    """
    left = Task.recipients - Task.sent - Task.failed - Task.unknown
    is_large = (Task.recipients >= MUCH) & (left >= 2 * BATCH)
    waits = exists().where(Delivery.task_id == task_id, *ready())
    in_trouble = exists().where(Sender.paused_until > now())
    return (
        select(*CLAIMED)
        .where(Task.id == task_id, Task.status == TaskStatus.STARTED, is_large, ~in_trouble, waits)
        .with_for_update(key_share=True)
    )


def helpers(task_id: int) -> Select[int]:
    """How many help with it."""
    return select(func.count()).select_from(Helper).where(Helper.task_id == task_id)


def join(task_id: int, token: str, by: str) -> Insert:
    """Help with it. To be followed by `mark`."""
    return insert(Helper).values(token=token, task_id=task_id, worker=by, lease_until=now(LEASE))


def keep_helping(token: str) -> Update:
    """Renew the lease of a helper. No row: it helps no more, or holds the task by now."""
    return update(Helper).where(Helper.token == token).values(lease_until=now(LEASE))


def stop_helping(token: str) -> Delete:
    """No row: it is no helper."""
    return delete(Helper).where(Helper.token == token)


def hand_on(task_id: int, token: str | None, *, lost: bool = False) -> Move:
    """A helper holds the task from now on; with `lost`, because its holder's lease ran out. Returns the helper's token,
    for `stop_helping`; no row: nobody helps.
    """
    living = Helper.task_id == task_id, Helper.lease_until > now()
    heir = select(Helper.token).where(*living).order_by(Helper.token).limit(1)
    name = select(Helper.worker).where(*living).order_by(Helper.token).limit(1)
    gone = [Task.lease_until < now()] if lost else []
    return (
        task(*held(task_id, token), *gone, exists().where(*living))
        .values(
            token=heir.scalar_subquery(),
            lease_until=now(LEASE),
            who=name.scalar_subquery(),
        )
        .returning(Task.token)
    )


def lost_helpers(task_id: int) -> Select[str, str]:
    """Token and worker of those of its helpers whose leases ran out; they cannot renew them before the transaction
    ends.
    """
    lost = Helper.task_id == task_id, Helper.lease_until < now()
    return select(Helper.token, Helper.worker).where(*lost).order_by(Helper.token).with_for_update()


def holder(task_id: int) -> Select[str]:
    """Which worker holds a started task."""
    return select(Task.who).where(Task.id == task_id)


def sign(task_id: int, who: str) -> Update:
    """From now on this is whose the task's events are."""
    return task(Task.id == task_id).values(who=who)


def tell_lost(task_id: int, worker: str) -> Insert:
    """The event that this worker was lost over it, which moves the task nowhere. To be followed by `lose`."""
    return insert(TaskEvent).values(
        task_id=task_id, at=now(), from_status=TaskStatus.STARTED, to_status=TaskStatus.STARTED, who=worker, why=GONE
    )
