"""Carries out what people ask to be done to many tasks, bit by bit, beside everything else that a worker does."""

from collections.abc import Callable, Sequence
from typing import Any

from redis import RedisError
from sqlalchemy import Row

from app import log
from app.db import Database
from app.ring import Rings
from app.ring.job import ringing_of
from app.tasks import bulk
from app.worker.chores import Chore

logger = log.get("bulks")


class Bulks(Chore):
    """With each bite it notes the place to go on from."""

    LOOK = 0.5

    def __init__(self, database: Database, rings: Rings, in_office: Callable[[], bool]) -> None:
        super().__init__("bulks", in_office)
        self.database = database
        self.rings = rings

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
