"""Engines and sessions: asynchronous for the web, synchronous for the worker, with what SQLite and Postgres need."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from typing import Any, ClassVar, TypeVar, cast

from sqlalchemy import Connection, CursorResult, Engine, Result, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import InvalidatePoolError, InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.pool import ConnectionPoolEntry

from app.db import driver
from app.db.clock import Instant as Instant
from app.db.clock import after as after
from app.db.clock import now as now
from app.db.prepared import Prepared as Prepared
from app.db.prepared import Statement as Statement
from app.db.prepared import prepared as prepared
from app.db.session import Session as _Session
from app.db.turns import Turns

T = TypeVar("T")
E = TypeVar("E", Engine, AsyncEngine)

SQLITE_WAITS_MS = 10_000  # how long a writer waits for another one before "database is locked"


IDLE = 1.0
"""Seconds for which a connection to Postgres that is not used is believed to be there."""


class Base(DeclarativeBase):
    """What every table is declared on."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: Instant()}


class Database:
    """The worker's way in: `with database.writing() as db:` commits at the end, `reading()` changes nothing."""

    def __init__(self, url: str) -> None:
        self._turns = Turns(url)
        self.engine = _prepare(create_engine(_url(url), **_options(url)))
        self._reader, self._writer = _ways(self.engine)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        with self._reader.connect() as connection, _Session(connection, expire_on_commit=False) as session:
            connection.begin()  # what it reads is of one moment, and what it should write by mistake goes nowhere
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        with (
            self._turns.wait(),
            self._writer.begin() as connection,
            _Session(connection, expire_on_commit=False) as session,
        ):
            yield session
            session.flush()
            if not connection.in_transaction():
                raise InvalidRequestError("an error that was passed over has rolled back what was written")

    def close(self) -> None:
        self.engine.dispose()


class AsyncDatabase:
    """The web's way in: the same two doors, awaited. `in_thread` has them for threads, where many statements are one
    trip: `read` makes it.
    """

    def __init__(self, url: str) -> None:
        self._turns = Turns(url)
        self.in_thread = Database(url)
        self.engine = create_async_engine(_url(url, is_async=True), **_options(url))
        _prepare(self.engine.sync_engine)
        self._reader, self._writer = _ways(self.engine)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        async with AsyncSession(self._reader, sync_session_class=_Session, expire_on_commit=False) as session:
            yield session

    async def read(self, look: Callable[[Session], T]) -> T:
        """What `look` finds, in one trip to a thread however much it asks."""
        return await asyncio.to_thread(self._look, look)

    async def glance(self, look: Callable[[Session], T]) -> T:
        """What `look` finds in a row or two. SQLite has it sooner than a thread could be asked to; Postgres is asked
        from one.
        """
        if self.engine.dialect.name != "sqlite":
            return await self.read(look)
        return self._look(look)

    def _look(self, look: Callable[[Session], T]) -> T:
        with self.in_thread.reading() as db:
            return look(db)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncSession]:
        opened = AsyncSession(self._writer, sync_session_class=_Session, expire_on_commit=False)
        async with self._turns.awaited(), opened as session, session.begin():
            yield session

    async def close(self) -> None:
        self.in_thread.close()
        await self.engine.dispose()


def is_deadlock(error: BaseException) -> bool:
    """Whether Postgres ended the transaction because it and another waited for each other: once more, it may pass."""
    return getattr(getattr(error, "orig", None), "sqlstate", None) in ("40P01", "40001")


def rows(result: Result[Any]) -> int:
    """How many rows an UPDATE or DELETE moved."""
    return cast(CursorResult[Any], result).rowcount


def _url(url: str, is_async: bool = False) -> URL:
    parsed = make_url(url)
    return parsed.set(drivername="sqlite+aiosqlite") if is_async and parsed.drivername == "sqlite" else parsed


def _options(url: str) -> dict[str, Any]:
    # What is in a mail is not for the log.
    # On SQLite a connection costs nothing, and nobody may have to wait for one: see `glance`.
    of_postgres = {"pool_size": 10, "max_overflow": 10}
    pool = {"max_overflow": -1} if url.startswith("sqlite") else of_postgres
    return {"hide_parameters": True, **pool}


def _ways(engine: E) -> tuple[E, E]:
    """The same engine for reading, and for writing."""
    # Each statement of ours sees what is committed by then, so on Postgres a transaction around those that only read
    # gives nothing, for two trips to the server. SQLite's costs nothing, and shows all of them the same rows.
    reader = engine if engine.dialect.name == "sqlite" else engine.execution_options(isolation_level="AUTOCOMMIT")
    return reader, engine.execution_options(writes=True)


def _prepare(engine: Engine) -> Engine:
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _sqlite_connected)
        event.listen(engine, "begin", _sqlite_begins)
    else:
        event.listen(engine, "checkin", lambda _, kept: kept.info.update(idle_since=time.monotonic()))
        event.listen(engine, "checkout", lambda connection, kept, _: _look_after(engine, connection, kept))
    return engine


def _look_after(engine: Engine, connection: DBAPIConnection, kept: ConnectionPoolEntry) -> None:
    """A connection that was idle is asked whether the server still has it. As `pool_pre_ping`, which asks each time: a
    trip to the server for each of ours, and a request makes three.
    """
    if time.monotonic() - kept.info.get("idle_since", float("inf")) > IDLE:
        try:
            engine.dialect.do_ping(connection)
        except Exception as error:
            raise InvalidatePoolError from error


def _sqlite_connected(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself: _sqlite_begins does
    cursor = connection.cursor()
    for setting in (
        f"busy_timeout = {SQLITE_WAITS_MS}",
        "page_size = 2048",  # of a new file: what a commit writes are the pages that it touches, 15 for one mail
        "journal_mode = WAL",
        "synchronous = FULL",  # acknowledged means stored, also after a power cut
        "foreign_keys = ON",
        "cache_size = -16000",
    ):
        cursor.execute(f"PRAGMA {setting}")
    cursor.close()


def _sqlite_begins(connection: Connection) -> None:
    # A transaction that reads first and writes later could find its snapshot stale; one that is to write says so.
    immediate = connection.get_execution_options().get("writes", False)
    driver.execute(connection, "BEGIN IMMEDIATE" if immediate else "BEGIN")
