"""Which tasks fit a filter: the one statement behind the page, the JSON calls, the export and actions on many.

A page is cheap however many tasks there are, because every filter has an index to go by, and the narrowest one leads:
each filter is counted as far as FEW, in the statement itself. One that has fewer leads, and the others are looked at of
its tasks; where all have more, a page is full soon, and the tasks are walked from the newest back.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, Subquery, and_, case, func, literal, literal_column, select, union_all
from sqlalchemy.orm import aliased

from app.tasks.model import Delivery, Task, TaskStatus
from app.tasks.submit import title_key

FEW = 5_000
ASIDE = 100
"""Tasks written at one moment may have ids in another order than their times: so many are looked at for a bound."""

ATTENTION = "attention"
STATUSES: dict[str, tuple[str, ...]] = {"sending": (TaskStatus.QUEUED, TaskStatus.STARTED)}
"""What a filter may call several statuses at once; besides, ATTENTION stands for what a person should look at."""

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


@dataclass(frozen=True)
class _Part:
    """One filter: the tasks that it finds by its index, how it leads to them, and how it is seen of a task at hand."""

    found: Select[Any]
    leads: ColumnElement[bool]
    holds: ColumnElement[bool]
    by_id: bool = False  # its index has its tasks by id: it can lead however many they are


def ids(filter: Filter, limit: int, few: int = FEW) -> Select[int]:
    """The newest ids that fit, newest first."""
    ways = [select(Task.id).where(*way).order_by(Task.id.desc()).limit(limit).subquery() for way in _ways(filter, few)]
    found = union_all(*(select(way.c.id) for way in ways)).subquery() if len(ways) > 1 else ways[0]
    return select(found.c.id).order_by(found.c.id.desc()).limit(limit)


def fitting_recipients(filter: Filter) -> list[ColumnElement[bool]]:
    """What the filter says of a task's deliveries; nothing: all of them fit."""
    return [asked for asked, _ in _of_recipients(filter)]


def _of_recipients(filter: Filter) -> Iterator[tuple[ColumnElement[bool], Any]]:
    """Each with the order of its index."""
    if filter.q:
        address = func.lower(Delivery.address)
        yield _begins(address, lowered(filter.q)), address
    if filter.fault is not None:
        yield Delivery.fault_id == filter.fault, Delivery.task_id


def lowered(address: str) -> str:
    """As both databases' lower() does it to an address: ASCII only."""
    return "".join(each.lower() if each.isascii() else each for each in address)


def _ways(filter: Filter, few: int) -> Iterator[list[ColumnElement[bool]]]:
    """Conditions for each way in which tasks may be found. Only one finds any, or one for each of several statuses."""
    parts, statuses = list(_parts(filter, few)), list(_by_status(filter.status))
    many: list[ColumnElement[bool]] = []
    if len(parts) > 1 or (parts and (statuses or not parts[0].by_id)):
        for part in parts:
            others = [other.holds for other in parts if other is not part]
            yield [part.leads, *others, *_of_status(filter.status), *_rest(filter, *many, _counted(part, few) < few)]
            many.append(_counted(part, few) >= few)
    leader = next((part for part in parts if part.by_id), None) if not statuses else None
    seen = [part.leads if part is leader else part.holds for part in parts]
    for status in statuses or [[]]:
        yield [*status, *seen, *_rest(filter, *many)]


def _parts(filter: Filter, few: int) -> Iterator[_Part]:
    for column, asked in ((Task.created_by, filter.by), (Task.template, filter.template)):
        if asked:
            leads = column == asked
            yield _Part(
                select(Task.id).where(leads).order_by(Task.id.desc()), leads, _walked(column) == asked, by_id=True
            )
    if filter.subject:
        key = title_key(filter.subject)
        other = aliased(Task)
        found = select(other.id).where(_begins(other.title_key, key)).order_by(other.title_key)
        yield _Part(found, Task.id.in_(found.limit(few)), _begins(_walked(Task.title_key), key))
    for asked_of, order in _of_recipients(filter):
        found = select(Delivery.task_id).where(asked_of).order_by(order)
        here = select(Delivery.id).where(Delivery.task_id == Task.id, asked_of).correlate(Task).exists()
        yield _Part(found, Task.id.in_(found.limit(few)), here)


def _counted(part: _Part, few: int) -> ColumnElement[int]:
    return select(func.count()).select_from(part.found.limit(few).subquery()).scalar_subquery()


def _by_status(status: str | None) -> Iterator[list[ColumnElement[bool]]]:
    if status == ATTENTION:
        yield [literal_column("tasks.attention")]  # in the words of its index, or SQLite does not see that it fits
    elif status:
        yield from ([Task.status == each] for each in STATUSES.get(status, (status,)))


def _of_status(status: str | None) -> list[ColumnElement[bool]]:
    if status == ATTENTION:
        return [_walked(Task.attention)]
    return [_walked(Task.status).in_(STATUSES.get(status, (status,)))] if status else []


def _rest(filter: Filter, *if_: ColumnElement[bool]) -> Iterator[ColumnElement[bool]]:
    """What holds for every way: its ids' bounds, which leave none unless all of `if_` holds, and the time range.

    Ids are in the order of creation, so a time range is one of ids too, and a page need not be sorted. `if_` is said
    twice: Postgres does not begin what cannot find anything, and SQLite only does not where the bounds say so.
    """
    yield from if_
    yield Task.id < (case((and_(*if_), _before(filter)), else_=0) if if_ else _before(filter))
    yield Task.test.is_(False)
    if filter.since:
        yield (
            Task.id >= select(func.min(_near(Task.created_at >= filter.since, Task.created_at).c.id)).scalar_subquery()
        )
        yield _walked(Task.created_at) >= filter.since
    if filter.until:
        yield _walked(Task.created_at) < filter.until


def _before(filter: Filter) -> ColumnElement[int]:
    """The one upper bound: SQLite goes by no more than one."""
    cursor = literal(filter.cursor or NEWEST)
    if not filter.until:
        return cursor
    last = func.coalesce(func.max(_near(Task.created_at < filter.until, Task.created_at.desc()).c.id), 0)
    return select(case((last < cursor, last + 1), else_=cursor)).scalar_subquery()


def _near(bound: ColumnElement[bool], order: Any) -> Subquery:
    return select(Task.id).where(bound).order_by(order).limit(ASIDE).subquery()


def _begins(text: Any, with_: str) -> ColumnElement[bool]:
    between: ColumnElement[bool] = text.between(with_, with_ + LAST_CHARACTER)
    return between


def _walked(column: Any) -> Any:
    """The column, so that no index is chosen for it."""
    return func.coalesce(column, column)
