"""Takes work from workers that were lost, each in one transaction: their leases ran out."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.db import rows
from app.ring import Ringing
from app.tasks import lifecycle


@dataclass
class Repairs:
    """What was put right: tasks taken from lost workers, those given up, their messages, and rings that were lost."""

    released: int = 0
    condemned: int = 0
    unknown: int = 0
    rung: int = 0


def take_from_holder(db: Session, task_id: int, token: str | None, repairs: Repairs) -> Ringing | None:
    """A helper holds the task now, or else it waits again, or is given up. What to ring for; None, too, where its
    worker or another reconciler was faster.
    """
    db.execute(lifecycle.plan(task_id))
    lost = db.scalar(lifecycle.holder(task_id)) or ""
    if heir := db.scalar(lifecycle.hand_on(task_id, token, lost=True)):
        db.execute(lifecycle.stop_helping(heir))
        _lose(db, task_id, token, lost, repairs)
        return None
    if released := db.execute(lifecycle.release(task_id, token)).first():
        repairs.released += 1
        repairs.unknown += rows(db.execute(lifecycle.lose(task_id, token)))
    elif db.scalar(lifecycle.condemn(task_id, token)):
        repairs.condemned += 1
        # It sends nothing again by itself, whatever was decided for it beforehand.
        repairs.unknown += rows(db.execute(lifecycle.lose_strays(task_id, "")))
        db.execute(lifecycle.give_up(task_id))
    else:
        return None
    db.execute(lifecycle.tally(task_id))
    return tuple(released) if released else None


def take_from_helper(db: Session, task_id: int, token: str, repairs: Repairs) -> None:
    """Whoever holds the task goes on with it."""
    db.execute(lifecycle.plan(task_id))
    if lost := db.scalar(lifecycle.lost_helper(token)):
        db.execute(lifecycle.stop_helping(token))
        _lose(db, task_id, token, lost, repairs)


def _lose(db: Session, task_id: int, token: str | None, lost: str, repairs: Repairs) -> None:
    """Say of a task that goes on who was lost over it, and with which messages."""
    holder = db.execute(lifecycle.holder(task_id)).scalar_one()
    db.execute(lifecycle.tell_lost(task_id, lost))
    db.execute(lifecycle.sign(task_id, "reconciler"))  # whose events the messages' are
    repairs.released += 1
    repairs.unknown += rows(db.execute(lifecycle.lose(task_id, token)))
    db.execute(lifecycle.tally(task_id))
    db.execute(lifecycle.sign(task_id, holder))
