"""What a ring makes a worker do: claim the task, hand its messages over in small batches, record, settle."""

import secrets
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from os import getpid
from zoneinfo import ZoneInfo

from redis import RedisError
from sqlalchemy.orm import Session

from app import log
from app.config import TEMPLATES, Settings
from app.db import Database
from app.mail import N_
from app.mail.addresses import Mailbox, parse
from app.mail.outcome import Kind, Outcome
from app.mail.templates import Templates
from app.mail.transport import Connection, parse_url
from app.ring import Ringing, Rings, connect
from app.tasks import lifecycle, sender
from app.tasks.retries import wait_for_sender
from app.worker import trouble
from app.worker.editions import Editions
from app.worker.handed import Batch, Handed, hand_over, record, tallies, with_faults
from app.worker.hold import STOPPED, WAITS, Hold, persist, renewing
from app.worker.together import Together

logger = log.get("worker")

TROUBLE = N_("The mail could not be handed over for now. It is tried again.")
PATIENCE = 20.0
"""Seconds; whoever stops us kills us after 25 or 30."""

TURN = 30.0
"""Seconds for one task; then whatever else is due goes first, in the order of the queues."""

LET_IN = 0.5
"""Seconds within one task, after which small ones go first."""

TURN_OVER = N_("Others have their turn; then it goes on.")
STUMBLED = N_("Something went wrong in the worker. It is tried again.")


class Sender:
    """Sends from one process, over one warm connection; `rings` is where it hears of more work. `stopping` is set once
    it is to take up nothing new.
    """

    def __init__(
        self,
        database: Database,
        templates: Templates,
        connection: Connection,
        mail_from: Mailbox,
        zone: ZoneInfo,
        rings: Rings | None = None,
    ) -> None:
        self.database = database
        self.connection = connection
        self.mail_from = mail_from
        self.editions = Editions(templates, mail_from, zone)
        self.name = f"worker {socket.gethostname()}:{getpid()}"
        self.stopping = threading.Event()
        self.rings = rings
        self.held: Hold | None = None
        self._until = 0.0
        self.together = Together(self)

    @classmethod
    def from_settings(cls, settings: Settings) -> "Sender":
        return cls(
            Database(settings.database_url),
            Templates(TEMPLATES),
            Connection(parse_url(settings.smtp_url)),
            parse(settings.mail_from),
            ZoneInfo(settings.timezone),
            Rings(connect(settings.redis_url)),
        )

    def work(self, ringing: Ringing) -> None:
        """Do what the ring asks for, as far as the rows agree, and then whatever else rings."""
        self._until = time.monotonic() + TURN  # then RQ has its worker back, which shows that it lives
        rung = [ringing, *self.more(lifecycle.BATCH - 1)]
        while rung:
            others, began = self.together.send(rung), time.monotonic()
            while others and time.monotonic() - began < LET_IN:
                self._alone(*others.pop(0)[:2])
            self._ring_again(others)
            rung = self.more()

    def more(self, most: int = lifecycle.BATCH) -> list[Ringing]:
        """Further rings, the most urgent first; none where nothing more is to be taken up, or Redis is away."""
        if self.rings is None or self.stopping.is_set() or time.monotonic() > self._until:
            return []
        try:
            return self.rings.take(most)
        except (RedisError, OSError):
            return []

    def _alone(self, task_id: int, attempt: int) -> str:
        """One task, however large, in small batches. Returns what came of it."""
        held, batch = self._claim(task_id, attempt)
        if held is None:
            return "nothing to do"
        self.held, let_in = held, time.monotonic()
        with log.task_context(task=task_id, attempt=held.task.attempt), renewing(self.database, [held]):
            while batch:
                batch = self._turn(held, [*self._hand_over(held, batch)])
                if batch and time.monotonic() - let_in > LET_IN:
                    self._let_in()
                    let_in = time.monotonic()
        self.held = None
        logger.info(held.result, task=task_id)
        return held.result

    def _let_in(self) -> None:
        """In the middle of a large task: the small ones that ring. The large ones wait for their turn."""
        self._ring_again(self.together.send(self.more()))

    def _ring_again(self, ringings: Sequence[Ringing]) -> None:
        """For whoever comes to it first; what Redis does not take, the timekeeper rings for."""
        if ringings and self.rings:
            with suppress(RedisError, OSError):
                self.rings.ring(ringings)

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
            trouble.note(db, [each.outcome for each in handed if each.outcome], bool(held.trouble))
            return self._next(db, held)

        return persist(self.database, turn)

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

    def _let_go_in_trouble(self, db: Session, held: Hold, what: Outcome) -> None:
        held.result = "given back"
        if self.stopping.is_set():  # the connection was cut on purpose, to stop in time
            db.execute(lifecycle.settle(held.task.id, held.token, STOPPED))
        else:
            trouble.give_back(db, [held], what)

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
        """Settle what is in hand, if anything still is; where that has happened already, nothing moves."""

        def settle(db: Session, held: Hold) -> None:
            db.execute(lifecycle.settle(held.task.id, held.token))

        for held in self._let_go():
            persist(self.database, partial(settle, held=held))

    def _let_go(self) -> list[Hold]:
        holds = [*self.together.holds, *([self.held] if self.held else [])]
        self.held, self.together.holds = None, []
        return holds

    def stop(self) -> None:
        """Take up nothing new; what is in hand has PATIENCE seconds to be answered. May be called again and again."""
        if not self.stopping.is_set():
            self.stopping.set()
            cut = threading.Timer(PATIENCE, self.connection.abort)
            cut.daemon = True
            cut.start()

    def stumble(self, error: BaseException) -> None:
        """After an error nobody foresaw: what was in hand may have arrived, the rest is tried again."""
        said = f"{type(error).__name__}: {error}"

        def stumble(db: Session, held: Hold) -> None:
            db.execute(lifecycle.lose(held.task.id, held.token))
            db.execute(lifecycle.tally(held.task.id))
            db.execute(
                lifecycle.give_back(held.task.id, held.token, STUMBLED, wait_for_sender(held.task.attempt + 2), said)
            )

        for held in self._let_go():
            persist(self.database, partial(stumble, held=held))

    def close(self) -> None:
        self.connection.close()
        self.database.close()
