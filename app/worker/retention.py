"""Deletes what is kept no longer, so little at a time that nobody notices."""

from collections.abc import Callable

from sqlalchemy.orm import Session

from app import log
from app.db import Database, rows
from app.tasks import retention
from app.worker.chores import Chore

logger = log.get("retention")


class Retention(Chore):
    """Keeps tasks for `days` after they ended. It begins anew an hour after it has found nothing."""

    LOOK = 3600.0
    REST = 0.05

    def __init__(self, database: Database, days: int, in_office: Callable[[], bool]) -> None:
        super().__init__("retention", in_office)
        self.database = database
        self.days = days
        self._forgotten = 0

    def bite(self) -> bool:
        """Delete a few tasks, or a few recipients of a large one. Whether there were any."""
        with self.database.reading() as db:
            found = db.execute(retention.over(self.days)).all()
        with self.database.writing() as db:
            if found and self._forget(db, [(task_id, recipients) for task_id, recipients in found]):
                return True
            db.execute(retention.forget_bulks(self.days))
        if self._forgotten:
            logger.info("deleted what is kept no longer", tasks=self._forgotten, days=self.days)
            self._forgotten = 0
        return False

    def _forget(self, db: Session, found: list[tuple[int, int]]) -> int:
        """How many rows are gone."""
        (first, recipients), left = found[0], retention.BITE
        if recipients > retention.BITE:
            return self._forget_some_of(db, first)
        some: list[int] = []
        for task_id, recipients in found:
            left -= recipients
            if left < 0:
                break
            some.append(task_id)
        return self._forget_all_of(db, some)

    def _forget_some_of(self, db: Session, task_id: int) -> int:
        if db.scalar(retention.lock(task_id, self.days)) is None:
            return 0
        return (
            rows(db.execute(retention.forget_sent(task_id)))
            or rows(db.execute(retention.forget_events(task_id)))
            or self._forget_all_of(db, [task_id])
        )

    def _forget_all_of(self, db: Session, task_ids: list[int]) -> int:
        gone = rows(db.execute(retention.forget(task_ids, self.days)))
        self._forgotten += gone
        return gone
