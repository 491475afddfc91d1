"""What is kept no longer: tasks that ended so many days ago, with their recipients and events, a few at a time.

The figures of past hours stay, for nobody is named in them.
"""

from typing import Any

from sqlalchemy import ColumnElement, Delete, Select, delete, select

from app.db import now
from app.tasks.books import Bulk
from app.tasks.filter import ENDED
from app.tasks.model import Delivery, DeliveryStatus, Task, TaskEvent

DAY = 86_400.0

BITE = 100
"""Recipients that are deleted in one transaction, each with its events, unless one task has more of them left."""


def over(days: int) -> Select[int, int]:
    """Id and recipients of those that ended longer ago, the oldest first."""
    # What was stored later than that can't have ended before: so this goes along the index of `created_at`.
    long_ago = Task.created_at < now(-days * DAY), Task.ended_at < now(-days * DAY)
    return select(Task.id, Task.recipients).where(*long_ago).order_by(Task.created_at).limit(BITE)


def lock(task_id: int, days: int) -> Select[int]:
    """Nobody retries it meanwhile. No row: somebody has."""
    return select(Task.id).where(Task.id == task_id, *_is_over(days)).with_for_update()


def forget(task_ids: list[int], days: int) -> Delete:
    """Delete them and all that is theirs, unless somebody retried them."""
    return delete(Task).where(Task.id.in_(task_ids), *_is_over(days)).execution_options(synchronize_session=False)


def _is_over(days: int) -> list[ColumnElement[bool]]:
    return [Task.status.in_(ENDED), Task.ended_at < now(-days * DAY)]


def forget_sent(task_id: int) -> Delete:
    """Delete some of those who got it: whoever retries a task meanwhile has no use for them."""
    return _some(Delivery, Delivery.task_id == task_id, Delivery.status == DeliveryStatus.SENT)


def forget_events(task_id: int) -> Delete:
    """Delete some of what was noted of its recipients."""
    return _some(TaskEvent, TaskEvent.task_id == task_id, TaskEvent.address.is_not(None))


def _some(table: Any, *which: ColumnElement[bool]) -> Delete:
    first = select(table.id).where(*which).order_by(table.id).limit(BITE)
    return delete(table).where(table.id.in_(first)).execution_options(synchronize_session=False)


def forget_bulks(days: int) -> Delete:
    """Delete the actions on many tasks that ended longer ago: their words may name people."""
    return delete(Bulk).where(Bulk.ended_at < now(-days * DAY)).execution_options(synchronize_session=False)
