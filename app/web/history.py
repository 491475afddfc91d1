"""The table of everything that was ever asked for: newest first, by status, by recipient, page by page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from math import ceil

from quart import Blueprint, render_template, request

from app.mail import Mistake
from app.mail.sandbox import Part, subject_part
from app.mail.templates import SUBJECT_LIMIT, Templates
from app.tasks import queries
from app.tasks.model import Task, TaskStatus
from app.web import postdate
from app.web.forms import find

blueprint = Blueprint("history", __name__)

SOON = 2000  # milliseconds until a page with something under way looks again

STATUSES = tuple(TaskStatus)
"""In the order of the tabs, which is that of a task's life."""


@blueprint.get("/history")
async def show() -> str:
    """A page of tasks. `?status=` and `?q=` (how an address begins) choose, `?cursor=` goes on from there."""
    asked = _filter()
    async with postdate().database.reading() as db:
        found = [(task, address) for task, address in (await db.execute(queries.tasks(asked))).all()]
        counts = {status: n for status, n in (await db.execute(queries.counts())).all()}
        trouble, workers = (await db.execute(queries.way_out())).one()
    rows = [_row(task, address, postdate().templates) for task, address in found[: queries.PAGE]]
    return await render_template(
        "history.html",
        rows=rows,
        filter=asked,
        counts=counts,
        trouble=trouble,
        workers=workers,
        total=sum(counts.get(status, 0) for status in STATUSES),
        statuses=STATUSES,
        undo_left=undo_left,
        older=rows[-1].task.id if len(found) > queries.PAGE else None,
        look_again=look_again([row.task for row in rows]),
    )


def _filter() -> queries.Filter:
    """What the address bar asks for; what makes no sense there is as good as not there."""
    status, cursor = request.args.get("status"), request.args.get("cursor", "")
    return queries.Filter(
        status=status if status in set(STATUSES) else None,
        q=request.args.get("q", "").replace("\0", "").strip()[:320] or None,  # Postgres refuses NUL
        cursor=int(cursor) if cursor.isascii() and cursor.isdigit() and len(cursor) < 19 else None,
    )


@dataclass(frozen=True)
class Row:
    """A task as the table shows it; `at` is the moment that counts in its status."""

    task: Task
    address: str
    subject: str
    at: datetime
    zone: str


def _row(task: Task, address: str, templates: Templates) -> Row:
    return Row(task, address or "", subject(task, templates), moment_of(task), zone_of(task))


def moment_of(task: Task) -> datetime:
    """When it will be sent, while it waits; when it ended, once it has; when it began, in between."""
    if task.status in (TaskStatus.SCHEDULED, TaskStatus.QUEUED):
        return task.due_at
    return task.ended_at or task.started_at or task.created_at


def undo_left(task: Task) -> int:
    """For how many more seconds a mail sent "now" can be undone before it leaves; 0 where that is over."""
    if task.status != TaskStatus.SCHEDULED or task.scheduled_at is not None:
        return 0
    return max(0, ceil((task.due_at - datetime.now(UTC)).total_seconds()))


def zone_of(task: Task) -> str:
    """The zone in which the task was asked for."""
    return task.zone or postdate().settings.timezone


def subject(task: Task, templates: Templates) -> str:
    """The subject, filled in as far as the task alone can do it."""
    template = find(templates, task.template)
    source = task.subject or (template.subject if template else "")
    try:
        return " ".join(_compiled(source).render(task.variables).split())[:SUBJECT_LIMIT]
    except Mistake:
        return source[:SUBJECT_LIMIT]


@lru_cache(maxsize=256)
def _compiled(source: str) -> Part:
    return subject_part(source)


def look_again(tasks: Sequence[Task]) -> int | None:
    """In how many milliseconds the page is out of date; None where nothing on it moves by itself."""
    now = datetime.now(UTC)
    waits = [task.due_at - now for task in tasks if task.status in (TaskStatus.SCHEDULED, TaskStatus.QUEUED)]
    if any(task.status == TaskStatus.STARTED for task in tasks):
        return SOON
    return max(SOON, int(min(waits).total_seconds() * 1000) + 200) if waits else None
