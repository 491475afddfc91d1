"""Carries out what people ask to be done to many tasks, bit by bit, beside everything else that a worker does."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from redis import RedisError
from sqlalchemy import Row

from app import log
from app.db import Database
from app.ring import Rings, ringing_of
from app.tasks import bulk

logger = log.get("bulks")

LOOK = 0.5
"""Seconds between looks for something to do."""


class Bulks(threading.Thread):
    """Works while `in_office()`: one worker at a time is enough. `stop` ends it between two bites.

    A bite is one transaction, with the place to go on from: whoever is killed anywhere has done it, or has not.
    """

    def __init__(self, database: Database, rings: Rings, in_office: Callable[[], bool]) -> None:
        super().__init__(name="bulks", daemon=True)
        self.database = database
        self.rings = rings
        self.in_office = in_office
        self.stopping = threading.Event()

    def run(self) -> None:
        while not self.stopping.is_set():
            begun, bitten = time.monotonic(), False
            try:
                bitten = self.in_office() and self.bite()
            except Exception as error:  # another transaction was in the way, or the database is; it is all still there
                logger.warning("a bulk has to wait", error=f"{type(error).__name__}: {error}".partition("\n")[0])
            # As long as it took, others have the database to themselves: SQLite has one writer at a time.
            self.stopping.wait(time.monotonic() - begun if bitten else LOOK)

    def bite(self) -> bool:
        """Move the next few tasks. Whether there were any to look at."""
        with self.database.reading() as db:
            if not db.scalar(bulk.waiting()):
                return False
        with self.database.writing() as db:
            taken = db.scalar(bulk.take())
            if taken is None:
                return False
            task_ids = list(db.scalars(bulk.bite(taken)))
            moved = db.execute(bulk.move(taken, task_ids)).all() if task_ids else []
            follow = bulk.follow(taken, [row.id for row in moved]) if moved else []
            for statement in (*follow, *bulk.note(taken, task_ids, len(moved))):
                db.execute(statement)
        self._tell(bulk.ACTIONS[taken.action], moved)
        return True

    def _tell(self, action: bulk.Action, moved: Sequence[Row[Any]]) -> None:
        """What Redis is not told, the timekeeper and the reconciler find in the rows."""
        ringings = [ringing_of(row) for row in moved]
        try:
            if action.rings == "enter":
                self.rings.enter([(each, row.due_at) for each, row in zip(ringings, moved, strict=True)])
            elif action.rings == "ring":
                self.rings.ring(ringings)
            else:
                self.rings.take_back(ringings)
        except (RedisError, OSError) as error:
            logger.warning("Redis is away; the timekeeper will see the rows", error=str(error))

    def stop(self) -> None:
        """End the thread."""
        self.stopping.set()
        if self.is_alive():
            self.join(timeout=5)
