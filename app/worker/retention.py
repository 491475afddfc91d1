"""Deletes what is kept no longer, so little at a time that nobody notices."""

from collections.abc import Callable, Iterable, Iterator

from app import log
from app.db import Database, rows
from app.tasks import bulk, retention
from app.worker.chores import Chore

logger = log.get("retention")


class Retention(Chore):
    """Keeps mail for `days` after it ended. It begins anew an hour after it has found nothing."""

    LOOK = 3600.0
    REST = 0.05

    def __init__(self, database: Database, days: int, in_office: Callable[[], bool]) -> None:
        super().__init__("retention", in_office)
        self.database = database
        self.days = days
        self._forgotten = 0

    def bite(self) -> bool:
        """Delete a few tasks. Whether there were any."""
        with self.database.reading() as db:
            found = db.execute(retention.over(self.days)).all()
        with self.database.writing() as db:
            if db.scalar(bulk.waiting()):  # what somebody has chosen is still there when its turn comes
                return True
            task_ids = list(db.scalars(retention.families([*_some(found)]))) if found else []
            gone = rows(db.execute(retention.forget(task_ids, self.days))) if found else 0
            if not gone:
                db.execute(retention.forget_words(self.days))
        self._tell(gone)
        return gone > 0

    def _tell(self, gone: int) -> None:
        self._forgotten += gone
        if self._forgotten and not gone:
            logger.info("deleted what is kept no longer", tasks=self._forgotten, days=self.days)
            self._forgotten = 0


def _some(found: Iterable[tuple[int, int]]) -> Iterator[int]:
    """As many as go together; the first one, however large."""
    left = retention.BITE
    for task_id, recipients in found:
        if recipients > left < retention.BITE:
            return
        left -= recipients
        yield task_id
