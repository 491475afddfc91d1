"""What a ring makes a worker do: send what is rung for, and go on with whatever else rings."""

import socket
import threading
import time
from collections.abc import Sequence
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
from app.mail.templates import Templates
from app.mail.transport import Connection, parse_url
from app.ring import Rings, connect
from app.ring.job import Ringing
from app.tasks import lifecycle
from app.tasks.limit import Limit
from app.tasks.retries import wait_for_sender
from app.worker.alone import Alone
from app.worker.editions import Editions
from app.worker.hold import TURN, Hold, Renewal, persist
from app.worker.limited import Limited
from app.worker.shared import leave
from app.worker.together import Together

logger = log.get("worker")

PATIENCE = 20.0
"""Seconds; whoever stops us kills us after 25 or 30."""

GATHER = 0.02
"""Seconds for which rings that came after the first are gathered."""

LINGER = (0.004, 0.008, 0.016, 0.032)
"""Seconds between looks for the next ring, before RQ has its worker back."""

MOST_LARGE = 100
"""Large tasks that wait before the small ones behind them, and are passed over to let those in."""

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
        limits: Sequence[Limit] = (),
    ) -> None:
        self.database = database
        self.connection = connection
        self.mail_from = mail_from
        self.editions = Editions(templates, mail_from, zone)
        self.limited = Limited(database, limits)
        self.renewal = Renewal(database)
        self.name = f"worker {socket.gethostname()}:{getpid()}"
        self.stopping = threading.Event()
        self.rings = rings
        self.alone, self.together = Alone(self), Together(self)
        self._until = 0.0

    @classmethod
    def from_settings(cls, settings: Settings) -> "Sender":
        return cls(
            Database(settings.database_url),
            Templates(TEMPLATES),
            Connection(parse_url(settings.smtp_url)),
            parse(settings.mail_from),
            ZoneInfo(settings.timezone),
            Rings(connect(settings.redis_url)),
            [Limit(*each) for each in settings.limits],
        )

    def work(self, ringing: Ringing) -> None:
        """Do what the ring asks for, as far as the rows agree, and then whatever else rings."""
        self._until = time.monotonic() + TURN  # then RQ has its worker back, which shows that it lives
        rung = [ringing, *self._take(lifecycle.BATCH - 1)]
        while rung:
            others = self.together.send(rung)
            while others and not self.alone.begin(*others.pop(0)[:2]):
                pass
            self.ring(others, first=True)  # another worker may come to them sooner
            self.alone.send()
            rung = self.more() or self._linger()

    def more(self) -> list[Ringing]:
        """Further rings, the most urgent first, where some ring already. Few are given a moment to become more: a
        transaction costs about the same for one as for ten.
        """
        rung = self._take(lifecycle.BATCH)
        if 0 < len(rung) < lifecycle.BATCH:
            self.stopping.wait(GATHER)
            rung += self._take(lifecycle.BATCH - len(rung))
        return rung

    def _linger(self) -> list[Ringing]:
        """The next ones of a stream that goes on: for RQ to notice a ring costs as much as to send a mail."""
        for wait in LINGER:
            self.stopping.wait(wait)
            if rung := self.more():
                return rung
        return []

    def _take(self, most: int) -> list[Ringing]:
        """None where nothing more is to be taken up, or Redis is away."""
        if self.rings is None or self.stopping.is_set() or time.monotonic() > self._until:
            return []
        try:
            return self.rings.take(most)
        except (RedisError, OSError):
            return []

    def let_in(self) -> bool:
        """In the middle of a large task: the small ones that ring. Returns whether large ones wait for their turn."""
        others: list[Ringing] = []
        while rung := self.more():
            left = self.together.send(rung)
            others += left
            if len(left) < lifecycle.BATCH or len(others) >= MOST_LARGE:
                break
        self.ring(others, first=True)
        return bool(others)

    def ring(self, ringings: Sequence[Ringing], first: bool = False) -> None:
        """For whoever comes to it; what Redis does not take, the timekeeper rings for."""
        if ringings and self.rings:
            with suppress(RedisError, OSError):
                self.rings.ring(ringings, first)

    def settle(self) -> None:
        """Settle what is in hand, if anything still is; where that has happened already, nothing moves."""

        def settle(db: Session, held: Hold) -> None:
            if not leave(db, held):
                db.execute(lifecycle.settle(held.task.id, held.token))

        for held in self._let_go():
            persist(self.database, partial(settle, held=held))

    def _let_go(self) -> list[Hold]:
        holds = [*self.together.holds, *([self.alone.held] if self.alone.held else [])]
        self.alone.held, self.together.holds = None, []
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
            db.execute(lifecycle.lock(held.task.id))
            db.execute(lifecycle.lose(held.task.id, held.token))
            db.execute(lifecycle.tally(held.task.id))
            if not leave(db, held):
                wait = wait_for_sender(held.task.attempt + 2)
                db.execute(lifecycle.give_back(held.task.id, held.token, STUMBLED, wait, said))

        for held in self._let_go():
            persist(self.database, partial(stumble, held=held))

    def close(self) -> None:
        self.renewal.close()
        self.connection.close()
        self.database.close()
