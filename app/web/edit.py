"""A mail that still waits, in the form and back: what it says may be changed until a worker has begun it."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from quart import abort, flash, redirect, url_for
from werkzeug.wrappers import Response

from app.mail.addresses import Mailbox
from app.tasks import lifecycle, queries
from app.tasks.model import Task, TaskStatus
from app.tasks.request import Recipient, Request
from app.web import again, i18n, postdate
from app.web.forms import Letter, fields, find
from app.web.history import zone_of
from app.web.i18n import gettext
from app.web.moment import whole_second


class Lost(Exception):  # noqa: N818 (it is no fault of the program's)
    """The mail is not any more what the form was opened for: somebody has begun or changed it. Nothing was stored."""

    def __init__(self, task: Task) -> None:
        super().__init__(task.id)
        self.task = task


def is_open(task: Task) -> bool:
    """Whether it may be edited; the move asks once more."""
    return task.status in lifecycle.WAITING and task.attempt == 0 and not task.test


async def letter_to_edit(task: Task) -> Letter:
    """The form that changes this task."""
    return replace(await again.letter_of(task.id), task=task.id, seen=write_version(task))


def write_version(task: Task) -> str:
    """The version of a task, for the form to carry."""
    return f"{task.due_at.isoformat()} {task.edit_key or ''}"


def _read_version(text: str) -> lifecycle.Version | None:
    due_at, _, edit_key = text.partition(" ")
    try:
        return lifecycle.Version(datetime.fromisoformat(due_at).astimezone(UTC), edit_key or None)
    except (ValueError, OverflowError):
        return None


async def save(letter: Letter, asked: Request) -> Response:
    """Change the task that the form was opened for. Raises Refused and Lost."""
    task, before = await _stored(letter.task)
    asked = _with_unshown(asked, before, zone_of(task))
    changed = lifecycle.changes(before, asked)
    if task.edit_key == lifecycle.edit_key(asked) and task.status != TaskStatus.CANCELLED:  # a double click
        told = _told(task)
    elif changed or not is_open(task):
        told = _told(await _edit(letter, asked, changed))
    else:
        told = gettext("Nothing was changed: the mail says this already.")
    await flash(told, "success")
    return redirect(url_for("task.show", task_id=task.id), 303)


async def _stored(task_id: int) -> tuple[Task, Request]:
    """A task, and what was asked for when it was written, or edited last."""
    async with postdate().database.reading() as db:
        task: Task = await db.scalar(queries.task(task_id)) or abort(404)
        people = (await db.execute(queries.everybody(task_id))).all()
    request = Request(
        template=task.template,
        recipients=[Recipient(Mailbox(address, name), own) for address, name, own in people],
        by=task.created_by,
        variables=task.variables,
        subject=task.subject,
        queue=task.queue,
        scheduled_at=task.scheduled_at,
        zone=task.zone,
        late_limit=task.late_limit,
        on_unknown=task.on_unknown,
    )
    return task, request


def _with_unshown(asked: Request, before: Request, zone: str) -> Request:
    """What is asked for, with what the form could not show and so has not changed: programs give more than text, values
    that no message needs, and moments to the microsecond.
    """
    needed = fields(find(postdate().templates, asked.template), asked.subject or "")
    own = {recipient.mailbox.address: recipient.variables for recipient in before.recipients}
    recipients = [
        replace(each, variables=_kept(each.variables, own.get(each.mailbox.address, {}), needed))
        for each in asked.recipients
    ]
    asked = replace(asked, recipients=recipients, variables=_kept(asked.variables, before.variables, needed))
    if before.scheduled_at and asked.scheduled_at == whole_second(before.scheduled_at):
        return replace(asked, scheduled_at=before.scheduled_at, zone=before.zone if asked.zone == zone else asked.zone)
    return asked


def _kept(asked: Mapping[str, Any], before: Mapping[str, Any], needed: Collection[str]) -> dict[str, Any]:
    unneeded = {name: value for name, value in before.items() if name not in needed}
    shown = {name: again.typed(value) for name, value in before.items()}
    return unneeded | {name: before[name] if value == shown.get(name) else value for name, value in asked.items()}


async def _edit(letter: Letter, asked: Request, changed: list[str]) -> Task:
    seen = _read_version(letter.seen)
    task = await postdate().actions.edit(letter.task, asked, seen, changed) if seen else None
    if task is None:
        raise Lost((await _stored(letter.task))[0])
    return task


def _told(task: Task) -> str:
    if task.due_at <= datetime.now(UTC):
        return gettext("The changes are saved, and it is on its way.")
    return gettext("The changes are saved. It will be sent {time}.", time=i18n.moment(task.due_at, zone_of(task)))
