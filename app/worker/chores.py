"""What a worker does bit by bit, beside everything else, in a thread of its own."""

import threading
import time
from collections.abc import Callable

from app import log

logger = log.get("chores")


class Chore(threading.Thread):
    """Works while `in_office()`: one worker at a time is enough. `stop` ends it between two bites.

    A bite is one transaction, after which nothing has to be remembered: whoever is killed anywhere has done it, or has
    not.
    """

    LOOK = 1.0
    """Seconds between looks for something to do."""

    REST = 0.0
    """Seconds between two bites, at least."""

    def __init__(self, name: str, in_office: Callable[[], bool]) -> None:
        super().__init__(name=name, daemon=True)
        self.in_office = in_office
        self.stopping = threading.Event()

    def bite(self) -> bool:
        """Do a little. Whether there was anything to do."""
        raise NotImplementedError

    def run(self) -> None:
        while not self.stopping.is_set():
            begun, bitten, leads = time.monotonic(), False, self.in_office()
            try:
                bitten = leads and self.bite()
            except Exception as error:  # another transaction was in the way, or the database is; it is all still there
                said = f"{type(error).__name__}: {error}".partition("\n")[0]
                logger.warning("has to wait", chore=self.name, error=said)
                leads = False
            # As long as it took, others have the database to themselves: SQLite has one writer at a time.
            rest = max(self.REST, time.monotonic() - begun)
            self.stopping.wait(rest if bitten else self.LOOK if leads else Chore.LOOK)

    def stop(self) -> None:
        """End the thread."""
        self.stopping.set()
        if self.is_alive():
            self.join(timeout=5)
