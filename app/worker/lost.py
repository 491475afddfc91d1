"""Takes work from workers that were lost, each in one transaction: their leases ran out. Lost rings have their turn."""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from app.db import rows
from app.ring.job import Ringing, job_id
from app.tasks import lifecycle
from app.worker import shared


@dataclass
class Repairs:
    """What was put right: tasks taken from lost workers, those given up, their messages, and rings that were lost.

    `waiting` are the tasks that wait again, and are to be rung for.
    """

    released: int = 0
    condemned: int = 0
    unknown: int = 0
    rung: int = 0
    waiting: list[Ringing] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """By name, what there was of each."""
        every = {"released": self.released, "condemned": self.condemned, "unknown": self.unknown, "rung": self.rung}
        return {name: n for name, n in every.items() if n}

    def add(self, others: "Repairs") -> None:
        self.released += others.released
        self.condemned += others.condemned
        self.unknown += others.unknown


def take_from_holder(db: Session, task_id: int, token: str | None) -> Repairs:
    """A helper holds the task now, or else it waits again, or is given up. Nothing, where its worker or another
    reconciler was faster.
    """
    db.execute(lifecycle.lock(task_id))
    _, unknown = shared.lose_helpers(db, task_id)
    worker = db.scalar(lifecycle.holder(task_id)) or ""
    if shared.hand_on(db, task_id, token, lost=True):
        return Repairs(released=1, unknown=unknown + shared.lose(db, task_id, token, worker))
    if released := db.execute(lifecycle.release(task_id, token)).first():
        unknown += rows(db.execute(lifecycle.lose(task_id, token)))
        db.execute(lifecycle.tally(task_id))
        return Repairs(released=1, unknown=unknown, waiting=[tuple(released)])
    if db.scalar(lifecycle.condemn(task_id, token)):
        # It sends nothing again by itself, whatever was decided for it beforehand.
        unknown += rows(db.execute(lifecycle.lose_strays(task_id, "")))
        db.execute(lifecycle.give_up(task_id))
        db.execute(lifecycle.tally(task_id))
        return Repairs(condemned=1, unknown=unknown)
    return Repairs(unknown=unknown)


def take_from_helpers(db: Session, task_id: int) -> Repairs:
    """Whoever holds the task goes on with it."""
    db.execute(lifecycle.lock(task_id))
    lost, unknown = shared.lose_helpers(db, task_id)
    return Repairs(released=lost, unknown=unknown)


def in_their_order(
    suspects: Sequence[Ringing], present: Container[str]
) -> Iterator[tuple[list[Ringing], Ringing | None]]:
    """Those whose rings are lost, and the one that rings before which they go: they have waited for longer than it has.
    None: of those who came after them nobody has rung for long.
    """
    lost: dict[str, list[Ringing]] = {}
    for ringing in suspects:
        if job_id(ringing) not in present:
            lost.setdefault(ringing[2], []).append(ringing)
        elif ringing[2] in lost:
            yield lost.pop(ringing[2]), ringing
    for some in lost.values():
        yield some, None
