"""What came of the form: a mail, sent or scheduled."""

from markupsafe import Markup
from quart import flash, redirect, url_for
from werkzeug.wrappers import Response

from app.tasks.model import Task, TaskStatus
from app.tasks.request import Request
from app.web import i18n, postdate
from app.web.compose.forms import Letter
from app.web.compose.last_used import remember
from app.web.compose.recipients import left_out
from app.web.i18n import gettext, people
from app.web.intake import KeyReused
from app.web.zone import zone_of


async def send(letter: Letter, asked: Request) -> Response:
    """Store it as a task. Raises Refused, and KeyReused where the form was sent before and is not what became of it: it
    was changed since, or the mail was, or taken back.
    """
    task = await postdate().actions.submit(asked)
    if task.status == TaskStatus.CANCELLED or task.edit_key:
        raise KeyReused
    _remember(letter, asked)
    left = asked.undo_seconds if task.status == TaskStatus.SCHEDULED else 0
    undo = {"task": task.id, "left": left} if left or task.scheduled_at else None
    await flash({"told": _told(letter, asked, task), "undo": undo}, "success")  # type: ignore[arg-type]
    return redirect(url_for("history.show"), 303)


def _told(letter: Letter, asked: Request, task: Task) -> Markup:
    """One sentence that names recipients, template and time, and a link to the task."""
    to = people(asked.recipients[0].mailbox.address, len(asked.recipients))
    zone = zone_of(task)
    if task.scheduled_at:
        told = gettext("Scheduled: {template} to {to}, for {time}.", template=task.template, to=to,
                       time=i18n.moment(task.scheduled_at, zone))  # fmt: skip
    elif task.status == TaskStatus.SCHEDULED:  # until it can't be undone any more
        wait = i18n.span(asked.undo_seconds)
        told = gettext("Goes out in {span}: {template} to {to}.", span=wait, template=task.template, to=to)
    else:
        told = gettext("On its way: {template} to {to}, {time}.", template=task.template, to=to,
                       time=i18n.moment(task.created_at, zone))  # fmt: skip
    if again := letter.people.again:
        told = f"{told} {left_out(again)}."
    return Markup('{} <a href="{}">{}</a>').format(told, url_for("task.show", task_id=task.id), gettext("Follow it"))


def _remember(letter: Letter, asked: Request) -> None:
    at = asked.scheduled_at
    remember(letter.template, letter.recipients, f"{at:%H:%M}" if at else "")
