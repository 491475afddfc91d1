"""Instants in the database, and its clock: the one that decides what is due."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, Float, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator


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
