"""What a ring makes a worker do: claim the task, hand its messages over in small batches, record, settle."""

import secrets
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from os import getpid
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app import log
from app.config import TEMPLATES, Settings
from app.db import Database
from app.mail import N_
from app.mail.addresses import Mailbox, parse
from app.mail.outcome import Kind, Outcome
from app.mail.templates import Templates
from app.mail.transport import Connection, parse_url
from app.tasks import lifecycle, sender
from app.tasks.retries import wait_for_sender
from app.worker.editions import Editions
from app.worker.handed import Batch, Handed, hand_over, record, tallies, with_faults
from app.worker.hold import Hold, persist, renewing

logger = log.get("worker")

TROUBLE = N_("The mail could not be handed over for now. It is tried again.")
PATIENCE = 20.0
"""Seconds; whoever stops us kills us after 25 or 30."""

TURN = 30.0
"""Seconds for one task; then whatever else is due goes first, in the order of the queues."""

TURN_OVER = N_("Others have their turn; then it goes on.")
WAITS = N_("What is left waits for its next attempt.")
STOPPED = N_("Its worker was stopped.")
STUMBLED = N_("Something went wrong in the worker. It is tried again.")


class Sender:
    """Sends from one process, over one warm connection. `stopping` is set once it is to take up nothing new."""

    def __init__(
        self, database: Database, templates: Templates, connection: Connection, mail_from: Mailbox, zone: ZoneInfo
    ) -> None:
        self.database = database
        self.connection = connection
        self.mail_from = mail_from
        self.editions = Editions(templates, mail_from, zone)
        self.name = f"worker {socket.gethostname()}:{getpid()}"
        self.stopping = threading.Event()
        self.held: Hold | None = None

    @classmethod
    def from_settings(cls, settings: Settings) -> "Sender":
        return cls(
            Database(settings.database_url),
            Templates(TEMPLATES),
            Connection(parse_url(settings.smtp_url)),
            parse(settings.mail_from),
            ZoneInfo(settings.timezone),
        )

    def work(self, task_id: int, attempt: int) -> str:
        """Do what the ring asks for, as far as the row agrees. Returns what came of it, for RQ's record only."""
        held, batch = self._claim(task_id, attempt)
        if held is None:
            return "nothing to do"
        self.held = held
        with log.task_context(task=task_id, attempt=held.task.attempt), renewing(self.database, held):
            while batch:
                batch = self._turn(held, [*self._hand_over(held, batch)])
        self.held = None
        logger.info(held.result, task=task_id)
        return held.result

    def _claim(self, task_id: int, attempt: int) -> tuple[Hold | None, Batch]:
        """Claim the task and mark its first deliveries, in one transaction."""
        token, began = secrets.token_hex(8), time.monotonic()

        def claim(db: Session) -> tuple[Hold | None, Batch]:
            claimed = db.execute(lifecycle.claim(task_id, attempt, token, self.name)).first()
            if claimed is None and db.execute(lifecycle.promote(task_id=task_id)).first():
                # The ring came from RQ's own scheduler, before any timekeeper: it did the promoter's part.
                claimed = db.execute(lifecycle.claim(task_id, attempt, token, self.name)).first()
            if claimed is None:
                return None, []
            if claimed.attempt > 1:
                db.execute(lifecycle.lose_strays(task_id, token))
            held = Hold(claimed, token, began + lifecycle.LEASE)
            return held, self._next(db, held)

        return persist(self.database, claim)

    def _turn(self, held: Hold, handed: Sequence[Handed]) -> Batch:
        """Record what was handed over and mark what is next, in one transaction."""
        records = [record(held, each) for each in handed if each.outcome]

        def turn(db: Session) -> Batch:
            held.lease_end = time.monotonic() + lifecycle.LEASE
            if db.scalar(lifecycle.keep(held.task.id, held.token, **tallies(records))) is None:
                held.result = "lost"  # somebody else goes on
                return []
            if records:
                db.connection().execute(lifecycle.record(held.token), with_faults(db, records, held))
            if untouched := [each.delivery.id for each in handed if not each.outcome]:
                db.execute(lifecycle.put_back(held.task.id, held.token, untouched))
            self._note(db, held, handed)
            return self._next(db, held)

        return persist(self.database, turn)

    def _note(self, db: Session, held: Hold, handed: Sequence[Handed]) -> None:
        """Tell the other workers what was learnt about the mail server."""
        outcomes = [each.outcome for each in handed if each.outcome]
        for outcome in outcomes:
            if outcome.asks_to_slow_down:
                db.execute(sender.slow_down(outcome.reply))
        if outcomes and not held.trouble:
            db.execute(sender.well())

    def _next(self, db: Session, held: Hold) -> Batch:
        """Mark what is next; where nothing is, or nothing more is to be handed over, let go of the task."""
        if held.trouble:
            self._let_go_in_trouble(db, held, held.trouble)
            return []
        paused, held.gap, _ = db.execute(sender.state()).one()
        had_its_turn = time.monotonic() - held.begun > TURN
        if not self.stopping.is_set() and not paused and not had_its_turn:
            limit = 1 if held.gap else lifecycle.BATCH
            marked = db.execute(lifecycle.mark(held.task.id, held.token, limit, self.editions.choose(db, held))).all()
            if marked:
                return sorted(marked, key=lambda delivery: delivery.id)
        why = STOPPED if self.stopping.is_set() else TROUBLE if paused else TURN_OVER if had_its_turn else WAITS
        settled = db.execute(lifecycle.settle(held.task.id, held.token, why)).first()
        held.result = str(settled.status) if settled else "lost"
        return []

    def _let_go_in_trouble(self, db: Session, held: Hold, trouble: Outcome) -> None:
        held.result = "given back"
        if self.stopping.is_set():  # the connection was cut on purpose, to stop in time
            db.execute(lifecycle.settle(held.task.id, held.token, STOPPED))
            return
        wait = max(wait_for_sender(db.execute(sender.state()).one()[2] + 1), trouble.wait or 0)
        logger.warning("the mail server is in trouble", reply=trouble.reply, wait=wait)
        db.execute(sender.pause(trouble.reply, wait))
        db.execute(lifecycle.give_back(held.task.id, held.token, trouble.reply, wait, trouble.reply))

    def _hand_over(self, held: Hold, batch: Batch) -> Iterator[Handed]:
        self.editions.stored(held)  # with the marks, whose transaction is committed
        for delivery in batch:
            if held.trouble or held.lost or self.stopping.is_set():
                yield Handed(delivery, None)
                continue
            self.stopping.wait(held.gap)
            handed = hand_over(held, delivery, self.connection, self.mail_from.address)
            if handed.outcome and handed.outcome.kind is Kind.trouble:
                held.trouble = handed.outcome
                yield Handed(delivery, None)
            else:
                yield handed

    def settle(self) -> None:
        """Settle the task in hand, if one still is; where that has happened already, nothing moves."""
        held, self.held = self.held, None
        if held is not None:
            persist(self.database, lambda db: db.execute(lifecycle.settle(held.task.id, held.token)))

    def stop(self) -> None:
        """Take up nothing new; what is in hand has PATIENCE seconds to be answered. May be called again and again."""
        if not self.stopping.is_set():
            self.stopping.set()
            cut = threading.Timer(PATIENCE, self.connection.abort)
            cut.daemon = True
            cut.start()

    def stumble(self, error: BaseException) -> None:
        """After an error nobody foresaw: what was in hand may have arrived, the rest is tried again."""
        held, self.held = self.held, None
        if held is None:
            return
        said = f"{type(error).__name__}: {error}"

        def stumble(db: Session) -> None:
            db.execute(lifecycle.lose(held.task.id, held.token))
            db.execute(lifecycle.tally(held.task.id))
            db.execute(
                lifecycle.give_back(held.task.id, held.token, STUMBLED, wait_for_sender(held.task.attempt + 2), said)
            )

        persist(self.database, stumble)

    def close(self) -> None:
        self.connection.close()
        self.database.close()
