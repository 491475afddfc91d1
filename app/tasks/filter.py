"""What is asked of tasks, and each thing that is asked as conditions: to find tasks by its index, or to look at one."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, literal_column, select, true
from sqlalchemy.orm import aliased

from app.tasks.model import Delivery, Task, TaskStatus
from app.tasks.submit import title_key

ATTENTION = "attention"
STATUSES: dict[str, tuple[str, ...]] = {"sending": (TaskStatus.QUEUED, TaskStatus.STARTED)}
"""What a filter may call several statuses at once; besides, ATTENTION stands for what a person should look at."""

ENDED = (TaskStatus.FINISHED, TaskStatus.FAILED, TaskStatus.CANCELLED)
NEWEST = 2**63 - 1
LAST_CHARACTER = "\U0010ffff"


@dataclass(frozen=True)
class Filter:
    """Which tasks: all that fit everything that is set; `cursor` is an id, and those before it are meant.

    `status` may also be a word of STATUSES, or ATTENTION. `q` is how a recipient's address begins and `subject` how the
    title does, both whatever their case; `by` is who wrote it; `fault` is the id of why one or more deliveries failed.
    """

    status: str | None = None
    template: str | None = None
    q: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    cursor: int | None = None
    subject: str | None = None
    by: str | None = None
    fault: int | None = None


@dataclass(frozen=True, eq=False)
class Way:
    """One thing that is asked: the ids of the tasks that its index finds, and how it is seen of a task at hand.

    Where the ids come in their order, the newest first, it can lead however many they are: `id` is the column that has
    them, and `leads` the condition. They are None where the ids come in another order.
    """

    found: Select[Any]
    holds: ColumnElement[bool]
    id: Any = None
    leads: Any = None

    def first(self, limit: Any) -> ColumnElement[bool]:
        """To be among so many that it finds, in the order in which it finds them. The newest are looked at first: that
        a page is full soon is what Postgres knows of what is in order, and of nothing else."""
        [some] = self.found.limit(limit).subquery().c
        return Task.id.in_(select(some).group_by(some).order_by(some.desc()).limit(NEWEST))


def by_id(leads: ColumnElement[bool], holds: ColumnElement[bool]) -> Way:
    """What an index of tasks has by id."""
    return Way(select(Task.id).where(leads).order_by(Task.id.desc()), holds, Task.id, leads)


ALL = by_id(true(), true())


def parts(filter: Filter) -> Iterator[Way]:
    """Everything but the status and the time. A fault comes first: of what leads by id it leaves least."""
    if filter.fault is not None:
        failed = Delivery.fault_id == filter.fault
        found = select(Delivery.task_id).where(failed).order_by(Delivery.task_id.desc())
        yield Way(found, _of_somebody(failed), Delivery.task_id, (Delivery.task_id == Task.id) & failed)
    for column, asked in ((Task.created_by, filter.by), (Task.template, filter.template)):
        if asked:
            yield by_id(column == asked, walked(column) == asked)
    if filter.subject:
        key, other = title_key(filter.subject), aliased(Task)
        found = select(other.id).where(_begins(other.title_key, key)).order_by(other.title_key)
        yield Way(found, _is_seen_to_begin(Task.title_key, key))
    if filter.q:
        begins, address = _to(filter.q)
        found = select(Delivery.task_id).where(begins).order_by(address)
        yield Way(found, _of_somebody(_is_seen_to_begin(address, lowered(filter.q))))


def _of_somebody(asked: ColumnElement[bool]) -> ColumnElement[bool]:
    return select(Delivery.id).where(Delivery.task_id == Task.id, asked).correlate(Task).exists()


def _to(q: str) -> tuple[ColumnElement[bool], ColumnElement[str]]:
    """That a recipient's address begins so, and the order of its index."""
    address = func.lower(Delivery.address)
    return _begins(address, lowered(q)), address


def fitting_recipients(filter: Filter) -> list[ColumnElement[bool]]:
    """What the filter says of a task's deliveries; nothing: all of them fit."""
    failed = [Delivery.fault_id == filter.fault] if filter.fault is not None else []
    return [_to(filter.q)[0], *failed] if filter.q else failed


def lowered(address: str) -> str:
    """As both databases' lower() does it to an address: ASCII only."""
    return "".join(each.lower() if each.isascii() else each for each in address)


def statuses(filter: Filter) -> list[Way]:
    """Each status that is meant; where all are, none."""
    if filter.status == ATTENTION:
        # In the words of its index, or SQLite does not see that it fits.
        return [by_id(literal_column("tasks.attention"), walked(Task.attention))]
    meant = STATUSES.get(filter.status, (filter.status,)) if filter.status else ()
    return [by_id(Task.status == status, walked(Task.status) == status) for status in meant]


def _begins(text: Any, with_: str) -> ColumnElement[bool]:
    between: ColumnElement[bool] = text.between(with_, with_ + LAST_CHARACTER)
    return between


def _is_seen_to_begin(text: Any, with_: str) -> ColumnElement[bool]:
    """The same, so that no index is chosen for it; in two different ways, or Postgres takes it for rare, and calls for
    help that costs more than it is worth."""
    return and_(walked(text) >= with_, func.coalesce(text, "") <= with_ + LAST_CHARACTER)


def walked(column: Any) -> Any:
    """The column, so that no index is chosen for it."""
    return func.coalesce(column, column)
