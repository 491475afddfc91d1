"""Statements that are built and compiled once, and executed again and again with other values."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, wraps
from itertools import chain
from typing import Any, ParamSpec, TypeVar, cast

from sqlalchemy import BigInteger, Connection, Dialect, Executable, Float, Result, String, bindparam
from sqlalchemy.engine import IteratorResult
from sqlalchemy.engine.result import SimpleResultMetaData
from sqlalchemy.sql.compiler import SQLCompiler

from app.db import driver
from app.db.clock import Instant

P = ParamSpec("P")
S = TypeVar("S", bound=Executable)
Values = Mapping[str, Any]


class Statement:
    """One that is prepared: compiled for each kind of database, and each number of values in its lists."""

    def __init__(self, statement: Executable) -> None:
        self._statement = statement
        self._forms: dict[Any, Form] = {}

    def form(self, dialect: Dialect, values: Values) -> "Form":
        key = (
            dialect.name,
            dialect.driver,
            *sorted((name, len(each)) for name, each in values.items() if isinstance(each, list | tuple)),
        )
        if key not in self._forms:
            self._forms[key] = Form(self._statement, dialect, values)
        return self._forms[key]


class Form:
    """What a statement is for one kind of database.

    SQLAlchemy makes it, with the conversions of every parameter and column. To execute what it made takes a third of
    the time in which it would find it again, and prepare for all that another statement might need.
    """

    def __init__(self, statement: Any, dialect: Dialect, values: Values) -> None:
        compiled = cast(SQLCompiler, statement.compile(dialect=dialect))
        if compiled.insert_prefetch or compiled.update_prefetch:
            raise ValueError("what is prepared names the values of all its columns")
        expanded = compiled.construct_expanded_state(values)
        self._sql, self._order, self._lists = expanded.statement, expanded.positiontup, expanded.parameter_expansion
        self._converters = dict(expanded.processors)
        for bind, name in compiled.bind_names.items():
            process = bind.type.dialect_impl(dialect).bind_processor(dialect)
            if process and name not in self._lists:
                self._converters[name] = process
        theirs = {*values, *chain(*[self._lists.get(name, ()) for name in values])}
        self._literals = {name: value for name, value in expanded.parameters.items() if name not in theirs}
        for name in self._literals.keys() & self._converters.keys():
            self._literals[name] = self._converters.pop(name)(self._literals[name])
        self._columns = [column.type.dialect_impl(dialect) for column in getattr(statement, "exported_columns", ())]
        self._dialect = dialect
        self._names: SimpleResultMetaData | None = None  # as the driver says

    def execute(self, connection: Connection, *rows: Values) -> Result[Any]:
        """With these values, or with each of these in turn."""
        if len(rows) > 1 and self._columns:
            raise ValueError("what gives rows is executed with one set of values")
        given = [self._parameters(values) for values in rows]
        answer = driver.execute(connection, self._sql, given)
        if self._names is None:
            found = [*zip(self._columns, answer.columns or (), strict=True)]
            self._results = [kind.result_processor(self._dialect, code) for kind, (_, code, *_) in found]
            self._names = SimpleResultMetaData([name for _, (name, *_) in found])
        return Found(self._names, iter([self._converted(row) for row in answer.rows]), answer.moved)

    def _parameters(self, values: Values) -> Any:
        given = dict(self._literals)
        for name, value in values.items():
            if name in self._lists:
                given.update(zip(self._lists[name], value, strict=True))
            else:
                given[name] = value
        for name, process in self._converters.items():
            given[name] = process(given[name])
        return given if self._order is None else tuple([given[name] for name in self._order])

    def _converted(self, row: Sequence[Any]) -> tuple[Any, ...]:
        return tuple([process(value) if process else value for process, value in zip(self._results, row, strict=True)])


class Found(IteratorResult[Any]):
    """The rows that a statement gave, and how many it moved."""

    def __init__(self, names: SimpleResultMetaData, rows: Iterator[tuple[Any, ...]], moved: int) -> None:
        super().__init__(names, rows)
        self.rowcount = moved


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement with the values of this time; with many of them, it is executed with each."""

    statement: Statement
    rows: Sequence[Values]

    def execute(self, connection: Connection) -> Result[Any]:
        return self.statement.form(connection.dialect, self.rows[0]).execute(connection, *self.rows)


def prepared(make: Callable[P, S]) -> Callable[P, S]:
    """Prepare the statement that `make` returns, with parameters where its arguments go: to build one takes twenty
    times as long as to execute it. `make` is called with those, so it must not look at what they are.

    Our sessions take what comes of it as a statement, and to type checkers it is one; it is no part of another one.
    """
    known = inspect.signature(make, eval_str=True).parameters
    defaults = {f"in_{name}": each.default for name, each in known.items() if each.default is not each.empty}
    statement = cache(lambda: Statement(make(**{name: _parameter(each) for name, each in known.items()})))  # type: ignore[call-arg]

    @wraps(make)
    def with_values(*args: P.args, **kwargs: P.kwargs) -> S:
        given = chain(zip(known, args, strict=False), kwargs.items())
        return cast(S, Prepared(statement(), [defaults | {f"in_{name}": value for name, value in given}]))

    return with_values


def _parameter(argument: inspect.Parameter) -> Any:
    kinds: dict[Any, Any] = {
        int: BigInteger(), list[int]: BigInteger(), float: Float(), datetime: Instant(), str: String(),
        str | None: String(),
    }  # fmt: skip
    kind, many = kinds[argument.annotation], argument.annotation == list[int]
    return bindparam(f"in_{argument.name}", type_=kind, expanding=many)  # prefixed, for a column's name is taken
