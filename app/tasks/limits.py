"""The limits (see limit.py) as all workers count on them: in the same rows, which outlive them.

Single mails that find no room wait in line, at the pace of the limit, and each comes back at its own moment; large
ones wait until nobody is in line.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Row, Select, exists, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.db import now
from app.mail import N_
from app.tasks import lifecycle
from app.tasks.books import Used
from app.tasks.lifecycle.held import ready
from app.tasks.limit import Limit, in_stretch, lasts, turn, with_one
from app.tasks.model import Delivery, DeliveryStatus, Task, TaskStatus

COLUMNS: tuple[Any, ...] = (Used.name, Used.uses, Used.line, Used.early, Used.most)

LIMITED = N_("A limit on how much is sent is reached. It goes on by itself.")
IN_LINE = N_("The limit {limit} is reached. It goes on by itself when its turn comes.")

LONG = 10.0
"""Seconds; a wait that is shorter is no news: at "10/second" there is one every second."""

SLACK = 0.05
"""Seconds in each of its stretches that a line is slower than its limit: a machine that was late makes up for it."""

AWAITED = 3.0
"""Seconds after its new place for which others wait for who came too early for its first: it may be cancelled."""

LATE = 0.25
"""Seconds after which it is looked again whether it has come."""


@dataclass(frozen=True)
class Room:
    """What there is room for now. `most`: messages in all; `wait`: seconds until there is any for them; `domains`:
    until there is for mail to these.
    """

    most: int = 10**9
    wait: float = 0.0
    domains: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Asker:
    """A message of this task that would be handed over. `in_line`: it waits there, if there is no room; `has_waited`:
    it comes from there; `others_wait`: some that were just given places are in the same hand still.
    """

    task_id: int
    has_waited: bool = False
    in_line: bool = False
    others_wait: bool = False


class Wait(NamedTuple):
    """Seconds until its turn, when that is, and the limit that it waits for."""

    seconds: float
    at: datetime
    limit: Limit

    @property
    def why(self) -> str:
        return IN_LINE.format(limit=self.limit)


def ask(db: Session, limits: Sequence[Limit], asker: Asker) -> Wait | None:
    """Count one message on each of these limits. Where one of them is reached, none counts it: returns the wait, until
    its place in the line where it waits there.
    """
    found = _rows(db, limits)
    limits = _as_agreed(limits, found)
    moment = _moment(db)  # after the rows are ours
    free = {limit: turn(limit, found[limit.name].uses, moment) for limit in limits}
    places = {limit: max(free[limit], _place(limit, found[limit.name], moment, asker)) for limit in limits}
    end = max(places.values())
    in_vain = end > max(free.values()) and not asker.has_waited and not asker.others_wait
    if in_vain and not db.scalar(_somebody_waits(end - moment)):
        # Whoever was in line has been cancelled, or sent by hand.
        db.execute(update(Used).where(Used.name.in_([limit.name for limit in limits])).values(line=0.0, early={}))
        places = free
    last = max(limits, key=lambda limit: places[limit])
    if (at := places[last]) > moment:
        if asker.in_line:  # and in no other one: there it may be over tomorrow, and here in a second
            _give_place(db, found[last.name], at, moment, asker)
        return Wait(at - moment, datetime.fromtimestamp(at, UTC), last)
    for limit in limits:
        row = found[limit.name]
        early = {task: place for task, place in _early(row, moment).items() if task != asker.task_id}
        uses = with_one(limit, row.uses, moment)
        db.execute(update(Used).where(Used.name == limit.name).values(uses=uses, early=early))
    return None


def _place(limit: Limit, row: Row[Any], moment: float, asker: Asker) -> float:
    """The next one in the line; of who comes from there, after those who came before it, too early. 0.0: at once."""
    if not asker.has_waited:
        end = _end(row, moment)
        return end + (lasts(limit) + SLACK) / limit.most if end else 0.0
    before = sorted(place for task, place in _early(row, moment).items() if task < asker.task_id)
    uses = row.uses
    for place in before:
        uses = with_one(limit, uses, max(place, moment))
    return max(turn(limit, uses, moment), moment + LATE, *before) if before else 0.0


def _early(row: Row[Any], moment: float) -> dict[int, float]:
    """Their places, by task, who came too early for their first, and are awaited."""
    return {int(task): place for task, place in row.early.items() if place > moment - AWAITED}


def _end(row: Row[Any], moment: float) -> float:
    """Of the line: 0.0 where it is over."""
    end = max([row.line, *_early(row, moment).values()])
    return float(end) if end > moment else 0.0


def _give_place(db: Session, row: Row[Any], at: float, moment: float, asker: Asker) -> None:
    """In the line, or if it comes from there a moment too early, before all who have not had their places."""
    given = {"early": {**_early(row, moment), asker.task_id: at}} if asker.has_waited else {"line": at}
    db.execute(update(Used).where(Used.name == row.name).values(given))


def _somebody_waits(seconds: float) -> Select[bool]:
    """Whether anybody has a place in a line within so many seconds."""
    waits = Task.status == TaskStatus.QUEUED, Task.rung_at.is_(None), Task.due_at > now(), _is_limited()
    return select(exists().where(*waits, Task.due_at <= now(seconds + 1)))


def _is_limited() -> ColumnElement[bool]:
    """Whether a limit is what a task waits for."""
    begins = IN_LINE.partition("{")[0]
    return or_(Task.why == LIMITED, func.substr(Task.why, 1, len(begins)) == begins)


def waiting() -> Select[int]:
    """The ids of the tasks that wait for a limit."""
    return lifecycle.waiting(_is_limited())


def agree(db: Session, limits: Sequence[Limit]) -> bool:
    """These are the limits from now on. Whether they were others: then nobody is in line any more."""
    db.execute(select(Used.name).order_by(Used.name).with_for_update()).all()
    if agreed(db) == {limit.name: limit.most for limit in limits}:
        return False
    _rows(db, limits)
    db.execute(update(Used).values(line=0.0, early={}, most=None))
    for limit in limits:
        db.execute(update(Used).where(Used.name == limit.name).values(most=limit.most))
    return True


def agreed(db: Session) -> dict[str, int]:
    """What each limit was when a worker last started, by its name."""
    found = db.execute(select(Used.name, Used.most).where(Used.most.is_not(None)))
    return {row.name: row.most for row in found if row.most is not None}


def room(db: Session, limits: Sequence[Limit]) -> Room:
    """For whoever is in no line. Nobody is kept from taking it."""
    if not limits:
        return Room()
    found, moment = {row.name: row for row in db.execute(_used(limits))}, _moment(db)
    limits = _as_agreed(limits, found)
    most, waits = Room.most, dict.fromkeys([limit.domain for limit in limits], 0.0)
    for limit in limits:
        if row := found.get(limit.name):
            until = max(turn(limit, row.uses, moment), _end(row, moment))
            waits[limit.domain] = max(waits[limit.domain], until - moment)
        if not limit.domain:
            most = min(most, limit.most - (sum(in_stretch(limit, row.uses, moment).values()) if row else 0))
    return Room(most, waits.pop("", 0.0), {domain: wait for domain, wait in waits.items() if wait})


def _as_agreed(limits: Sequence[Limit], found: Mapping[str, Row[Any]]) -> list[Limit]:
    """With the numbers of the worker that started last."""
    return [limit._replace(most=row.most) if (row := found.get(limit.name)) and row.most else limit for limit in limits]


def _rows(db: Session, limits: Sequence[Limit]) -> dict[str, Row[Any]]:
    """Theirs, which nobody else changes before the transaction ends."""
    chosen = _used(limits).order_by(Used.name).with_for_update()  # in one order: nobody waits in a circle
    found = {row.name: row for row in db.execute(chosen)}
    if len(found) == len(limits):
        return found
    kind = sqlite if db.connection().dialect.name == "sqlite" else postgresql
    missing = [{"name": limit.name, "uses": {}, "line": 0.0, "early": {}} for limit in sorted(limits)]
    db.execute(kind.insert(Used).values(missing).on_conflict_do_nothing())
    return {row.name: row for row in db.execute(chosen)}


def _used(limits: Sequence[Limit]) -> Select[*tuple[Any, ...]]:
    return select(*COLUMNS).where(Used.name.in_([limit.name for limit in limits]))


def _moment(db: Session) -> float:
    """The database's clock, in seconds since 1970."""
    moment: Any = db.scalar(select(now()))
    return float(moment.timestamp())


def waits(task_id: int, domains: Sequence[str]) -> Select[bool]:
    """Whether anything of a task could be handed over to these domains, or to any, where there are none."""
    there = or_(*(is_to(domain) for domain in domains)) if domains else Delivery.id.is_not(None)
    return select(exists().where(Delivery.task_id == task_id, there, *ready()))


def next_due(task_id: int) -> Select[datetime | None, datetime]:
    """When the first of a task's deliveries that wait for a moment may be tried (None: none does), and the time now."""
    waiting = Delivery.task_id == task_id, Delivery.status == DeliveryStatus.QUEUED, Delivery.due_at > now()
    return select(func.min(Delivery.due_at), now()).where(*waiting)


def is_to(domain: str) -> ColumnElement[bool]:
    """Whether a delivery goes there."""
    return func.lower(Delivery.address).like(f"%@{domain}")


def used_of(db: Session, limits: Sequence[Limit]) -> Iterator[tuple[Limit, int]]:
    """How much of each was used in the stretch that ends now."""
    found, moment = {row.name: row.uses for row in db.execute(_used(limits))}, _moment(db)
    for limit in limits:
        yield limit, sum(in_stretch(limit, found.get(limit.name, {}), moment).values())


def reached(db: Session) -> list[tuple[Limit, datetime]]:
    """Of those that the workers agreed on, which leave no room for long, and until when a mail that is new has to wait
    for it.
    """
    rows: Sequence[Row[Any]] = db.execute(select(*COLUMNS).where(Used.most.is_not(None))).all()
    moment, found = _moment(db) if rows else 0.0, []
    for row in rows:
        domain, _, seconds = row.name.rpartition("/")
        limit = Limit(domain, row.most, int(seconds))
        if (until := max(turn(limit, row.uses, moment), _end(row, moment))) > moment + LONG:
            found.append((limit, datetime.fromtimestamp(until, UTC)))
    return sorted(found)
