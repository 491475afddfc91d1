"""Tells Redis what was committed, in threads of its own, so that nobody waits for it."""

import asyncio
import time
from collections.abc import Callable, Sequence
from queue import Queue
from threading import Lock, Thread
from typing import Generic, TypeVar

from app import log

logger = log.get("web")
T = TypeVar("T")

MOST = 200
"""What waits to be told at most; more of it would only take memory while Redis hangs."""

THREADS = 2

MOST_GATHERED = 10_000
"""Things that wait to be told of together, for the same reason."""

APART = 0.01
"""Seconds between two trips for things of one kind."""

LAST_WORDS = 3.0
"""Seconds for what is still to be told at the end."""


class Teller:
    """What it can't tell is no loss: the timekeeper and the reconciler find the row."""

    def __init__(self, last_words: float = LAST_WORDS) -> None:
        self._last_words = last_words
        self._messages: Queue[Callable[[], None] | None] = Queue()
        # Threads of its own: a Redis that hangs must not hold up what else is done in threads.
        self._threads = [Thread(target=self._tell_all, name="telling", daemon=True) for _ in range(THREADS)]
        for thread in self._threads:
            thread.start()

    def tell(self, message: Callable[[], None]) -> bool:
        """Have it told; returns at once. Not: too much waits to be told already. From any thread."""
        if self._messages.unfinished_tasks >= MOST:
            logger.warning("Redis is slow, and was not told; the timekeeper will see the row")
            return False
        self._messages.put(message)
        return True

    def _tell_all(self) -> None:
        while message := self._messages.get():
            try:
                message()
            except Exception as error:  # whatever it is, the next one may pass
                logger.warning("Redis was not told; the timekeeper will see the row", error=str(error))
            self._messages.task_done()

    async def close(self) -> None:
        """Wait for what is being told, but not for long: the rows say it all."""
        for _ in self._threads:
            self._messages.put(None)
        until = time.monotonic() + self._last_words
        for thread in self._threads:
            await asyncio.to_thread(thread.join, max(0.0, until - time.monotonic()))


class Gathered(Generic[T]):
    """What is told of many things at once, by `tell`: of the first at once, of those that come right after it together.

    A trip to Redis takes half the time in which SQLite stores a mail, from the threads that do.
    """

    def __init__(self, teller: Teller, tell: Callable[[list[T]], None], apart: float = APART) -> None:
        self._teller, self._tell, self._apart = teller, tell, apart
        self._things: list[T] = []
        self._told = float("-inf")
        self._at_work = Lock()

    def add(self, things: Sequence[T]) -> None:
        """Have these told of, too. From any thread."""
        with self._at_work:
            is_first, room = not self._things, MOST_GATHERED - len(self._things)
            if len(things) > room:
                logger.warning("Redis is slow, and was not told; the timekeeper will see the row")
            self._things += things[:room]
            if is_first and self._things and not self._teller.tell(self._tell_all):
                self._things = []

    def _tell_all(self) -> None:
        time.sleep(max(0.0, self._told + self._apart - time.monotonic()))
        with self._at_work:
            things, self._things = self._things, []
            self._told = time.monotonic()
        self._tell(things)
