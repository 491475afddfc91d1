"""What is kept no longer: mail that ended so many days ago, with its recipients and events, a few at a time.

What was written instead of one another (see family.py) goes together: as long as one of these is kept, it has to be
known whom the others reached. The figures of past hours stay, for nobody is named in them.
"""

from sqlalchemy import ColumnElement, Delete, Select, Update, delete, exists, func, or_, select, update
from sqlalchemy.orm import aliased

from app.db import now
from app.tasks.books import Bulk
from app.tasks.model import Task

DAY = 86_400.0

BITE = 100
"""Recipients that are deleted in one transaction, each with its events, unless one task has more."""


def over(days: int) -> Select[int, int]:
    """Id and recipients of those that may be deleted, the oldest first."""
    # What was stored later than that can't have ended before: so this goes along the index of `created_at`.
    oldest = select(Task.id, Task.recipients).where(Task.created_at < now(-days * DAY), *_may_go(days))
    return oldest.order_by(Task.created_at).limit(BITE)


def families(task_ids: list[int]) -> Select[int]:
    """The ids of these tasks, and of all that were written instead of one another with them. Nobody retries or follows
    any of them before the transaction ends.
    """
    heads = select(func.coalesce(Task.instead_of, Task.id)).where(Task.id.in_(task_ids))
    members = or_(Task.id.in_(heads), Task.instead_of.in_(heads))
    return select(Task.id).where(members).order_by(Task.id).with_for_update()


def forget(task_ids: list[int], days: int) -> Delete:
    """Delete them and all that is theirs, but for those that somebody moved or followed meanwhile."""
    return delete(Task).where(Task.id.in_(task_ids), *_may_go(days)).execution_options(synchronize_session=False)


def _may_go(days: int) -> list[ColumnElement[bool]]:
    other, cutoff = aliased(Task), now(-days * DAY)
    family = or_(other.id == func.coalesce(Task.instead_of, Task.id),
                 other.instead_of == func.coalesce(Task.instead_of, Task.id))  # fmt: skip
    lasts = exists().where(family, or_(other.ended_at.is_(None), other.ended_at >= cutoff))
    return [Task.ended_at < cutoff, ~lasts]


def forget_words(days: int) -> Update:
    """Of actions on many tasks that ended longer ago: by which words, which may name people, these were chosen."""
    return update(Bulk).where(Bulk.ended_at < now(-days * DAY)).values(asked={})
