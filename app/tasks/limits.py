"""The limits (see limit.py) as all workers count on them: in the same rows, which outlive them.

Single mails that find no room wait in line, at the pace of the limit, and each comes back at its own moment; large
ones wait until nobody is in line.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, exists, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.db import now
from app.mail import N_
from app.tasks.books import Used
from app.tasks.lifecycle.held import ready
from app.tasks.limit import Limit, in_stretch, lasts, turn, with_one
from app.tasks.model import Delivery, DeliveryStatus, Task, TaskStatus

COLUMNS: tuple[Any, ...] = (Used.name, Used.uses, Used.line, Used.again, Used.most)

LIMITED = N_("A limit on how much is sent is reached. It goes on by itself.")

LONG = 10.0
"""Seconds; a wait that is shorter is no news: at "10/second" there is one every second."""


@dataclass(frozen=True)
class Room:
    """What there is room for now. `most`: messages in all; `wait`: seconds until there is any for them; `domains`:
    until there is for mail to these.
    """

    most: int = 10**9
    wait: float = 0.0
    domains: dict[str, float] = field(default_factory=dict)


def ask(db: Session, limits: Sequence[Limit], has_waited: bool, in_line: bool, others_wait: bool = False) -> float:
    """Count one message on each of these limits: 0.0. Where one of them is reached, none counts it: returns the seconds
    until its turn, which is its place in the line if it waits `in_line`. `has_waited`: it comes from there;
    `others_wait`: some were just given places, and are still in the asker's hands.
    """
    found = _rows(db, limits)
    limits = _as_agreed(limits, found)
    moment = _moment(db)  # after the rows are ours
    free = {limit: turn(limit, found[limit.name].uses, moment) for limit in limits}
    turns = {limit: max(at, _behind(found[limit.name], has_waited, others_wait)) for limit, at in free.items()}
    end = max(turns.values())
    if end > max(moment, *free.values()) and not others_wait and not db.scalar(_somebody_waits(end - moment)):
        # Whoever was in line has been cancelled, or sent by hand.
        db.execute(update(Used).where(Used.name.in_([limit.name for limit in limits])).values(line=0.0, again=0.0))
        turns, found = free, _rows(db, limits)
    last = max(limits, key=lambda limit: turns[limit])
    if (at := turns[last]) > moment:
        # A place in no other line: there it may be over tomorrow, and here in a second.
        return (_place(db, last, found[last.name], at, has_waited) if in_line else at) - moment
    for limit in limits:
        uses = with_one(limit, found[limit.name].uses, moment)
        db.execute(update(Used).where(Used.name == limit.name).values(uses=uses))
    return 0.0


def _behind(row: Row[Any], has_waited: bool, others_wait: bool) -> float:
    """The place behind which it comes: the end of the line, or if it comes from there, that of the others in hand."""
    if has_waited:
        return float(row.again) if others_wait else 0.0
    return _end(row)


def _end(row: Row[Any]) -> float:
    """Of the line."""
    return float(max(row.line, row.again))


def _place(db: Session, limit: Limit, row: Row[Any], at: float, has_waited: bool) -> float:
    """The next one in the line; who comes a moment too early for its own goes before all who have not had theirs."""
    apart = lasts(limit) / limit.most
    at = max(at, (row.again if has_waited else _end(row)) + apart)
    db.execute(update(Used).where(Used.name == limit.name).values(**{"again" if has_waited else "line": at}))
    return at


def _somebody_waits(seconds: float) -> Select[bool]:
    """Whether anybody has a place in a line within so many seconds."""
    waits = Task.status == TaskStatus.QUEUED, Task.rung_at.is_(None), Task.due_at > now(), Task.why == LIMITED
    return select(exists().where(*waits, Task.due_at <= now(seconds + 1)))


def agree(db: Session, limits: Sequence[Limit]) -> bool:
    """These are the limits from now on. Whether they were others: then nobody is in line any more."""
    db.execute(select(Used.name).order_by(Used.name).with_for_update()).all()
    if agreed(db) == {limit.name: limit.most for limit in limits}:
        return False
    _rows(db, limits)
    db.execute(update(Used).values(line=0.0, again=0.0, most=None))
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
            waits[limit.domain] = max(waits[limit.domain], max(turn(limit, row.uses, moment), _end(row)) - moment)
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
    missing = [{"name": limit.name, "uses": {}, "line": 0.0, "again": 0.0} for limit in sorted(limits)]
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
        if (until := max(turn(limit, row.uses, moment), _end(row))) > moment + LONG:
            found.append((limit, datetime.fromtimestamp(until, UTC)))
    return sorted(found)
