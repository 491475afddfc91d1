"""The table of everything that was ever asked for: newest first, by tab and filter, page by page."""

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from quart import Blueprint, render_template, request
from sqlalchemy.orm import Session

from app.mail.templates import Templates
from app.tasks import queries
from app.tasks.filter import Filter
from app.tasks.model import Task, TaskStatus
from app.web import postdate
from app.web.history.filters import by_tab, read_asked
from app.web.i18n import translate
from app.web.live.stream import shared
from app.web.people import access
from app.web.task.about import look_again, moment_of, subject, undo_left
from app.web.zone import shown_zone

blueprint = Blueprint("history", __name__)


@blueprint.get("/history")
@shared
async def show() -> str:
    """A page of tasks.

    `?status=` is the tab: a task's status, `sending` (queued or started) or `attention`. `?q=` (how an address begins),
    `subject` (how the title begins), `template`, `by` (who wrote it), `since` and `until` (days, in the zone of the
    settings) and `fault` (the id of why mails failed) choose among them; `?cursor=` goes on before that id.
    """
    asked, app = read_asked(request.args), postdate()
    wanted = asked.filter(shown_zone())
    read = await app.database.read(partial(_read, wanted=wanted))
    found, counts = read.pop("found"), read.pop("counts")
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
        undo_left=undo_left,
        errors={name: [translate(mistake) for mistake in some] for name, some in asked.mistakes.items()},
        templates=app.templates.names(),
        older=older,
        retention_days=app.settings.retention_days,
        look_again=look_again([row.task for row in rows]),
        **read,
    )


def _read(db: Session, wanted: Filter) -> dict[str, Any]:
    """Everything that the page asks the database for."""
    last_event = db.scalar(queries.last_event()) or 0  # before the rows: what comes after is told
    trouble, workers = db.execute(queries.way_out()).one()
    return {
        "last_event": last_event,
        "found": [(task, address) for task, address in db.execute(queries.tasks(wanted))],
        "counts": {status: n for status, n in db.execute(queries.counts())},
        "trouble": trouble,
        "workers": workers,
        "fault": db.scalar(queries.fault_words(wanted.fault)) if wanted.fault else None,
        "writers": access.writers(db),
    }


@dataclass(frozen=True)
class Row:
    """A task as the table shows it; `at` is the moment that counts in its status."""

    task: Task
    address: str
    subject: str
    at: datetime


def _row(task: Task, address: str, templates: Templates) -> Row:
    return Row(task, address or "", subject(task, templates), moment_of(task))
