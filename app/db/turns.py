"""Who writes next, where only one can."""

import asyncio
import fcntl
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

from sqlalchemy.engine import make_url


class Turns:
    """Whose turn it is to write, among all processes that use an SQLite file: one after the other, without delay.

    SQLite has one writer too, and lets the others sleep, up to a tenth of a second each time, whoever goes first. A
    lock on a file beside it (flock) is free the moment its holder is done, or dead. Whoever gets none for PATIENCE
    seconds, because its holder was stopped, asks SQLite. On another database everybody writes at once.
    """

    PATIENCE, AGAIN = 5.0, 0.0005

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        is_file = parsed.get_backend_name() == "sqlite" and parsed.database not in (None, "", ":memory:")
        self._path = f"{parsed.database}-turn" if is_file else None
        self._ours = asyncio.Lock()

    @contextmanager
    def wait(self) -> Iterator[None]:
        """Until it is ours; for threads."""
        until = time.monotonic() + self.PATIENCE
        with self._file() as file:
            while not _locked(file) and time.monotonic() < until:
                time.sleep(self.AGAIN)
            yield

    @asynccontextmanager
    async def awaited(self) -> AsyncIterator[None]:
        """The same, for coroutines; of those of one process, one at a time asks for the file."""
        if not self._path:
            yield
            return
        async with self._ours:
            until = time.monotonic() + self.PATIENCE
            with self._file() as file:
                while not _locked(file) and time.monotonic() < until:  # noqa: ASYNC110 (another process sets no event)
                    await asyncio.sleep(self.AGAIN)
                yield

    @contextmanager
    def _file(self) -> Iterator[int | None]:
        # A lock belongs to who opened the file, so each opens it anew. Where it can't be had, SQLite decides alone.
        file = None
        if self._path:
            with suppress(OSError):
                file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            yield file
        finally:
            if file is not None:
                os.close(file)


def _locked(file: int | None) -> bool:
    try:
        if file is not None:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
