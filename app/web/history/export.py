"""What the history shows, as a file: a line for each recipient, as CSV for spreadsheets and as NDJSON for programs."""

import csv
import io
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from quart import Blueprint, Response, redirect, request
from quart.typing import ResponseReturnValue
from sqlalchemy import Row

from app.db import AsyncDatabase
from app.tasks import export
from app.tasks.filter import NEWEST, Filter
from app.web import postdate
from app.web.history.filters import read_asked
from app.web.zone import shown_zone

blueprint = Blueprint("export", __name__)

OF_TASK = ("task_id", "task_status", "template", "subject", "queue", "written_by", "created_at", "scheduled_at",
           "started_at", "ended_at")  # fmt: skip
OF_RECIPIENT = ("address", "name", "status", "attempt", "message_id", "reply", "updated_at")
COLUMNS = (*OF_TASK, *OF_RECIPIENT)
"""Their names are those of the JSON calls."""

FORMULA = tuple("=+-@\t\r\n＝＋－＠")
"""A cell that begins so may be a formula for a spreadsheet (OWASP, CSV Injection): an apostrophe makes it text."""

Line = Sequence[Any]


@blueprint.get("/export.csv")
async def as_csv() -> ResponseReturnValue:
    """Everything that fits the history's filter. RFC 4180 in UTF-8, with the mark by which Excel knows it.

    Times are as spreadsheets read them; the zone that they are in is the last column.
    """

    def written(lines: Sequence[Line]) -> bytes:
        return cells([*line, zone] for line in lines)

    zone, head = shown_zone(), b"\xef\xbb\xbf" + cells([[*COLUMNS, "time_zone"]])
    return await _file("csv", "text/csv; charset=utf-8; header=present", written, head)


@blueprint.get("/export.ndjson")
async def as_ndjson() -> ResponseReturnValue:
    """The same, a JSON object a line, with every text exactly as it is."""
    return await _file("ndjson", "application/x-ndjson; charset=utf-8", objects)


async def _file(
    kind: str, content_type: str, written: Callable[[Sequence[Line]], bytes], head: bytes = b""
) -> ResponseReturnValue:
    asked = read_asked(request.args)
    if asked.mistakes:  # the history says which day is none; without it, everything would come
        return redirect(f"/history?{request.query_string.decode()}", 303)
    app = postdate()
    zone = ZoneInfo(shown_zone())
    lines = _lines(app.database, asked.filter(zone.key), zone)
    response = Response(b"" if request.method == "HEAD" else _written(lines, written, head), content_type=content_type)
    response.timeout = None  # it takes as long as its reader does
    name = f"postdate-{datetime.now(UTC).astimezone(zone):%Y-%m-%d}.{kind}"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


async def _written(
    lines: AsyncIterator[Sequence[Line]], written: Callable[[Sequence[Line]], bytes], head: bytes
) -> AsyncIterator[bytes]:
    if head:
        yield head
    async for some in lines:
        yield written(some)


async def _lines(database: AsyncDatabase, filter: Filter, zone: ZoneInfo) -> AsyncIterator[list[Line]]:
    """Portion by portion, newest first, so that what is stored after the first is in none of them. Each is read when
    the one before has been sent, in a transaction of its own.
    """
    before = NEWEST
    while found := await _read(database, export.tasks(filter, before)):
        tasks = {task.task_id: _there(task[: len(OF_TASK)], zone) for task in found}
        for task_ids in export.together(found):
            rows = await _read(database, export.recipients(filter, task_ids))
            while rows:
                yield [[*tasks[row.task_id], *_there(row[1:], zone)] for row in rows]
                further = export.recipients(filter, task_ids, after=rows[-1].address)
                rows = await _read(database, further) if len(rows) == export.ROWS else []
        before = found[-1].task_id


async def _read(database: AsyncDatabase, statement: Any) -> Sequence[Row[Any]]:
    async with database.reading() as db:
        return (await db.execute(statement)).all()


def _there(values: Sequence[Any], zone: ZoneInfo) -> list[Any]:
    """Instants in the zone in which pages show times."""
    return [each.astimezone(zone) if isinstance(each, datetime) else each for each in values]


def cells(lines: Iterable[Line]) -> bytes:
    """Lines of CSV, formulas defused."""
    text = io.StringIO()
    csv.writer(text).writerows([_cell(value) for value in line] for line in lines)
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def objects(lines: Sequence[Line]) -> bytes:
    """Lines of NDJSON, times as in RFC 3339."""
    each: list[Mapping[str, Any]] = [dict(zip(COLUMNS, line, strict=True)) for line in lines]
    return "".join(_object(one) + "\n" for one in each).encode()


def _object(one: Mapping[str, Any]) -> str:
    return json.dumps(one, ensure_ascii=False, separators=(",", ":"), default=_instant)


def _instant(at: datetime) -> str:
    return at.isoformat(timespec="microseconds")
