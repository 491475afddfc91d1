"""A worker and the limits on how much is handed over: what it may take up, and each message before it goes out."""

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from sqlalchemy import Row
from sqlalchemy.orm import Session

from app.db import Database
from app.tasks import lifecycle, limits, line
from app.tasks.limit import Limit
from app.tasks.limits import LIMITED as LIMITED
from app.tasks.limits import Room
from app.tasks.line import Asker, Wait
from app.worker.hold import Hold, persist

MANY = 1000

SHORT = 0.25
"""Seconds that somebody who has waited in line waits in hand."""

PATIENCE = 2.0
"""Seconds for which a worker waits with a task in hand; for longer it gives it back."""


class Limited:
    """`limits` are those of the settings."""

    def __init__(self, database: Database, limits: Sequence[Limit] = ()) -> None:
        self.database = database
        self.limits = limits

    def begin(self) -> None:
        """Where the limits were others when a worker last started, what waits asks these."""

        def begin(db: Session) -> None:
            if not limits.agree(db, self.limits):
                return
            waiting = db.scalars(limits.waiting()).all()
            for first in range(0, len(waiting), MANY):
                some = waiting[first : first + MANY]
                db.execute(lifecycle.hurry(some))
                db.execute(lifecycle.hurry_deliveries(some))

        persist(self.database, begin)

    def room(self, db: Session) -> Room:
        """What there is room for now."""
        return limits.room(db, self.limits)

    def wait(self, db: Session, held: Hold, room: Room) -> float:
        """Seconds that what is left of a task has to wait for room; 0.0 where that is not what it waits for."""
        if room.wait:
            return room.wait if db.scalar(limits.waits(held.task.id, ())) else 0.0
        waits = [wait for domain, wait in room.domains.items() if db.scalar(limits.waits(held.task.id, [domain]))]
        due, now = db.execute(limits.next_due(held.task.id)).one()
        if waits and due:  # it may go to another domain
            waits.append((due - now).total_seconds())
        return min(waits, default=0.0)

    def ask(self, task_id: int, delivery: Row[Any], in_line: bool = False, others_wait: bool = False) -> Wait | None:
        """Before its message is handed over: None if it may be, and is counted; else how long it waits for its turn."""
        concerned = [limit for limit in self.limits if limit.is_for(delivery.address)]
        if not concerned:
            return None
        asker = Asker(task_id, delivery.due_at is not None, in_line, others_wait)
        ask = partial(line.ask, limits=concerned, asker=asker)
        wait = persist(self.database, ask)
        if asker.has_waited and wait and wait.seconds <= SHORT:
            time.sleep(wait.seconds)  # it came a moment too early: to give it back would take longer
            wait = persist(self.database, ask)
        return wait
