"""Engines and sessions: asynchronous for the web, synchronous for the worker, with what SQLite and Postgres need."""

import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, wraps
from typing import Any, ClassVar, ParamSpec, TypeVar, cast

from sqlalchemy import (
    Connection,
    CursorResult,
    DateTime,
    Dialect,
    Engine,
    Executable,
    Float,
    Integer,
    Result,
    String,
    bindparam,
    create_engine,
    event,
    literal,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator

SQLITE_WAITS_MS = 10_000  # how long a writer waits for another one before "database is locked"


class Instant(TypeDecorator[datetime]):
    """An aware datetime, kept as UTC with microseconds. Naive values are refused: nobody knows what they mean."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time without a zone: {value!r}")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class now(FunctionElement[datetime]):  # noqa: N801 (reads as the SQL function it is)
    """The database's clock, `plus` seconds: one clock for all machines (on SQLite the host's, in milliseconds)."""

    type = Instant()
    inherit_cache = True

    def __init__(self, plus: Any = 0) -> None:
        super().__init__(literal(plus, Float) if isinstance(plus, int | float) else plus)


class after(FunctionElement[datetime]):  # noqa: N801
    """`seconds` after `instant`, both of which may be columns; NULL where one of them is."""

    type = Instant()
    inherit_cache = True

    def __init__(self, instant: Any, seconds: Any) -> None:
        super().__init__(literal(instant, Instant()) if isinstance(instant, datetime) else instant, seconds)


@compiles(after, "sqlite")
def _after_on_sqlite(element: after, compiler: SQLCompiler, **kw: Any) -> str:
    instant, seconds = (compiler.process(part, **kw) for part in element.clauses)
    return f"strftime('%Y-%m-%d %H:%M:%f000', {instant}, ({seconds}) || ' seconds')"


@compiles(after, "postgresql")
def _after_on_postgres(element: after, compiler: SQLCompiler, **kw: Any) -> str:
    instant, seconds = (compiler.process(part, **kw) for part in element.clauses)
    return f"({instant} + make_interval(secs => {seconds}))"


@compiles(now, "sqlite")
def _now_on_sqlite(element: now, compiler: SQLCompiler, **kw: Any) -> str:
    seconds = compiler.process(element.clauses, **kw)
    # The same 26 characters as SQLAlchemy stores, so that text compares as time. It truncates: never early.
    return f"strftime('%Y-%m-%d %H:%M:%f000', 'now', ({seconds}) || ' seconds')"


@compiles(now, "postgresql")
def _now_on_postgres(element: now, compiler: SQLCompiler, **kw: Any) -> str:
    # One instant for the whole statement, its beginning; clock_timestamp() would keep the planner off the indexes.
    return f"(statement_timestamp() + make_interval(secs => {compiler.process(element.clauses, **kw)}))"


class Base(DeclarativeBase):
    """What every table is declared on."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: Instant()}


P = ParamSpec("P")
S = TypeVar("S", bound=Executable)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement that was built once, with the values of this time."""

    statement: Executable
    values: dict[str, Any]


def prepared(make: Callable[P, S]) -> Callable[P, S]:
    """Build the statement that `make` returns once, with parameters where its arguments go: to build one takes twenty
    times as long as to execute it. `make` is called with those, so it must not look at what they are.

    Our sessions take what comes of it as any other statement, and to type checkers it is one.
    """
    signature = inspect.signature(make, eval_str=True)

    @cache
    def statement() -> S:
        return make(**{name: _parameter(each) for name, each in signature.parameters.items()})  # type: ignore[call-arg]

    @wraps(make)
    def with_values(*args: P.args, **kwargs: P.kwargs) -> S:
        given = signature.bind(*args, **kwargs)
        given.apply_defaults()
        return cast(S, Prepared(statement(), {f"in_{name}": value for name, value in given.arguments.items()}))

    return with_values


def _parameter(argument: inspect.Parameter) -> Any:
    kinds: dict[Any, Any] = {int: Integer(), float: Float(), datetime: Instant()}
    return bindparam(f"in_{argument.name}", type_=kinds.get(argument.annotation, String()))  # a column's name is taken


class _Session(Session):
    """Takes what is prepared as well, past all that only objects need."""

    def execute(self, statement: Any, params: Any = None, **options: Any) -> Any:
        if isinstance(statement, Prepared):
            return self.connection().execute(statement.statement, statement.values)
        return super().execute(statement, params, **options)

    def scalar(self, statement: Any, params: Any = None, **options: Any) -> Any:
        if isinstance(statement, Prepared):
            return self.connection().scalar(statement.statement, statement.values)
        return super().scalar(statement, params, **options)


class Database:
    """The worker's way in: `with database.writing() as db:` commits at the end, `reading()` changes nothing."""

    def __init__(self, url: str) -> None:
        self.engine = _prepare(create_engine(_url(url), **_options(url)))
        self._writer = self.engine.execution_options(writes=True)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        with _Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        with _Session(self._writer, expire_on_commit=False) as session, session.begin():
            yield session

    def close(self) -> None:
        self.engine.dispose()


class AsyncDatabase:
    """The web's way in: the same two doors, awaited."""

    def __init__(self, url: str) -> None:
        self.engine = create_async_engine(_url(url, is_async=True), **_options(url))
        _prepare(self.engine.sync_engine)
        self._writer = self.engine.execution_options(writes=True)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        async with AsyncSession(self.engine, sync_session_class=_Session, expire_on_commit=False) as session:
            yield session

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncSession]:
        opened = AsyncSession(self._writer, sync_session_class=_Session, expire_on_commit=False)
        async with opened as session, session.begin():
            yield session

    async def close(self) -> None:
        await self.engine.dispose()


def rows(result: Result[Any]) -> int:
    """How many rows an UPDATE or DELETE moved."""
    return cast(CursorResult[Any], result).rowcount


def _url(url: str, is_async: bool = False) -> URL:
    parsed = make_url(url)
    return parsed.set(drivername="sqlite+aiosqlite") if is_async and parsed.drivername == "sqlite" else parsed


def _options(url: str) -> dict[str, Any]:
    # What is in a mail is not for the log. A connection that the server closed meanwhile is noticed before it is used.
    pool = {} if url.startswith("sqlite") else {"pool_pre_ping": True, "pool_size": 10, "max_overflow": 10}
    return {"hide_parameters": True, **pool}


def _prepare(engine: Engine) -> Engine:
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _sqlite_connected)
        event.listen(engine, "begin", _sqlite_begins)
    return engine


def _sqlite_connected(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself: _sqlite_begins does
    cursor = connection.cursor()
    for setting in (
        f"busy_timeout = {SQLITE_WAITS_MS}",
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
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")
