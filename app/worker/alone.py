"""One task by itself, however large: claimed, handed over in small batches, recorded, settled."""

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from app import log
from app.mail import N_
from app.mail.outcome import Kind, Outcome
from app.ring.job import ringing_of
from app.tasks import lifecycle, limits, sender
from app.tasks.limit import domain_of
from app.tasks.limits import Room, is_to
from app.worker import shared, trouble
from app.worker.handed import Batch, Handed, hand_over, record, tallies, with_faults
from app.worker.hold import STOPPED, TURN, WAITS, Hold, count_in, persist
from app.worker.limited import LIMITED, PATIENCE

if TYPE_CHECKING:
    from app.worker.sender import Sender

logger = log.get("worker")

TROUBLE = N_("The mail could not be handed over for now. It is tried again.")
TURN_OVER = N_("Others have their turn; then it goes on.")

LEFT = "left to others"

LET_IN = 0.5
"""Seconds within one task, after which small ones go first."""

APART = 1.0
"""Seconds at least for which a task that waits for a limit is given back: two of them do not chase each other."""


class Alone:
    """What a sending process does with such a task. `held` is the one that it has in hand."""

    def __init__(self, process: "Sender") -> None:
        self.process = process
        self.held: Hold | None = None
        self._batch: Batch = []

    def begin(self, task_id: int, attempt: int) -> bool:
        """Take it up, as far as its row agrees, or help with it. Returns whether there is something to `send`."""
        self.held, self._batch, wants_help = self._claim(task_id, attempt)
        if self.held and wants_help:
            self._call(self.held)
        return self.held is not None

    def _call(self, held: Hold) -> None:
        """Ring for somebody who helps with it, and who calls the next one."""
        self.process.ring([ringing_of(held.task)])

    def send(self) -> None:
        """Send it, until all of it has ended, or it is to be let go of."""
        if not (held := self.held):
            return
        batch = self._batch
        with log.task_context(task=held.task.id, attempt=held.task.attempt), self.process.renewal.of([held]):
            while batch or held.wait is not None:
                if held.wait is not None:
                    self.process.stopping.wait(min(held.wait, LET_IN))
                    held.others = self.process.let_in()  # whose turn has come before what is left of this one
                batch = self._turn(held, [*self._hand_over(held, batch)])
        self.held = None
        if held.result == LEFT and time.monotonic() - held.begun > TURN:
            self._call(held)  # it has had its turn, and may come back to it
        logger.info(held.result, task=held.task.id)

    def _claim(self, task_id: int, attempt: int) -> tuple[Hold | None, Batch, bool]:
        """Claim the task, or join it, and mark its first deliveries, in one transaction; and whether it wants help."""
        token, began = secrets.token_hex(8), time.monotonic()

        def claim(db: Session) -> tuple[Hold | None, Batch, bool]:
            joined = False
            claimed = db.execute(lifecycle.claim(task_id, attempt, token, self.process.name)).first()
            if claimed is None and db.execute(lifecycle.promote(task_id=task_id)).first():
                # The ring came from RQ's own scheduler, before any timekeeper: it did the promoter's part.
                claimed = db.execute(lifecycle.claim(task_id, attempt, token, self.process.name)).first()
            if claimed is None:
                claimed, joined = shared.join(db, task_id, token, self.process.name), True
            if claimed is None:
                return None, [], False
            if claimed.attempt > 1 and not joined:
                db.execute(lifecycle.lose_strays(task_id, token))
            held = Hold(claimed, token, began + lifecycle.LEASE, joined=joined)
            batch = self._next(db, held)
            return held, batch, bool(batch) and shared.wants_help(db, held)

        return persist(self.process.database, claim)

    def _turn(self, held: Hold, handed: Sequence[Handed]) -> Batch:
        """Record what was handed over and mark what is next, in one transaction."""
        records = [record(held, each) for each in handed if each.outcome]

        def turn(db: Session) -> Batch:
            held.lease_end, held.wait, held.result = time.monotonic() + lifecycle.LEASE, None, ""
            if not handed:
                held.let_in = time.monotonic()  # they were, however long this transaction was waited for
            if records:
                db.execute(lifecycle.record(held.token, with_faults(db, records, held)))
            if untouched := [each.delivery.id for each in handed if not each.outcome]:
                db.execute(lifecycle.put_back(held.task.id, held.token, untouched))
            trouble.note(db, [each.outcome for each in handed if each.outcome], bool(held.trouble))
            return self._next(db, held, tallies(records))

        return persist(self.process.database, turn)

    def _next(self, db: Session, held: Hold, done: Mapping[str, int] | None = None) -> Batch:
        """Mark what is next, and count what was `done`, last of all: others who share the task wait for its row until
        this is committed. Where nothing is next, or nothing more is to be handed over, let go of the task.
        """
        if held.trouble:
            self._let_go_in_trouble(db, held, held.trouble)
            return []
        why, room = self._why_to_stop(db, held), self.process.limited.room(db)
        lets_in = time.monotonic() - held.let_in > LET_IN
        if not why and lets_in and db.scalar(limits.waits(held.task.id, ())):
            self._wait(db, held, done, 0.0, PATIENCE)  # nothing is marked then: it could be lost meanwhile
            return []
        if not why:
            marked = [] if room.wait else self._mark(db, held, done, room)
            if marked or held.result:
                return marked
            if wait := self.process.limited.wait(db, held, room):
                yields = held.others and not room.wait  # there may be room for those
                self._wait(db, held, done, wait, 0.0 if yields else PATIENCE)
                return []
        self._settle(db, held, why or WAITS)
        return []

    def _why_to_stop(self, db: Session, held: Hold) -> str | None:
        paused, held.gap, _ = db.execute(sender.state()).one()
        if self.process.stopping.is_set():
            return STOPPED
        if paused:
            return TROUBLE
        if time.monotonic() - held.begun > TURN:
            return TURN_OVER
        # The gap is between all messages, whoever sends them.
        return WAITS if held.gap and held.joined else None

    def _mark(self, db: Session, held: Hold, done: Mapping[str, int] | None, room: Room) -> Batch:
        limit, edition = 1 if held.gap else min(lifecycle.BATCH, room.most), self.process.editions.choose(db, held)
        if but := [~is_to(domain) for domain in room.domains]:
            mark = lifecycle.mark_some(held.task.id, held.token, limit, edition, but)
        else:
            mark = lifecycle.mark(held.task.id, held.token, limit, edition)
        marked = db.execute(mark).all()
        if marked and not self._count_in(db, held, done):
            db.execute(lifecycle.put_back(held.task.id, held.token, [delivery.id for delivery in marked]))
            return []
        return sorted(marked, key=lambda delivery: delivery.id)

    def _count_in(self, db: Session, held: Hold, done: Mapping[str, int] | None) -> bool:
        """Count what was `done`, if anything can have been. Not: somebody else goes on with the task."""
        if done is not None and not count_in(db, held, done):
            held.result = "lost"
        return held.result != "lost"

    def _wait(self, db: Session, held: Hold, done: Mapping[str, int] | None, seconds: float, patience: float) -> None:
        """Until there is room for what is left: with the task in hand, or if that takes long, without."""
        if seconds <= patience:
            held.wait = seconds if self._count_in(db, held, done) else None
        elif shared.leave(db, held):
            held.result = LEFT
        else:
            db.execute(lifecycle.give_back(held.task.id, held.token, LIMITED, max(seconds, APART)))
            held.result = "given back"

    def _settle(self, db: Session, held: Hold, why: str) -> None:
        if shared.leave(db, held):
            held.result = LEFT
            return
        settled = db.execute(lifecycle.settle(held.task.id, held.token, why)).first()
        held.result = str(settled.status) if settled else "lost"

    def _let_go_in_trouble(self, db: Session, held: Hold, what: Outcome) -> None:
        held.result = "given back"
        if self.process.stopping.is_set():  # the connection was cut on purpose, to stop in time
            self._settle(db, held, STOPPED)
        else:
            trouble.give_back(db, [held], what)

    def _hand_over(self, held: Hold, batch: Batch) -> Iterator[Handed]:
        if batch:
            self.process.editions.stored(held)  # with the marks, whose transaction is committed
        reached: set[str] = set()
        for delivery in batch:
            if held.trouble or held.lost or self.process.stopping.is_set():
                yield Handed(delivery, None)
                continue
            self.process.stopping.wait(held.gap)
            if domain_of(delivery.address) in reached or self.process.limited.ask(held.task.id, delivery):
                reached.add(domain_of(delivery.address))
                yield Handed(delivery, None)
                continue
            handed = hand_over(held, delivery, self.process.connection, self.process.mail_from.address)
            if handed.outcome and handed.outcome.kind is Kind.trouble:
                held.trouble = handed.outcome
                yield Handed(delivery, None)
            else:
                yield handed
