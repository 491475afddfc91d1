"""A large task that several workers send at once: joining it, leaving it to the others, and who was lost over it.

Each of these begins by locking the task's row.
"""

from typing import Any

from sqlalchemy import Row
from sqlalchemy.orm import Session

from app.db import rows
from app.tasks import lifecycle, queries
from app.worker.hold import Hold


def join(db: Session, task_id: int, token: str, by: str) -> Row[Any] | None:
    """Help with a task that somebody else holds. What `lifecycle.claim` returns, if it can do with help."""
    found = db.execute(lifecycle.joinable(task_id)).first()
    if found:
        db.execute(lifecycle.join(task_id, token, by))
    return found


def wants_help(db: Session, held: Hold) -> bool:
    """Whether it is large, may be sent as fast as can be, and there are workers that do not send it."""
    if not held.is_large or held.gap:
        return False
    living = db.execute(queries.live_workers()).scalar_one()
    return living > 1 + db.execute(lifecycle.helpers(held.task.id)).scalar_one()


def leave(db: Session, held: Hold) -> bool:
    """Whether others go on with it; then there is nothing to settle, and what was recorded is counted."""
    if not held.is_large:
        return False
    db.execute(lifecycle.lock(held.task.id))
    if not rows(db.execute(lifecycle.stop_helping(held.token))):
        lose_helpers(db, held.task.id)
        if not hand_on(db, held.task.id, held.token):
            return False
    db.execute(lifecycle.tally(held.task.id))
    return True


def hand_on(db: Session, task_id: int, token: str | None, lost: bool = False) -> bool:
    """Whether a helper holds the task now, instead of who has this token; with `lost`, if the lease of that ran out."""
    heir = db.scalar(lifecycle.hand_on(task_id, token, lost=lost))
    if heir:
        db.execute(lifecycle.stop_helping(heir))
    return heir is not None


def lose_helpers(db: Session, task_id: int) -> tuple[int, int]:
    """Take from those of its helpers who were lost what they have in hand. How many these are, and their messages."""
    lost = db.execute(lifecycle.lost_helpers(task_id)).all()
    unknown = 0
    for token, worker in lost:
        db.execute(lifecycle.stop_helping(token))
        unknown += lose(db, task_id, token, worker)
    return len(lost), unknown


def lose(db: Session, task_id: int, token: str | None, worker: str) -> int:
    """Say of a task that goes on which worker was lost over it, and with how many messages."""
    holder = db.execute(lifecycle.holder(task_id)).scalar_one()
    db.execute(lifecycle.tell_lost(task_id, worker))
    db.execute(lifecycle.sign(task_id, "reconciler"))  # whose events the messages' are
    unknown = rows(db.execute(lifecycle.lose(task_id, token)))
    db.execute(lifecycle.tally(task_id))
    db.execute(lifecycle.sign(task_id, holder))
    return unknown
