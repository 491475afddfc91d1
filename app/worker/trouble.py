"""What a worker tells the others about the mail server, and what it does when that is in trouble."""

from collections.abc import Iterable

from sqlalchemy.orm import Session

from app import log
from app.mail.outcome import Outcome
from app.tasks import lifecycle, sender
from app.tasks.retries import wait_for_sender
from app.worker.hold import Hold
from app.worker.shared import leave

logger = log.get("worker")


def note(db: Session, outcomes: Iterable[Outcome], in_trouble: bool) -> None:
    """Tell what was learnt about it."""
    heard = [*outcomes]
    for outcome in heard:
        if outcome.asks_to_slow_down:
            db.execute(sender.slow_down(outcome.reply))
    if heard and not in_trouble:
        db.execute(sender.well())


def give_back(db: Session, holds: Iterable[Hold], trouble: Outcome) -> None:
    """Nobody hands anything over for a while, and what is left of these tasks waits that long."""
    wait = max(wait_for_sender(db.execute(sender.state()).one()[2] + 1), trouble.wait or 0)
    logger.warning("the mail server is in trouble", reply=trouble.reply, wait=wait)
    db.execute(sender.pause(trouble.reply, wait))
    for held in holds:
        if not leave(db, held):
            db.execute(lifecycle.give_back(held.task.id, held.token, trouble.reply, wait, trouble.reply))
