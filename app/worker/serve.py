"""One sending process: an RQ worker in the main thread, a timekeeper beside it."""

import os
import signal
import threading
from contextlib import suppress

from redis import RedisError
from sqlalchemy.exc import SQLAlchemyError

from app import log
from app.config import Settings
from app.db import Database
from app.ring import Rings, connect
from app.worker import run
from app.worker.bulks import Bulks
from app.worker.chores import Chore
from app.worker.retention import Retention
from app.worker.rq import PatientQueue, SendingWorker
from app.worker.sender import Sender
from app.worker.timekeeper import Timekeeper

logger = log.get("worker")

AGAIN = 1.0
"""Seconds before Redis is tried again."""


def serve(settings: Settings) -> int:
    """Send until SIGTERM or SIGINT; returns the exit code. While Redis is away it waits, and the time is kept."""
    sender = Sender.from_settings(settings)
    timekeeper = Timekeeper(Database(settings.database_url), Rings(connect(settings.redis_url)), sender.name)
    serve_with(sender, timekeeper, settings.redis_url, settings.retention_days)
    return 0


def serve_with(sender: Sender, timekeeper: Timekeeper, redis_url: str, retention_days: int = 0) -> None:
    """The same, with these two; they are closed at the end."""
    run.use(sender)
    stopping = _Stopping(sender)
    for number in (signal.SIGTERM, signal.SIGINT):  # RQ sets its own later, which do the same
        signal.signal(number, lambda *_: stopping.ask())
    chores: list[Chore] = [Bulks(timekeeper.database, timekeeper.rings, lambda: timekeeper.in_office)]
    if retention_days:
        chores.append(Retention(timekeeper.database, retention_days, lambda: timekeeper.in_office))
    timekeeper.start()
    for chore in chores:
        chore.start()
    while not stopping.is_set():
        _work(redis_url, sender, timekeeper, stopping)
    for chore in chores:
        chore.stop()
    timekeeper.stop()
    sender.close()


class _Stopping(threading.Event):
    """Set when a signal has asked for it; tells the sender as well.

    A handler comes between two steps of whatever the main thread does, another handler included, and would wait for
    ever for a lock that this holds. So it only writes into a pipe, and a thread does the rest.
    """

    def __init__(self, sender: Sender) -> None:
        super().__init__()
        self.sender = sender
        self._asked, self._ask = os.pipe()
        os.set_blocking(self._ask, False)
        threading.Thread(target=self._wait_until_asked, daemon=True).start()

    def ask(self) -> None:
        """For signal handlers, any number of times."""
        PatientQueue.stopping = True
        with suppress(BlockingIOError):  # it is full of others
            os.write(self._ask, b".")

    def _wait_until_asked(self) -> None:
        os.read(self._asked, 1)
        self.sender.stop()
        self.set()


def _work(redis_url: str, sender: Sender, timekeeper: Timekeeper, stopping: _Stopping) -> None:
    """One life of an RQ worker: until it is to stop, or Redis goes away."""
    try:
        sender.limited.begin()
        worker = SendingWorker(connect(redis_url), at_start=timekeeper.reconcile, at_stop=stopping.ask)
        worker.work(logging_level="WARNING")
    except (RedisError, SQLAlchemyError, OSError) as error:
        logger.warning("Redis or the database is away; waiting for it", error=str(error).partition("\n")[0])
    stopping.wait(AGAIN)
