"""Many tasks, or deliveries, made from one that was submitted, by the database itself: as fast as it can."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import CTE, String, cast, insert, literal, select, update

from app.tasks.model import Delivery, Task
from tests.parts import Office

PORTION = 50_000
FORMS = (("s", "@example.com"), ("<bench.", "@example.com>"))
"""Of an address, and of a Message-ID, around their number."""


def tasks(office: Office, n: int, at: datetime | None = None) -> None:
    """So many of one recipient, unrung: due now, or at `at`."""
    first = office.submit(at=at, rings=False)
    for low, high in _portions(1, n):
        with office.database.writing() as db:
            series = _series(low, high)
            names, values = _but(Task, "id")
            some = select(*values).join(series, literal(True)).where(Task.id == first)
            db.execute(insert(Task).from_select(names, some))
            names, values = _but(Delivery, "id", "task_id")
            new = Task.id.not_in(select(Delivery.task_id))
            some = select(Task.id, *values).join(Delivery, Delivery.task_id == first).where(new)
            db.execute(insert(Delivery).from_select(["task_id", *names], some))


def deliveries(office: Office, task_id: int, n: int) -> None:
    """So many in this task, which has one."""
    for low, high in _portions(1, n):
        with office.database.writing() as db:
            series, (names, values) = _series(low, high), _but(Delivery, "id", "address", "message_id")
            number = cast(series.c.n, String)
            own = [literal(before).concat(number).concat(after) for before, after in FORMS]
            some = select(*own, *values).join(series, literal(True))
            some = some.where(Delivery.task_id == task_id, Delivery.address == "r0@example.com")
            db.execute(insert(Delivery).from_select(["address", "message_id", *names], some))
    with office.database.writing() as db:
        db.execute(update(Task).where(Task.id == task_id).values(recipients=n))


def _portions(low: int, high: int) -> Iterator[tuple[int, int]]:
    for at in range(low, high, PORTION):
        yield at, min(at + PORTION, high) - 1


def _series(low: int, high: int) -> CTE:
    numbers = select(literal(low).label("n")).cte("numbers", recursive=True)
    return numbers.union_all(select(numbers.c.n + 1).where(numbers.c.n < high))


def _but(model: Any, *left_out: str) -> tuple[list[str], list[Any]]:
    """The other columns of a table: their names, and themselves."""
    columns = [column for column in model.__table__.c if column.name not in left_out]
    return [column.name for column in columns], columns
