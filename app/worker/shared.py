"""A large task that several workers send at once: joining it, calling for others, and leaving it to them."""

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
    """Whether it is large, and there are workers that do not send it."""
    if not held.is_large:
        return False
    living = db.execute(queries.live_workers()).scalar_one()
    return living > 1 + db.execute(lifecycle.helpers(held.task.id)).scalar_one()


def leave(db: Session, held: Hold) -> bool:
    """Whether others go on with it; then there is nothing to settle, and what was recorded is counted."""
    if not held.is_large:
        return False
    db.execute(lifecycle.plan(held.task.id))
    if not rows(db.execute(lifecycle.stop_helping(held.token))):
        heir = db.scalar(lifecycle.hand_on(held.task.id, held.token))
        if heir is None:
            return False
        db.execute(lifecycle.stop_helping(heir))
    db.execute(lifecycle.tally(held.task.id))
    return True
