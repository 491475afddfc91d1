"""A mail that still waits, in the form and back: what it says may be changed until a worker has begun it."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from quart import abort, flash, redirect, url_for
from werkzeug.wrappers import Response

from app.mail.addresses import Mailbox
from app.tasks import lifecycle, queries
from app.tasks.model import Task, TaskStatus
from app.tasks.request import Recipient, Request
from app.web import i18n, postdate
from app.web.compose import from_task
from app.web.compose.forms import Letter
from app.web.i18n import gettext
from app.web.zone import zone_of

ONE_BY_ONE = ("subject", "queue", "late_limit", "on_unknown")
MOMENT = ("scheduled_at", "zone")
"""What of a request is kept, or changed, by itself."""


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
    return replace(
        await from_task.letter_of(task.id), task=task.id, seen=write_version(task), instead=task.instead_of or 0
    )


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
    untouched = await from_task.letter_of(task.id)
    shown, _ = await asyncio.to_thread(untouched.asked, postdate().templates, asked.by, datetime.now(UTC))
    asked = await asyncio.to_thread(_with_unshown, asked, shown, before)
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


def _with_unshown(asked: Request, shown: Request, before: Request) -> Request:
    """What is asked for; but where that is what the form asks for untouched (`shown`), what was there `before`.

    A form can't show all that programs give: values that are no text, or that no message needs, parts of a second.
    """
    # One that has passed is not shown, so that there is none to be kept.
    parts = ONE_BY_ONE if asked.scheduled_at is None else ONE_BY_ONE + MOMENT
    same = {part: getattr(before, part) for part in parts if getattr(asked, part) == getattr(shown, part)}
    were, are = _by_address(before), _by_address(shown)
    recipients = [
        _recipient(each, are[key], were[key]) if (key := each.mailbox.address) in were and key in are else each
        for each in asked.recipients
    ]
    variables = _kept(asked.variables, shown.variables, before.variables)
    return replace(asked, recipients=recipients, variables=variables, **same)


def _by_address(request: Request) -> dict[str, Recipient]:
    return {recipient.mailbox.address: recipient for recipient in request.recipients}


def _recipient(asked: Recipient, shown: Recipient, before: Recipient) -> Recipient:
    mailbox = before.mailbox if asked.mailbox == shown.mailbox else asked.mailbox
    return Recipient(mailbox, _kept(asked.variables, shown.variables, before.variables))


def _kept(asked: Mapping[str, Any], shown: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    changed = {name: value for name, value in asked.items() if value != shown.get(name)}
    return {name: value for name, value in before.items() if asked.get(name) == shown.get(name)} | changed


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
