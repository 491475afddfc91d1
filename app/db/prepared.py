"""Statements that are built once, and executed again and again with other values."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar, cast

from sqlalchemy import BigInteger, Executable, Float, String, bindparam

from app.db.clock import Instant

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
    kinds: dict[Any, Any] = {int: BigInteger(), list[int]: BigInteger(), float: Float(), datetime: Instant()}
    kind, many = kinds.get(argument.annotation, String()), argument.annotation == list[int]
    return bindparam(f"in_{argument.name}", type_=kind, expanding=many)  # prefixed, for a column's name is taken
