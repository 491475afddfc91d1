"""A claimed task in a worker's hands: its lease, renewed while the work goes on, and writes that do not give up."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Row
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session

from app import log
from app.db import Database, rows
from app.mail import N_, Mistake
from app.mail.edition import Edition
from app.mail.outcome import Outcome
from app.tasks.lifecycle import LEASE, MUCH, keep, keep_helping

logger = log.get("worker")
T = TypeVar("T")

WAITS = N_("What is left waits for its next attempt.")
STOPPED = N_("Its worker was stopped.")
"""Why a task is let go of before all of it has ended."""

TURN = 30.0
"""Seconds for one task, and for one ring with all that follows it; then whatever else is due goes first."""

RENEW = 2.0
"""Seconds between renewals of the lease."""


@dataclass(eq=False)
class Hold:
    """`lease_end` is when the lease runs out, on this process's monotonic clock, which goes on while it is stopped.

    `trouble` is what the mail server is in, if it is; `result` what came of the task, once that is known.
    """

    task: Row[Any]
    token: str
    lease_end: float
    result: str = ""
    begun: float = field(default_factory=time.monotonic)
    joined: bool = False  # whether somebody else held it when it was taken up
    gap: float = 0.0  # seconds to leave between two messages
    wait: float | None = None  # seconds for which nothing of it is in hand, until there is room for more
    taken_over: bool = False  # by somebody else, as the last renewal found
    let_in: float = field(default_factory=time.monotonic)  # when small ones were last let in, or it was begun
    others: bool = False  # whether large tasks waited for their turn then
    trouble: Outcome | None = None
    edition: Edition | Mistake = field(init=False)  # what its next messages are written from, or why they can't be

    @property
    def is_large(self) -> bool:
        """Whether others may help with it."""
        return bool(self.task.recipients >= MUCH)

    @property
    def lost(self) -> bool:
        """Whether somebody else may have the task by now: then nothing more is handed over."""
        return time.monotonic() >= self.lease_end


class Renewal:
    """Renews the leases of what is in hand, from a thread of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._holds: list[Hold] = []
        self._at_work = threading.Lock()
        self._ended = threading.Event()
        threading.Thread(target=self._go_on, name="renewing", daemon=True).start()

    @contextmanager
    def of(self, holds: Sequence[Hold]) -> Iterator[None]:
        """Renew these for as long as the block lasts."""
        self._holds = [*self._holds, *holds]
        try:
            yield
        finally:
            with self._at_work:
                self._holds = [held for held in self._holds if held not in holds]

    def _go_on(self) -> None:
        while not self._ended.wait(RENEW):
            with self._at_work:
                self._renew(self._holds)

    def _renew(self, holds: Sequence[Hold]) -> None:
        try:
            if holds := [held for held in holds if not held.taken_over]:
                with self._database.writing() as db:
                    began = time.monotonic()  # now that it has its turn: whoever works may have been given a later end
                    kept = [renew(db, held) for held in holds]
                for held, known in zip(holds, kept, strict=True):
                    held.lease_end = max(held.lease_end, began + LEASE) if known else began
                    held.taken_over = not known
        except SQLAlchemyError as error:
            logger.warning("could not renew the lease", error=str(error).partition("\n")[0])

    def close(self) -> None:
        self._ended.set()


def renew(db: Session, held: Hold) -> bool:
    """Keep it for another while. Not: somebody else has it by now."""
    if held.joined and rows(db.execute(keep_helping(held.token))):
        return True
    return db.scalar(keep(held.task.id, held.token)) is not None


def count_in(db: Session, held: Hold, tallies: Mapping[str, int]) -> bool:
    """The same, and count what was sent, failed or is unknown. The task's row comes first, as for all who share it."""
    kept = db.scalar(keep(held.task.id, held.token, **tallies)) is not None
    if kept and held.joined:
        db.execute(keep_helping(held.token))
    return kept


def persist(database: Database, write: Callable[[Session], T], tries: int = 6) -> T:
    """Do `write` in a transaction, again and again while the database is locked or away.

    What was sent must not go unrecorded because the database was busy for a moment.
    """
    for attempt in range(tries):
        try:
            with database.writing() as db:
                return write(db)
        except OperationalError as error:
            if attempt == tries - 1:
                raise
            logger.warning("the database did not take it; once more", error=str(error.orig))
            time.sleep(0.1 * 2**attempt)
    raise AssertionError("unreachable")
