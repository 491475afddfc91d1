"""Rings for what is due, at its instant and never before, and puts right what nobody is working on any more.

Every worker has one, in a thread of its own; the one that holds the office (a lease in the database) does the work.
"""

import math
import threading
import time
from collections.abc import Sequence
from functools import partial

from redis import RedisError
from sqlalchemy import Row, insert
from sqlalchemy.exc import SQLAlchemyError

from app import log
from app.db import Database
from app.ring import News, Rings
from app.ring.job import Ringing, ringing_of
from app.tasks import lifecycle, reconcile
from app.tasks.books import Worker
from app.worker.hold import persist
from app.worker.lost import Repairs, in_their_order, take_from_helpers, take_from_holder

logger = log.get("timekeeper")

LOOK = 0.2
"""Seconds between looks at what is due next while Redis is away, and nobody can tell us of something earlier."""

CHORES = 1.0
"""Seconds between repairs, and between signs of life."""

PATIENCE = 2.0
"""Seconds for lost rings between two looks at what is due: the office has to be kept, and others to be rung for."""

NEVER = math.inf


class Timekeeper(threading.Thread):
    """`name` is the worker's, under which it signs. `stop` ends it and leaves the office to the next."""

    def __init__(self, database: Database, rings: Rings, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.database = database
        self.rings = rings
        self.news = News(rings.redis)
        self.stopping = threading.Event()
        self.in_office = False
        self._chores_at = 0.0
        self._looked_at = 0  # the id of the last task whose ring was looked for, where others are left
        self._due_at = NEVER  # for what the promoter waits, on the monotonic clock; once there, it need not ask

    def run(self) -> None:
        while not self.stopping.is_set():
            try:
                wait = self._beat()
            except Exception as error:  # whatever it is: without a timekeeper nothing scheduled leaves
                logger.warning(
                    "cannot keep the time for now", error=f"{type(error).__name__}: {error}".partition("\n")[0]
                )
                wait = CHORES
            if wait > 0:
                self._wait(wait)

    def _wait(self, seconds: float) -> None:
        """Until then, or until something is stored that may be due earlier; without Redis, in small steps."""
        try:
            self.news.wait(seconds)
        except (RedisError, OSError):
            self.stopping.wait(min(seconds, LOOK))

    def _beat(self) -> float:
        """Do what is to be done now. Returns seconds until there may be something again."""
        if time.monotonic() >= self._chores_at:
            self._chores_at = time.monotonic() + CHORES
            self.in_office = self._sign()
            if self.in_office:
                self._hold_late()
                self.reconcile(PATIENCE)
        return self._promote() if self.in_office else self._until_chores()

    def _sign(self) -> bool:
        """Show that this worker lives. Returns whether it holds the office."""
        with self.database.writing() as db:
            if db.scalar(reconcile.sign_of_life(self.name)) is None:
                db.execute(reconcile.forget_workers())
                db.execute(insert(Worker).values(name=self.name))
            return db.scalar(reconcile.hold_office(self.name)) is not None

    def _promote(self) -> float:
        awaited, self._due_at = self._due_at, NEVER
        asked = time.monotonic() < awaited
        if asked:
            self._due_at = time.monotonic() + self._next_due()
            wait = self._due_at - time.monotonic()
            if wait > 0:
                return min(wait, self._until_chores())
        ringings = self._due()
        self._ring(ringings)
        return LOOK if asked and not ringings else 0  # somebody else has them in hand

    def _next_due(self) -> float:
        """In how many seconds, by the database's clock."""
        with self.database.reading() as db:
            due, now = db.execute(reconcile.next_due()).one()
        return (due - now).total_seconds() if due else NEVER

    def _until_chores(self) -> float:
        return max(0.01, self._chores_at - time.monotonic())

    def _due(self) -> list[Ringing]:
        with self.database.writing() as db:
            return [tuple(row) for row in db.execute(lifecycle.promote())]

    def _ring(self, ringings: list[Ringing], first: bool = False) -> None:
        if not ringings:
            return
        try:
            self.rings.ring(ringings, first)
        except (RedisError, OSError) as error:
            logger.warning("Redis is away; the rings will follow", rings=len(ringings), error=str(error))

    def _hold_late(self) -> None:
        with self.database.reading() as db:
            if not db.scalar(reconcile.too_late()):
                return
        with self.database.writing() as db:
            late = db.execute(lifecycle.hold_late()).all()
        logger.warning("held: they could not be sent in time", tasks=[row.id for row in late])

    def reconcile(self, patience: float = NEVER) -> Repairs:
        """Put right what nobody is working on: expired leases, and rings that are nowhere to be found. After `patience`
        seconds the rest of the rings is left to the next time.
        """
        repairs = Repairs()
        self._take_from_the_lost(repairs)
        try:
            repairs.rung = self._ring_unheard(time.monotonic() + patience)
        except (RedisError, OSError) as error:
            logger.warning("Redis is away; lost rings cannot be told from others", error=str(error))
        if found := repairs.counts():
            logger.info("repaired", **found)
            with self.database.writing() as db:
                for name, n in found.items():
                    db.execute(reconcile.note_repair(name, n))
        return repairs

    def _take_from_the_lost(self, repairs: Repairs) -> None:
        with self.database.reading() as db:
            holders = db.execute(reconcile.expired()).all()
            shared = db.scalars(reconcile.shared_with_lost()).all()
        takes = [partial(take_from_holder, task_id=task_id, token=token) for task_id, token in holders]
        takes += [partial(take_from_helpers, task_id=task_id) for task_id in shared]
        for take in takes:
            taken = persist(self.database, take, tries=2)
            repairs.add(taken)
            self._ring(taken.waiting, first=True)  # they have waited already

    def _ring_unheard(self, until: float) -> int:
        rung, present = 0, None
        while suspects := self._unheard():
            present = self.rings.present() if present is None else present
            # Whichever of them is moved just now: its ring finds nothing to move. A row is not written for each, whose
            # many indexes cost more than all the rest.
            for lost, before in in_their_order([ringing_of(row) for row in suspects], present):
                self.rings.ring(lost, before=before)
                rung += len(lost)
            self._looked_at = suspects[-1].id
            if time.monotonic() >= until:
                return rung
        self._looked_at = 0
        return rung

    def _unheard(self) -> Sequence[Row[int, int, str]]:
        with self.database.reading() as db:
            return db.execute(reconcile.unheard(after=self._looked_at)).all()

    def stop(self) -> None:
        """End the thread, and tell the others that this worker is gone."""
        self.stopping.set()
        if self.is_alive():
            self.join(timeout=5)
        try:
            with self.database.writing() as db:
                db.execute(reconcile.leave_office(self.name))
                db.execute(reconcile.leave_work(self.name))
        except SQLAlchemyError as error:
            logger.warning("could not sign off", error=str(error).partition("\n")[0])
