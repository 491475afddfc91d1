"""Tells Redis what was committed, in threads of its own, so that nobody waits for it."""

import asyncio
import time
from collections.abc import Callable
from queue import Queue
from threading import Thread

from app import log

logger = log.get("web")

MOST = 200
"""What waits to be told at most; more of it would only take memory while Redis hangs."""

THREADS = 2

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

    def tell(self, message: Callable[[], None]) -> None:
        """Have it told; returns at once. From any thread."""
        if self._messages.unfinished_tasks >= MOST:
            logger.warning("Redis is slow, and was not told; the timekeeper will see the row")
        else:
            self._messages.put(message)

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
