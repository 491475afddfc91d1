"""Which tasks fit a filter: the one statement behind the page, the JSON calls, the export and actions on many.

A page is cheap however many tasks there are, because every filter has an index to go by, and the narrowest one leads:
each filter is counted as far as FEW, in the statement itself. One that has fewer leads, and the others are looked at of
its tasks. Where all have more, a page is full soon, and the tasks are walked from the newest back. Unless what fits is
of long ago: where FEW tasks were not enough, one filter leads however many it has.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, Subquery, and_, case, func, literal, or_, select, union_all

from app.tasks.filter import ALL, ENDED, NEWEST, Filter, Way, parts, statuses, walked
from app.tasks.model import Task

FEW = 5_000
MANY = 10 * FEW
ASIDE = 100
"""Tasks written at one moment may have ids in another order than their times: so many are looked at for a bound."""

Conditions = list[ColumnElement[bool]]


def ids(filter: Filter, limit: int, few: int = FEW) -> Select[int]:
    """The newest ids that fit, newest first."""
    ways = [way.subquery() for way in _ways(filter, limit, few)]
    found = union_all(*(select(way.c.id) for way in ways)).subquery() if len(ways) > 1 else ways[0]
    return select(found.c.id).order_by(found.c.id.desc()).limit(limit)


def _ways(filter: Filter, limit: int, few: int) -> Iterator[Select[int]]:
    """Each way in which tasks may be found. Only one finds any; or one for each of several statuses, and one for the
    newer ones and one for the older."""
    asked, tabs = list(parts(filter)), statuses(filter)
    of_tab = [or_(*(tab.holds for tab in tabs))] if tabs else []
    many: Conditions = []
    if len(asked) > 1 or (asked and (tabs or not asked[0].id)):
        counted = select(*(_counted(part, few) for part in asked)).cte()
        for part, n in zip(asked, counted.c, strict=True):
            holds = [other.holds for other in asked if other is not part] + of_tab
            is_few = [*many, select(n < few).scalar_subquery()]
            yield _newest(Task.id, limit, [_all_if(is_few, part), *holds, *_rest(filter, Task.id, is_few)])
            many.append(select(n >= few).scalar_subquery())
    for leader in _leaders(filter, asked, tabs):
        others = [part for part in asked if part is not leader]
        yield from _walked_back(filter, limit, few, leader, others, [] if leader in tabs else of_tab, many)


def _leaders(filter: Filter, asked: Sequence[Way], tabs: Sequence[Way]) -> Sequence[Way]:
    """Whose index is walked: it leaves the fewest tasks, and has them by id."""
    leader = next((part for part in asked if part.id), ALL)
    if tabs and not (filter.fault and filter.status in ENDED):  # few tasks wait or are sent, and many can have ended
        return tabs
    return [leader]


def _walked_back(
    filter: Filter, limit: int, few: int, leader: Way, others: Sequence[Way], of_tab: Conditions, many: Conditions
) -> Iterator[Select[int]]:
    """From the newest on, which are looked at one by one; and where that took too long, the older ones that the first
    of the others finds in an order of its own."""
    holds = [*(other.holds for other in others), *of_tab]
    slow = next((other for other in others if not other.id), None)
    if slow is None:
        yield _newest(leader.id, limit, [leader.leads, *holds, *_rest(filter, leader.id, many)])
        return
    floor = _floor(filter, leader, few)
    near = _newest(leader.id, limit, [leader.leads, *holds, *_rest(filter, leader.id, many, above=floor)]).cte()
    yield select(near.c.id)
    short = [*many, floor > 0, select(func.count() < limit).select_from(near).scalar_subquery()]
    if leader is not ALL:
        # More of its own than these are no help: what the leader has left may be less.
        counted = select(case((and_(*short), _counted(slow, MANY)), else_=0).label("n")).cte()
        on = [*short, select(counted.c.n >= MANY).scalar_subquery()]
        yield _newest(leader.id, limit, [leader.leads, *holds, *_rest(filter, leader.id, on, below=floor)])
        short.append(select(counted.c.n < MANY).scalar_subquery())
    seen = [leader.holds, *(other.holds for other in others if other is not slow), *of_tab]
    yield _newest(Task.id, limit, [_all_if(short, slow), *seen, *_rest(filter, Task.id, short, below=floor)])


def _all_if(if_: Conditions, part: Way) -> ColumnElement[bool]:
    """That the part finds it; where not all of `if_` holds it is not asked, for SQLite finds first and thinks later."""
    return part.first(case((and_(*if_), NEWEST), else_=0))


def _newest(id: Any, limit: int, where: Conditions) -> Select[int]:
    found = select(id.label("id")).where(*where).order_by(id.desc()).limit(limit)
    return found if id is Task.id else found.distinct()


def _floor(filter: Filter, leader: Way, few: int) -> ColumnElement[int]:
    """The id that is reached after so many of the leader's."""
    reached = leader.found.where(leader.id < _before(filter)).offset(few).limit(1).scalar_subquery()
    return select(select(func.coalesce(reached, 0).label("id")).cte().c.id).scalar_subquery()


def _counted(part: Way, few: int) -> ColumnElement[int]:
    return select(func.count()).select_from(part.found.limit(few).subquery()).scalar_subquery()


def _rest(
    filter: Filter, id: Any, if_: Conditions, above: Any = None, below: Any = None
) -> Iterator[ColumnElement[bool]]:
    """What holds for every way: its ids' bounds, which leave none unless all of `if_` holds, and the time range.

    Ids are in the order of creation, so a time range is one of ids too, and a page need not be sorted. `if_` is said
    twice: Postgres does not begin what cannot find anything, and SQLite only does not where the bounds say so.
    """
    yield from if_
    before = _before(filter) if below is None else below
    yield id < (case((and_(*if_), before), else_=0) if if_ else before)
    yield Task.test.is_(False)
    if above is not None:
        yield id >= above
    if filter.since:
        since = select(func.min(_near(Task.created_at >= filter.since, Task.created_at).c.id)).scalar_subquery()
        yield (id if above is None else walked(id)) >= since  # SQLite goes by one bound: by the higher one
        yield walked(Task.created_at) >= filter.since
    if filter.until:
        yield walked(Task.created_at) < filter.until


def _before(filter: Filter) -> ColumnElement[int]:
    """The one upper bound: SQLite goes by no more than one."""
    cursor = literal(filter.cursor or NEWEST)
    if not filter.until:
        return cursor
    last = func.coalesce(func.max(_near(Task.created_at < filter.until, Task.created_at.desc()).c.id), 0)
    return select(case((last < cursor, last + 1), else_=cursor)).scalar_subquery()


def _near(bound: ColumnElement[bool], order: Any) -> Subquery:
    return select(Task.id).where(bound).order_by(order).limit(ASIDE).subquery()
