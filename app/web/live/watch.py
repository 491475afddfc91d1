"""One look at the database for all open pages: which tasks moved, and whether something beside them did."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from zlib import crc32

from sqlalchemy.ext.asyncio import AsyncSession

from app import log
from app.db import AsyncDatabase
from app.tasks import queries

logger = log.get("live")

T = TypeVar("T")

LOOK = 0.1
"""Seconds between two looks, while anybody listens."""

HOUSE = 1.0
"""Seconds between two looks at what is no task."""

PATIENCE = 1.0
"""Seconds until it looks again at a database that did not answer."""

MOST = 500  # moves in one look; what is more comes with the next one, at once
MOST_NAMED = 50  # tasks; more than these are "many"
MOST_SKIPPED = 100
LATE = 10.0
"""Seconds for which an id that was skipped may still turn up."""


class Listener:
    """What one page is still to be told: at most MOST_NAMED ids, so that whoever reads slowly takes no more room."""

    def __init__(self, only: int | None = None) -> None:
        self.only = only  # the one task that it is about
        self._ids: set[int] = set()
        self._many = self._house = False
        self._told = asyncio.Event()

    def tell(self, ids: Iterable[int] = (), *, many: bool = False, house: bool = False) -> None:
        """That these tasks moved, or too many to be named, or something beside the tasks."""
        self._ids.update(each for each in ids if self.only in (None, each))
        self._many |= many or len(self._ids) > MOST_NAMED
        self._house |= house and self.only is None
        if self._many:
            self._ids.clear()
        if self._ids or self._many or self._house:
            self._told.set()

    def wake(self) -> None:
        """End what waits in `take`."""
        self._told.set()

    async def take(self, patience: float) -> str:
        """What there is to tell: ids, `many`, or `house`; after so many seconds, nothing."""
        try:
            async with asyncio.timeout(patience):
                await self._told.wait()
        except TimeoutError:
            return ""
        said = "many" if self._many else " ".join(map(str, sorted(self._ids))) or ("house" if self._house else "")
        self._ids.clear()
        self._many = self._house = False
        self._told.clear()
        return said


class Watch:
    """Looks for everybody who listens, and not at all while nobody does."""

    def __init__(self, database: AsyncDatabase) -> None:
        self._closed = False
        self._database = database
        self._listeners: set[Listener] = set()
        self._looking: asyncio.Task[None] | None = None
        self._begun = asyncio.Event()
        self._last = self._house = 0
        self._house_at = 0.0
        self._skipped: dict[int, float] = {}
        self._kept: dict[str, asyncio.Future[Any]] = {}

    def is_over(self) -> bool:
        """Whether it tells nobody anything any more."""
        return self._closed

    def is_looking(self) -> bool:
        """Whether anybody listens, or did until just now."""
        return self._looking is not None

    async def shared(self, name: str, make: Callable[[], Awaitable[T]]) -> T:
        """What `make` makes; the same for all who ask under this name before anything moves, or a second is over."""
        if not self._begun.is_set():  # nobody looks, so nobody knows
            return await make()
        if name not in self._kept:
            self._kept[name] = asyncio.ensure_future(make())
        made: T = await asyncio.shield(self._kept[name])
        return made

    @property
    def mark(self) -> str:
        """Where it is: who comes back with this is told what moved meanwhile."""
        return f"{self._last}.{self._house:x}"

    @asynccontextmanager
    async def listening(self, mark: str, only: int | None = None) -> AsyncIterator[Listener]:
        """Hear of all that moves after `mark`: an earlier `mark`, or an event's id; of anything else, from now on."""
        listener = Listener(only)
        self._listeners.add(listener)
        try:
            if self._looking is None and not self._closed:
                self._looking = asyncio.create_task(self._look_on())
            if not self._closed:
                await self._begun.wait()
            await self._catch_up(listener, *mark.split(".", 1))
            yield listener
        finally:
            self._listeners.discard(listener)

    async def _catch_up(self, listener: Listener, event_id: str, house: str = "") -> None:
        if house:
            listener.tell(house=house != f"{self._house:x}")
        if self._closed or not (event_id.isascii() and event_id.isdigit() and len(event_id) < 19):
            return
        async with self._database.reading() as db:
            moved = (await db.execute(queries.moved_after(int(event_id), MOST_NAMED + 1))).all()
        listener.tell([task_id for _, task_id in moved], many=len(moved) > MOST_NAMED)

    async def _look_on(self) -> None:
        while self._listeners and not self._closed:
            wait = LOOK
            try:
                async with self._database.reading() as db:
                    more = await self._look(db)
                wait = 0 if more else LOOK
            except Exception as error:  # it is stopped, locked or full; pages keep what they show
                logger.warning("the database does not answer", error=str(error).partition("\n")[0])
                wait = PATIENCE
                self._kept.clear()
            await asyncio.sleep(wait)
        self._looking = None
        self._begun.clear()
        self._kept.clear()

    async def _look(self, db: AsyncSession) -> bool:
        """Whether there is more to be read at once."""
        await self._look_at_the_house(db)
        if not self._begun.is_set():
            self._last, self._skipped = await db.scalar(queries.last_event()) or 0, {}
            self._begun.set()
        late = (await db.scalars(queries.written(list(self._skipped)))).all() if self._skipped else []
        moved = (await db.execute(queries.moved_after(self._last, MOST))).all()
        self._note([event_id for event_id, _ in moved], late)
        if moved or late:
            self._kept.clear()
        for listener in self._listeners if moved or late else ():
            listener.tell([task_id for _, task_id in moved], many=bool(late))
        return len(moved) == MOST

    async def _look_at_the_house(self, db: AsyncSession) -> None:
        if self._begun.is_set() and time.monotonic() < self._house_at:
            return
        last = await db.scalar(queries.last_event()) or 0
        if self._begun.is_set() and last < self._last:  # the newest have been deleted, and SQLite gives their ids again
            self._last, self._skipped = last, {}
            for listener in self._listeners:
                listener.tell(many=True)
        house = crc32(repr(tuple((await db.execute(queries.house())).one())).encode())
        for listener in self._listeners if self._begun.is_set() and house != self._house else ():
            listener.tell(house=True)
        self._house, self._house_at = house, time.monotonic() + HOUSE
        self._kept.clear()

    def _note(self, event_ids: Sequence[int], late: Sequence[int]) -> None:
        # On Postgres a transaction that took its ids earlier may commit later. Of a long gap the last ids will do: who
        # commits late commits all of theirs at once. What was rolled back never comes, and is forgotten after a while.
        now = time.monotonic()
        for event_id in event_ids:
            gap = range(max(self._last + 1, event_id - MOST_SKIPPED), event_id)
            self._skipped.update(dict.fromkeys(gap, now + LATE))
            self._last = event_id
        awaited = [each for each, until in self._skipped.items() if until > now and each not in late]
        self._skipped = {each: self._skipped[each] for each in awaited[-10 * MOST_SKIPPED :]}

    async def close(self) -> None:
        """End all streams; nobody listens any more."""
        self._closed = True
        self._begun.set()
        for listener in self._listeners:
            listener.wake()
        if self._looking is not None:
            await self._looking
