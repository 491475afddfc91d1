"""A session that takes what is prepared as well."""

from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import Session as Plain

from app.db.prepared import Prepared


class Session(Plain):
    """What is prepared goes past what only objects need: it flushes nothing first, and objects that are in the session
    do not learn of it. On a connection that it was given, the session's own transaction begins with another statement.
    """

    def execute(self, statement: Any, params: Any = None, **options: Any) -> Any:
        if not isinstance(statement, Prepared):
            return super().execute(statement, params, **options)
        if params is not None:
            raise TypeError("what is prepared has its values")
        return statement.execute(self._open())

    def scalar(self, statement: Any, params: Any = None, **options: Any) -> Any:
        if not isinstance(statement, Prepared):
            return super().scalar(statement, params, **options)
        return self.execute(statement, params, **options).scalar()

    def scalars(self, statement: Any, params: Any = None, **options: Any) -> Any:
        if not isinstance(statement, Prepared):
            return super().scalars(statement, params, **options)
        return self.execute(statement, params, **options).scalars()

    def rollback(self) -> None:
        super().rollback()
        if isinstance(self.bind, Connection):
            self.bind.rollback()  # also what only knows the connection

    def _open(self) -> Connection:
        if not isinstance(self.bind, Connection) or self.in_transaction():
            return self.connection()
        if not self.bind.in_transaction():
            raise InvalidRequestError("its transaction was rolled back")
        return self.bind
