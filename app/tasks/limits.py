"""The limits (see limit.py) as all workers count on them: in the same rows, which outlive them. Large mails wait until
nobody is in line (see line.py).
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
from app.tasks import lifecycle
from app.tasks.books import Used
from app.tasks.lifecycle.held import ready
from app.tasks.limit import Limit, in_stretch, turn
from app.tasks.model import Delivery, DeliveryStatus, Task, TaskStatus

COLUMNS: tuple[Any, ...] = (Used.name, Used.uses, Used.line, Used.again, Used.early, Used.most)

LIMITED = N_("A limit on how much is sent is reached. It goes on by itself.")
IN_LINE = N_("The limit {limit} is reached. It goes on by itself when its turn comes.")

LONG = 10.0
"""Seconds; a wait that is shorter is no news: at "10/second" there is one every second."""

AWAITED = 3.0
"""Seconds after its new place for which others wait for who came too early for its first."""

LATE = 0.4
"""Seconds after which it is looked again whether it has come."""


@dataclass(frozen=True)
class Room:
    """What there is room for now. `most`: messages in all; `wait`: seconds until there is any for them; `domains`:
    until there is for mail to these.
    """

    most: int = 10**9
    wait: float = 0.0
    domains: dict[str, float] = field(default_factory=dict)


def agree(db: Session, limits: Sequence[Limit]) -> bool:
    """These are the limits from now on. Whether they were others: then nobody is in line any more."""
    db.execute(select(Used.name).order_by(Used.name).with_for_update()).all()
    if agreed(db) == {limit.name: limit.most for limit in limits}:
        return False
    rows(db, limits)
    db.execute(update(Used).values(line=0.0, again=0.0, early={}, most=None))
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
    found, at = {row.name: row for row in db.execute(_used(limits))}, moment(db)
    limits = as_agreed(limits, found)
    most, waits = Room.most, dict.fromkeys([limit.domain for limit in limits], 0.0)
    for limit in limits:
        if row := found.get(limit.name):
            until = max(turn(limit, row.uses, at), end(row, early(db, row, at), at))
            waits[limit.domain] = max(waits[limit.domain], until - at)
        if not limit.domain:
            most = min(most, limit.most - (sum(in_stretch(limit, row.uses, at).values()) if row else 0))
    return Room(most, waits.pop("", 0.0), {domain: wait for domain, wait in waits.items() if wait})


def as_agreed(limits: Sequence[Limit], found: Mapping[str, Row[Any]]) -> list[Limit]:
    """With the numbers of the worker that started last."""
    return [limit._replace(most=row.most) if (row := found.get(limit.name)) and row.most else limit for limit in limits]


def rows(db: Session, limits: Sequence[Limit]) -> dict[str, Row[Any]]:
    """Theirs, which nobody else changes before the transaction ends."""
    chosen = _used(limits).order_by(Used.name).with_for_update()  # in one order: nobody waits in a circle
    found = {row.name: row for row in db.execute(chosen)}
    if len(found) == len(limits):
        return found
    kind = sqlite if db.connection().dialect.name == "sqlite" else postgresql
    missing = [
        {"name": limit.name, "uses": {}, "line": 0.0, "again": 0.0, "early": {}}
        for limit in sorted(limits, key=lambda limit: limit.name)
    ]
    db.execute(kind.insert(Used).values(missing).on_conflict_do_nothing())
    return {row.name: row for row in db.execute(chosen)}


def _used(limits: Sequence[Limit]) -> Select[*tuple[Any, ...]]:
    return select(*COLUMNS).where(Used.name.in_([limit.name for limit in limits]))


def moment(db: Session) -> float:
    """The database's clock, in seconds since 1970."""
    at: Any = db.scalar(select(now()))
    return float(at.timestamp())


def early(db: Session, row: Row[Any], at: float) -> dict[int, float]:
    """Their places, by task, who came too early for their first ones, and are awaited: unless a person moved them."""
    places = {int(task): place for task, place in row.early.items() if place > at - AWAITED}
    there = Task.id.in_([*places]), Task.status.in_([TaskStatus.QUEUED, TaskStatus.STARTED])
    return {task: places[task] for task in db.scalars(select(Task.id).where(*there))} if places else {}


def end(row: Row[Any], places: Mapping[int, float], at: float) -> float:
    """Of the line, as far as its places are known: 0.0 where it is over. Who is late may come any moment."""
    last = max([row.line, row.again, *(max(place, at + LATE) for place in places.values())])
    return float(last) if last > at else 0.0


def waiting() -> Select[int]:
    """The ids of the tasks that wait for a limit: it says so, or they have a place in a line."""
    return lifecycle.waiting(or_(Task.why == LIMITED, has_place()))


def has_place() -> ColumnElement[bool]:
    """Whether a task has a place in a line: its mail waits for a moment, though the mail server did not put it off."""
    put_off = Delivery.status == DeliveryStatus.QUEUED, Delivery.attempt == 0, Delivery.due_at > now()
    begins = IN_LINE.partition("{")[0]
    return or_(func.substr(Task.why, 1, len(begins)) == begins, exists().where(Delivery.task_id == Task.id, *put_off))


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
    found, at = {row.name: row.uses for row in db.execute(_used(limits))}, moment(db)
    for limit in limits:
        yield limit, sum(in_stretch(limit, found.get(limit.name, {}), at).values())


def reached(db: Session) -> list[tuple[Limit, datetime]]:
    """Of those that the workers agreed on, which leave no room for long, and until when a mail that is new has to wait
    for it.
    """
    counted: Sequence[Row[Any]] = db.execute(select(*COLUMNS).where(Used.most.is_not(None))).all()
    at, found = moment(db) if counted else 0.0, []
    for row in counted:
        domain, _, seconds = row.name.rpartition("/")
        limit = Limit(domain, row.most, int(seconds))
        if (until := max(turn(limit, row.uses, at), end(row, early(db, row, at), at))) > at + LONG:
            found.append((limit, datetime.fromtimestamp(until, UTC)))
    return sorted(found)
