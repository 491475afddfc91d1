"""What every move is made of."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, Select, Update, func, or_, select, update
from sqlalchemy.orm import aliased
from sqlalchemy.sql.dml import ReturningUpdate

from app.db import now
from app.tasks.model import MISSED, Delivery, DeliveryStatus, Task, TaskStatus

Move = ReturningUpdate[*tuple[Any, ...]]

Which = int | Sequence[int]
"""The id of a task, or those of many, all of which are moved by one statement and each under the same guard."""

WAITING = (TaskStatus.SCHEDULED, TaskStatus.QUEUED)


def task(*where: ColumnElement[bool]) -> Update:
    """An UPDATE of tasks."""
    return update(Task).where(*where).execution_options(synchronize_session=False)


def delivery(*where: ColumnElement[bool]) -> Update:
    """An UPDATE of deliveries."""
    return update(Delivery).where(*where).execution_options(synchronize_session=False)


def lock(task_id: int) -> Select[int]:
    """Nobody else moves this task before the transaction ends; events of its deliveries may be written meanwhile."""
    return select(Task.id).where(Task.id == task_id).with_for_update(key_share=True)


def these(which: Which, column: Any = Task.id) -> ColumnElement[bool]:
    """That the column is this id, or one of these."""
    is_one: ColumnElement[bool] = column == which if isinstance(which, int) else column.in_(which)
    return is_one


def among(chosen: Select[int], column: Any = Task.id) -> ColumnElement[bool]:
    """Whether the column is one of the ids chosen, and they are chosen once."""
    # As a plain IN, Postgres may run the choice again for every row, and so exceed its limit.
    once = chosen.cte("chosen").prefix_with("MATERIALIZED")
    is_among: ColumnElement[bool] = column.in_(select(once.c.id))
    return is_among


def held(task_id: int, token: str | None) -> list[ColumnElement[bool]]:
    """That the task is started, under this lease and no other."""
    return [Task.id == task_id, Task.status == TaskStatus.STARTED, Task.token == token]


def needs_a_person() -> ColumnElement[bool]:
    """Whether something of a task is unknown, or failed though the server had only put it off: out of attempts."""
    ended = Delivery.status.in_((DeliveryStatus.UNKNOWN, DeliveryStatus.FAILED))
    doubt = or_(Delivery.status == DeliveryStatus.UNKNOWN, was_put_off())
    return select(Delivery.id).where(Delivery.task_id == Task.id, ended, doubt).correlate(Task).exists()


def was_put_off() -> ColumnElement[bool]:
    """Whether the server said 4xx of a delivery."""
    # Not as LIKE, for which SQLite makes a new plan each time: the pattern, a parameter, might allow a better one.
    return func.substr(Delivery.reply, 1, 1) == "4"


def untried() -> ColumnElement[bool]:
    """Whether nothing of a task was ever handed over to the mail server: a claim alone proves nothing."""
    return ~select(Delivery.id).where(Delivery.task_id == Task.id, Delivery.attempt > 0).correlate(Task).exists()


def instead_reached() -> ColumnElement[bool]:
    """Whether another mail was written instead of a task, or the other way round, and reaches somebody whom it missed,
    or may have reached: then it is not tried again.
    """
    other, theirs, ours = aliased(Task), aliased(Delivery), aliased(Delivery)
    family = or_(other.instead_of == func.coalesce(Task.instead_of, Task.id), other.id == Task.instead_of)
    return (
        select(theirs.id)
        .join(other, other.id == theirs.task_id)
        .join(ours, func.lower(ours.address) == func.lower(theirs.address))
        .where(family, other.id != Task.id, theirs.status.not_in(MISSED))
        .where(ours.task_id == Task.id, ours.status.in_(MISSED))
        .correlate(Task)
        .exists()
    )


def too_late(limit: Any) -> list[ColumnElement[bool]]:
    """That `limit` (an instant) has passed before anything of a task was handed over, and it is not held for that."""
    return [limit < now(), Task.held.is_(False), untried()]


def count(*statuses: DeliveryStatus) -> ScalarSelect[int]:
    """How many of a task's deliveries have one of these statuses."""
    return (
        select(func.count())
        .select_from(Delivery)
        .where(Delivery.task_id == Task.id, Delivery.status.in_(statuses))
        .correlate(Task)
        .scalar_subquery()
    )
