"""The rules of repair: which rows nobody is working on, who keeps the time, and who is alive. Rules only, no hands."""

from datetime import datetime

from sqlalchemy import Select, Update, delete, exists, func, or_, select, update
from sqlalchemy.sql.dml import Delete, ReturningUpdate

from app.db import now
from app.tasks.books import Helper, Lease, Repair, Sender, Worker
from app.tasks.lifecycle import late
from app.tasks.model import Task, TaskStatus

IN_FLIGHT = 5.0
"""Seconds for which a ring may be on its way before its absence from Redis means that it was lost."""

OFFICE = 6.0
"""Seconds for which the timekeeper's office is held, unless renewed."""

TIMEKEEPER = "timekeeper"
"""The office's name."""

FORGOTTEN = 86_400
"""Seconds after which a worker that was lost is not shown any more."""


def expired(limit: int = 100) -> Select[int, str | None]:
    """Started tasks whose lease ran out (id and token): their worker is gone."""
    return select(Task.id, Task.token).where(Task.status == TaskStatus.STARTED, Task.lease_until < now()).limit(limit)


def shared_with_lost(limit: int = 100) -> Select[int]:
    """The tasks that somebody helped with whose lease ran out."""
    return select(Helper.task_id).where(Helper.lease_until < now()).distinct().limit(limit)


def unheard(after: int, limit: int = 1000) -> Select[int, int, str]:
    """Queued tasks that are due, were rung for a while ago and not claimed yet: id, attempt, queue; by id.

    None while the mail server is in trouble: nobody claims anything then.
    """
    return (
        select(Task.id, Task.attempt, Task.queue)
        .where(
            Task.status == TaskStatus.QUEUED,
            Task.due_at <= now(),
            Task.rung_at < now(-IN_FLIGHT),
            Task.id > after,
            ~exists().where(Sender.paused_until > now()),
        )
        .order_by(Task.id)
        .limit(limit)
    )


def too_late() -> Select[int]:
    """How many tasks could not begin before their limit; lifecycle.hold_late holds them."""
    return select(func.count()).where(*late())


def next_due() -> Select[datetime | None, datetime]:
    """When the promoter has to ring next (None: nothing is in sight), and what the time is now."""
    return select(func.min(Task.due_at), now()).where(Task.rung_at.is_(None))


def hold_office(holder: str) -> ReturningUpdate[str]:
    """Take or keep the office. No row: somebody else holds it."""
    return (
        update(Lease)
        .where(Lease.name == TIMEKEEPER, or_(Lease.holder == holder, Lease.until < now()))
        .values(holder=holder, until=now(OFFICE))
        .returning(Lease.holder)
    )


def leave_office(holder: str) -> Update:
    return update(Lease).where(Lease.name == TIMEKEEPER, Lease.holder == holder).values(until=now(-1))


def sign_of_life(worker: str) -> ReturningUpdate[str]:
    """No row: this worker has to be entered first."""
    return update(Worker).where(Worker.name == worker).values(seen_at=now()).returning(Worker.name)


def forget_workers() -> Delete:
    return delete(Worker).where(Worker.seen_at < now(-FORGOTTEN))


def leave_work(worker: str) -> Delete:
    return delete(Worker).where(Worker.name == worker)


def note_repair(name: str, n: int) -> Update:
    """Count what was put right: released, rung, unknown or condemned."""
    return update(Repair).where(Repair.name == name).values(n=Repair.n + n, last_at=now())


def repairs() -> Select[str, int, datetime | None]:
    """What was put right since the database was made: name, how often, and when last."""
    return select(Repair.name, Repair.n, Repair.last_at).order_by(Repair.name)
