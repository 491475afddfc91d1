"""Tasks of one recipient each, ten at a time: claimed, recorded and settled together, so that a thousand of them do not
cost a thousand times what one task does.
"""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row
from sqlalchemy.orm import Session

from app import log
from app.mail.outcome import Kind, Outcome
from app.ring.job import Ringing
from app.tasks import lifecycle, sender
from app.worker import trouble
from app.worker.handed import Handed, hand_over, record, with_faults
from app.worker.hold import STOPPED, WAITS, Hold, persist

if TYPE_CHECKING:
    from app.worker.sender import Sender

logger = log.get("worker")


@dataclass(frozen=True)
class One:
    """A task that is held, and its one delivery, marked; what became of that, once it is known."""

    held: Hold
    delivery: Row[Any]
    handed: Handed | None = None

    @property
    def outcome(self) -> Outcome | None:
        return self.handed.outcome if self.handed else None


class Together:
    """What a sending process does with such tasks. `holds` are those that it has in hand."""

    def __init__(self, process: "Sender") -> None:
        self.process = process
        self.holds: list[Hold] = []

    def send(self, rung: Sequence[Ringing]) -> list[Ringing]:
        """Send those of these tasks that have one recipient, and whatever else rings meanwhile. Returns the rings of
        all that is to be done otherwise, or not at all.
        """
        others: list[Ringing] = []
        done: list[One] = []
        while rung or done:
            marked, left = self._turn(done, rung)
            others += left
            done = self._hand_over(marked)
            # Others wait: they come first, and let further small ones in.
            rung = self.process.more() if done and done[-1].outcome and not others else []
        return others

    def _turn(self, done: Sequence[One], rung: Sequence[Ringing]) -> tuple[list[One], Sequence[Ringing]]:
        """Record what was handed over, and claim and mark what is rung for, in one transaction."""

        settled: list[Row[Any]] = []

        def turn(db: Session) -> list[One]:
            nonlocal settled
            settled = self._record(db, done) if done else []
            paused, gap, _ = db.execute(sender.state()).one()
            is_open = rung and not paused and not gap and not self.process.stopping.is_set()
            return self._claim(db, [task_id for task_id, _, _ in rung]) if is_open else []

        marked = persist(self.process.database, turn)
        for row in settled:
            logger.info(str(row.status), task=row.id)
        self.holds = [one.held for one in marked]
        for held in self.holds:
            self.process.editions.stored(held)
        claimed = {held.task.id for held in self.holds}
        return marked, [ringing for ringing in rung if ringing[0] not in claimed]

    def _claim(self, db: Session, task_ids: list[int]) -> list[One]:
        token, began = secrets.token_hex(8), time.monotonic()
        tasks = db.execute(lifecycle.claim_together(task_ids, token, self.process.name)).all()
        holds = {task.id: Hold(task, token, began + lifecycle.LEASE) for task in tasks}
        by_edition: dict[str, list[int]] = {}
        for held in holds.values():
            if held.task.attempt > 1:
                db.execute(lifecycle.lose_strays(held.task.id, token))
            by_edition.setdefault(self.process.editions.choose(db, held) or "", []).append(held.task.id)
        marked = [
            One(holds[delivery.task_id], delivery)
            for edition, ids in by_edition.items()
            for delivery in db.execute(lifecycle.mark_together(ids, token, edition)).all()
        ]
        if waiting := [*holds.keys() - {one.held.task.id for one in marked}]:
            db.execute(lifecycle.settle_together(waiting, token, WAITS))
        marked.sort(key=lambda one: task_ids.index(one.held.task.id))
        waited = iter(sorted((one for one in marked if one.delivery.due_at), key=lambda one: one.held.task.id))
        # Of those who come from a line, the smallest number: its place may have been put off, and others' were not.
        return [next(waited) if one.delivery.due_at else one for one in marked]

    def _hand_over(self, marked: Sequence[One]) -> list[One]:
        done: list[One] = []
        with self.process.renewal.of([one.held for one in marked]):
            for one in marked:
                handed = Handed(one.delivery, None)
                in_trouble = done and done[-1].held.trouble
                if not in_trouble and not one.held.lost and not self.process.stopping.is_set():
                    others_wait = any(each.handed.wait for each in done if each.handed)
                    wait = self.process.limited.ask(one.held.task.id, one.delivery, True, others_wait)
                    handed = Handed(one.delivery, None, wait=wait) if wait else self._hand_over_one(one)
                if handed.outcome and handed.outcome.kind is Kind.trouble:
                    one.held.trouble, handed = handed.outcome, Handed(one.delivery, None)
                elif in_trouble:
                    one.held.trouble = done[-1].held.trouble
                done.append(One(one.held, one.delivery, handed))
        return done

    def _hand_over_one(self, one: One) -> Handed:
        with log.task_context(task=one.held.task.id, attempt=one.held.task.attempt):
            return hand_over(one.held, one.delivery, self.process.connection, self.process.mail_from.address)

    def _record(self, db: Session, done: Sequence[One]) -> list[Row[Any]]:
        """What was handed over, and let go of all: the rest waits for its next attempt, or for the mail server. Returns
        id and status of what was settled.
        """
        token, in_trouble = done[-1].held.token, done[-1].held.trouble
        records = [record(one.held, one.handed) for one in done if one.handed and one.outcome]
        if records:
            db.execute(lifecycle.record(token, with_faults(db, records, done[0].held)))
        trouble.note(db, [one.outcome for one in done if one.outcome], bool(in_trouble))
        untouched = [one for one in done if not one.outcome]
        for one in untouched:
            due_at = one.handed.wait.at if one.handed and one.handed.wait else None
            db.execute(lifecycle.put_back(one.held.task.id, token, [one.delivery.id], due_at))
        if in_trouble and not self.process.stopping.is_set():
            trouble.give_back(db, [one.held for one in untouched], in_trouble)
            untouched = []
        by_reason: dict[str, list[int]] = {}
        for one in done:
            wait = one.handed.wait if one.handed else None
            why = wait.why if wait else STOPPED if self.process.stopping.is_set() else WAITS
            by_reason.setdefault(why, []).append(one.held.task.id)
        return [row for why, ids in by_reason.items() for row in db.execute(lifecycle.settle_together(ids, token, why))]
