"""The database's driver itself: SQL as it is, with parameters as the driver takes them."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError


class Answer(NamedTuple):
    """`columns` is as DB-API 2.0 (PEP 249) has `description`, None where there are no rows; `moved` its `rowcount`."""

    columns: Sequence[Sequence[Any]] | None
    rows: Sequence[Sequence[Any]]
    moved: int


def execute(connection: Connection, sql: str, given: Sequence[Any] = ((),)) -> Answer:
    """What the driver answers to `sql`, executed for each that is `given`. Errors are those of Connection.execute,
    which takes five times as long to come to the same call.
    """
    kept, cursor = connection.connection, None
    try:
        cursor = kept.cursor()
        if len(given) == 1:
            cursor.execute(sql, given[0])
        else:
            cursor.executemany(sql, given)
        columns = cursor.description
        answer = Answer(columns, cursor.fetchall() if columns else (), cursor.rowcount)
        cursor.close()
        return answer
    except BaseException as error:
        with suppress(BaseException):  # while the connection is there: one that is left open keeps SQLite's file locked
            cursor.close()  # type: ignore[union-attr]
        dbapi: Any = connection.dialect.loaded_dbapi
        is_known = isinstance(error, dbapi.Error)
        is_lost = connection.dialect.is_disconnect(error, kept.dbapi_connection, cursor) if is_known else False  # type: ignore[arg-type]
        if is_lost or not isinstance(error, Exception):  # cut off in the middle: nobody knows what it would answer next
            connection.invalidate(error)
        if is_lost:  # and so are those that wait in the pool
            connection.engine.dispose()
        if is_known:
            raise DBAPIError.instance(
                sql, None, error, dbapi.Error, hide_parameters=True, connection_invalidated=is_lost,
                dialect=connection.dialect,
            ) from error  # fmt: skip
        raise
