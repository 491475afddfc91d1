"""Tells Redis what was committed, in threads of its own, so that nobody waits for it."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from redis import RedisError

from app import log

logger = log.get("web")

MOST = 200
"""What waits to be told at most; more of it would only take memory while Redis hangs."""

LAST_WORDS = 3.0
"""Seconds for what is still to be told at the end."""


class Teller:
    """What it can't tell is no loss: the timekeeper and the reconciler find the row."""

    def __init__(self, last_words: float = LAST_WORDS) -> None:
        self._last_words = last_words
        # Threads of its own: a Redis that hangs must not hold up what else is done in threads.
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="telling")
        self._telling: set[asyncio.Task[None]] = set()

    def tell(self, message: Callable[[], None]) -> None:
        """Have it told; returns at once."""
        if len(self._telling) >= MOST:
            logger.warning("Redis is slow, and was not told; the timekeeper will see the row")
            return
        telling = asyncio.create_task(self._try(message))
        self._telling.add(telling)  # the event loop itself holds tasks but weakly
        telling.add_done_callback(self._telling.discard)

    async def _try(self, message: Callable[[], None]) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, message)
        except (RedisError, OSError) as error:
            logger.warning("Redis was not told; the timekeeper will see the row", error=str(error))

    async def close(self) -> None:
        """Wait for what is being told, but not for long: the rows say it all."""
        if self._telling:
            await asyncio.wait(self._telling, timeout=self._last_words)
        self._threads.shutdown(wait=False, cancel_futures=True)
