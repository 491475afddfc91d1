"""Everything that fits a filter, recipient by recipient, in portions that are small however much it is.

No portion's statement depends on the one before but for where to go on, so nothing is held open between two of them.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Row, Select, func, select

from app.tasks.filter import Filter, fitting_recipients
from app.tasks.model import Delivery, Task
from app.tasks.search import ids

TASKS = 100
ROWS = 500
"""How many are read at a time: of tasks, and of recipients."""


def tasks(filter: Filter, before: int) -> Select[*tuple[Any, ...]]:
    """The next ones, newest first, whose ids are smaller than `before`."""
    return select(
        Task.id.label("task_id"),
        Task.status.label("task_status"),
        Task.template,
        func.coalesce(func.nullif(Task.title, ""), Task.subject, "").label("subject"),
        Task.queue,
        Task.created_by.label("written_by"),
        Task.created_at,
        Task.scheduled_at,
        Task.started_at,
        Task.ended_at,
        Task.recipients,
    ).where(Task.id.in_(ids(replace(filter, cursor=before), TASKS))).order_by(Task.id.desc())  # fmt: skip


def together(found: Iterable[Row[Any]]) -> Iterator[list[int]]:
    """The ids of tasks whose recipients are read by one statement: fewer than ROWS in all, or those of one task."""
    held: list[int] = []
    room = ROWS
    for task in found:
        if held and task.recipients >= room:
            yield held
            held, room = [], ROWS
        held.append(task.task_id)
        room -= task.recipients
    if held:
        yield held


def recipients(filter: Filter, task_ids: Sequence[int], after: str = "") -> Select[*tuple[Any, ...]]:
    """The recipients that fit, by task (newest first) and address; of a single task those after that address.

    At most ROWS of them: where as many come, `task_ids` is one task, and there may be more.
    """
    return (
        select(
            Delivery.task_id,
            Delivery.address,
            Delivery.name,
            Delivery.status,
            Delivery.attempt,
            Delivery.message_id,
            Delivery.reply,
            Delivery.updated_at,
        )
        .where(Delivery.task_id.in_(task_ids), Delivery.address > after, *fitting_recipients(filter))
        .order_by(Delivery.task_id.desc(), Delivery.address)
        .limit(ROWS)
    )
