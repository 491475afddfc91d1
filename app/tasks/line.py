"""Single mails that find no room wait in the line of a limit, at its pace, and each comes back at its own moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import Row, Select, exists, select, update
from sqlalchemy.orm import Session

from app.db import now
from app.tasks.books import Used
from app.tasks.limit import Limit, lasts, turn, with_one
from app.tasks.limits import IN_LINE, LATE, as_agreed, early, end, has_place, moment, rows
from app.tasks.model import Task, TaskStatus

SLACK = 0.05
"""Seconds in each of its stretches that a line is slower than its limit: a machine that was late makes up for it."""

MOST_EARLY = 200
"""Of those who come too early, as after a pause, so many keep their order; the others go behind them as they come."""


@dataclass(frozen=True)
class Asker:
    """A message of this task that would be handed over. `in_line`: it waits there, if there is no room; `has_waited`:
    it comes from there, or was put off by the mail server; `others_wait`: some that were just given places are in the
    same hand still.
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


@dataclass(frozen=True)
class Line:
    """That of a limit, at this moment: its row, and the places of those who came too early, by task."""

    limit: Limit
    row: Row[Any]
    early: dict[int, float]
    at: float

    @property
    def room(self) -> float:
        """When there is any."""
        return turn(self.limit, self.row.uses, self.at)

    def place(self, asker: Asker) -> float:
        """When it may go: now, as soon as there is room, or at the next place behind those who go before it: all in
        line, or, if it comes from there, those with a smaller number.
        """
        apart = (lasts(self.limit) + SLACK) / self.limit.most
        if not asker.has_waited:
            last = end(self.row, self.early, self.at)
            return max(self.room, last + apart if last else 0.0)
        before = sorted(place for task, place in self.early.items() if task < asker.task_id)
        uses = self.row.uses
        for place in before:  # as if each of them were gone at its place
            uses = with_one(self.limit, uses, max(place, self.at))
        at = max(turn(self.limit, uses, self.at), self.at + LATE, *before) if before else self.room
        is_one_more = at > self.at and asker.task_id not in self.early and len(self.early) >= MOST_EARLY
        return max(at, self.row.again + apart, *(place + apart for place in self.early.values())) if is_one_more else at

    def give(self, db: Session, at: float, asker: Asker) -> None:
        """This place is taken. Who came too early for its first one goes before all who have not had theirs."""
        given: dict[str, Any] = {"line": at}
        if asker.has_waited and (asker.task_id in self.early or len(self.early) < MOST_EARLY):
            given = {"early": {**self.early, asker.task_id: at}}
        elif asker.has_waited:
            given = {"again": at}
        db.execute(update(Used).where(Used.name == self.row.name).values(given))

    def count_one(self, db: Session, asker: Asker) -> None:
        """It goes."""
        uses = with_one(self.limit, self.row.uses, self.at)
        still = {task: place for task, place in self.early.items() if task != asker.task_id}
        db.execute(update(Used).where(Used.name == self.row.name).values(uses=uses, early=still))


def ask(db: Session, limits: Sequence[Limit], asker: Asker) -> Wait | None:
    """Count one message on each of these limits. Where one of them is reached, none counts it: returns the wait, until
    its place in the line where it waits there.
    """
    lines = _lines(db, limits)
    places = [line.place(asker) for line in lines]
    wait = max(places) - lines[0].at
    is_behind = not asker.has_waited and not asker.others_wait and max(places) > max(line.room for line in lines)
    if is_behind and not db.scalar(_somebody_waits(wait)):
        # Whoever was in line has been cancelled, or sent by hand.
        db.execute(update(Used).where(Used.name.in_([line.row.name for line in lines])).values(line=0.0, again=0.0))
        lines = _lines(db, limits)
        places = [line.place(asker) for line in lines]
    at, last = max(zip(places, lines, strict=True), key=lambda each: each[0])
    if at > last.at:
        if asker.in_line:  # and in no other one: there it may be over tomorrow, and here in a second
            last.give(db, at, asker)
        return Wait(at - last.at, datetime.fromtimestamp(at, UTC), last.limit)
    for line in lines:
        line.count_one(db, asker)
    return None


def _lines(db: Session, limits: Sequence[Limit]) -> list[Line]:
    """As they are once their rows are ours."""
    found, at = rows(db, limits), moment(db)
    return [Line(limit, found[limit.name], early(db, found[limit.name], at), at) for limit in as_agreed(limits, found)]


def _somebody_waits(seconds: float) -> Select[bool]:
    """Whether anybody has a place in a line within so many seconds."""
    waits = Task.status == TaskStatus.QUEUED, Task.rung_at.is_(None), Task.due_at > now(), has_place()
    return select(exists().where(*waits, Task.due_at <= now(seconds + 1)))
