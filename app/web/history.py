"""The table of everything that was ever asked for: newest first, by tab and filter, page by page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil

from quart import Blueprint, render_template, request

from app.mail import Mistake
from app.mail.sandbox import subject_part
from app.mail.templates import SUBJECT_LIMIT, Templates
from app.tasks import queries
from app.tasks.model import Task, TaskStatus
from app.web import accounts, postdate
from app.web.fields import find
from app.web.filters import by_tab, read_asked
from app.web.i18n import gettext, translate
from app.web.live import shared
from app.web.zone import shown_zone

blueprint = Blueprint("history", __name__)

GRACE = timedelta(seconds=2)

SOON = 2000  # milliseconds until a page with something under way looks again


@blueprint.get("/history")
@shared
async def show() -> str:
    """A page of tasks.

    `?status=` is the tab: a task's status, `sending` (queued or started) or `attention`. `?q=` (how an address begins),
    `subject` (how the title begins), `template`, `by` (who wrote it), `since` and `until` (days, in the zone of the
    settings) and `fault` (the id of why mails failed) choose among them; `?cursor=` goes on before that id.
    """
    asked, app = read_asked(request.args), postdate()
    async with app.database.reading() as db:
        last_event = await db.scalar(queries.last_event()) or 0  # before the rows: what comes after is told
        wanted = asked.filter(shown_zone())
        found = [(task, address) for task, address in (await db.execute(queries.tasks(wanted))).all()]
        counts = {status: n for status, n in (await db.execute(queries.counts())).all()}
        trouble, workers = (await db.execute(queries.way_out())).one()
        fault = await db.scalar(queries.fault_words(asked.fault)) if asked.fault else None
    rows = [_row(task, address, app.templates) for task, address in found[: queries.PAGE]]
    older = rows[-1].task.id if len(found) > queries.PAGE else None
    if asked.tab == TaskStatus.SCHEDULED and not (older or asked.cursor):
        rows.sort(key=lambda row: row.at)  # where all of them are here: the next one first
    tabs = dict(by_tab(counts))
    return await render_template(
        "history.html",
        rows=rows,
        zone=shown_zone(),
        asked=asked,
        tabs=tabs,
        fitting=len(rows) if not (older or asked.cursor) else None if asked.narrows else tabs.get(asked.status),
        trouble=trouble,
        workers=workers,
        undo_left=undo_left,
        fault=fault,
        errors={name: [translate(mistake) for mistake in some] for name, some in asked.mistakes.items()},
        templates=app.templates.names(),
        writers=await accounts.writers(app.database),
        older=older,
        look_again=look_again([row.task for row in rows]),
        last_event=last_event,
    )


@dataclass(frozen=True)
class Row:
    """A task as the table shows it; `at` is the moment that counts in its status."""

    task: Task
    address: str
    subject: str
    at: datetime


def _row(task: Task, address: str, templates: Templates) -> Row:
    return Row(task, address or "", subject(task, templates), moment_of(task))


def moment_of(task: Task) -> datetime:
    """When it will be sent, while it waits; when it ended, once it has; when it began, in between."""
    if task.status in (TaskStatus.SCHEDULED, TaskStatus.QUEUED):
        return task.due_at
    return task.ended_at or task.started_at or task.created_at


def is_overdue(task: Task) -> bool:
    """Whether its moment has passed and nobody has rung for it, which takes milliseconds where a worker runs."""
    is_waiting = task.status == TaskStatus.SCHEDULED and not task.held
    return is_waiting and task.due_at < datetime.now(UTC) - GRACE


def undo_left(task: Task) -> int:
    """For how many more seconds a mail sent "now" can be undone before it leaves; 0 where that is over."""
    if task.status != TaskStatus.SCHEDULED or task.scheduled_at is not None:
        return 0
    return max(0, ceil((task.due_at - datetime.now(UTC)).total_seconds()))


def too_late(task: Task) -> str:
    """Why it can't be moved any more, in one plain sentence."""
    return {
        TaskStatus.QUEUED: gettext("It is in the queue already, and goes out by itself."),
        TaskStatus.STARTED: gettext("Too late: it is being sent right now."),
        TaskStatus.CANCELLED: gettext("It was cancelled already."),
    }.get(TaskStatus(task.status), gettext("Too late: it has been sent already."))


def begun(task: Task) -> str:
    """Why it can't go back to the form any more."""
    begun = task.status == TaskStatus.QUEUED
    return gettext("Too late: a worker has begun it already, and goes on with it.") if begun else too_late(task)


def subject(task: Task, templates: Templates) -> str:
    """What lists call the task: its title; for one of a version that kept none, its subject as far as it is known."""
    if task.title:
        return task.title
    template = find(templates, task.template)
    source = task.subject or (template.subject if template else "")
    try:
        return " ".join(subject_part(source).render(task.variables).split())[:SUBJECT_LIMIT]
    except Mistake:
        return source[:SUBJECT_LIMIT]


def look_again(tasks: Sequence[Task]) -> int | None:
    """In how many milliseconds the page is out of date; None where nothing on it moves by itself."""
    now = datetime.now(UTC)
    waiting = (TaskStatus.SCHEDULED, TaskStatus.QUEUED)
    waits = [task.due_at - now for task in tasks if task.status in waiting and not task.held]
    if any(task.status == TaskStatus.STARTED for task in tasks):
        return SOON
    return max(SOON, int(min(waits).total_seconds() * 1000) + 200) if waits else None
