"""What people do on a task's page: each button is a POST, and what came of it is told on the page that follows."""

from datetime import UTC, datetime

from quart import Blueprint, abort, flash, redirect, request, url_for
from quart.typing import ResponseReturnValue
from werkzeug.wrappers import Response as Redirect

from app.tasks import family
from app.tasks.lifecycle import WAITING
from app.tasks.model import Task, TaskStatus
from app.web import postdate
from app.web.compose.from_task import EVERYBODY
from app.web.compose.moment import picked, read_moment
from app.web.i18n import gettext, moment, span
from app.web.security import is_read, who
from app.web.task.about import begun, too_late
from app.web.task.page import find, page
from app.web.task.undo import Undo, button, read
from app.web.zone import zone_of

blueprint = Blueprint("moves", __name__)


@blueprint.post("/tasks/<int:task_id>/cancel")
async def cancel(task_id: int) -> Redirect:
    """Take it back, if it still waits."""
    await find(task_id)
    if done := await postdate().actions.cancel(task_id, who()):
        return await _back(task_id, "success", button(gettext("Cancelled. Nothing more of it will be sent."), done))
    return await _back(task_id, "error", too_late(await find(task_id)))


@blueprint.post("/tasks/<int:task_id>/undo")
async def undo(task_id: int) -> Redirect:
    """Take it back before any of it has begun, and go on writing it."""
    await find(task_id)
    if not await postdate().actions.undo(task_id, who()):
        return await _back(task_id, "error", begun(await find(task_id)))
    await flash(gettext("Undone: nothing was sent. Here is the mail as you wrote it."), "success")
    return redirect(f"/compose?from={task_id}&to={EVERYBODY}", 303)


@blueprint.post("/tasks/<int:task_id>/retry")
async def retry(task_id: int) -> Redirect:
    """Try again what failed, and only that."""
    await find(task_id)
    if await postdate().actions.retry(task_id, who()):
        return await _back(task_id, "success", gettext("What failed is being tried again. What was sent stays sent."))
    return await _back(task_id, "error", await _instead(task_id) or gettext("There is nothing here to try again."))


@blueprint.post("/tasks/<int:task_id>/reschedule")
async def reschedule(task_id: int) -> ResponseReturnValue:
    """Give it another moment, if it still waits."""
    task = await find(task_id)
    if task.status not in WAITING:
        return await _back(task_id, "error", too_late(task))
    form = await request.form
    typed, now = read_moment(form, zone_of(task)), datetime.now(UTC)
    if wish := form.get("do"):
        return await page(task, picked(typed, wish))
    at, mistakes = typed.read(now)
    if at is None:
        return await page(task, typed, mistakes), 422
    if done := await postdate().actions.reschedule(task_id, at, typed.zone, who()):
        told = gettext("Rescheduled. It will be sent {time}.", time=moment(at, typed.zone))
        return await _back(task_id, "success", button(told, done))
    return await _back(task_id, "error", too_late(await find(task_id)))


@blueprint.post("/tasks/<int:task_id>/now")
async def send_now(task_id: int) -> Redirect:
    """Send it now, if it is still scheduled or held."""
    await find(task_id)
    wait = postdate().settings.undo_seconds
    if done := await postdate().actions.send_now(task_id, who(), wait):
        told = gettext("It is sent in {span}.", span=span(wait)) if wait else gettext("It is being sent now.")
        return await _back(task_id, "success", button(told, done))
    return await _back(task_id, "error", too_late(await find(task_id)))


@blueprint.post("/tasks/<int:task_id>/restore")
async def restore(task_id: int) -> Redirect:
    """Take back what the token was given out for, if nothing has happened to the task since; without one, its being
    cancelled, however long ago that was.
    """
    task, form = await find(task_id), await request.form
    done = read(token, task_id) if (token := form.get("token")) is not None else _cancelling(task)
    if done is None:
        return await _back(task_id, "error", gettext("Too late to undo: that is possible for ten minutes."))
    if done.sends_at_once and form.get("at_once") != "yes":
        told = gettext("Its time has passed meanwhile, so undoing sends it at once. Nothing was done yet.")
        return await _back(task_id, "error", button(told, done))
    moved = await postdate().actions.restore(done, who())
    if moved is None:
        return await _back(task_id, "error", await _changed_since(task_id))
    if moved.held:
        return await _back(task_id, "success", gettext("Undone. It is held again, and waits for you."))
    if moved.due_at <= datetime.now(UTC):
        return await _back(task_id, "success", gettext("Undone. Its time has passed, so it is being sent now."))
    at = moment(moved.due_at, zone_of(task))
    return await _back(task_id, "success", gettext("Undone. It will be sent {time}.", time=at))


def _cancelling(task: Task) -> Undo:
    return Undo(task.id, task.attempt, task.due_at, cancelled_at=task.ended_at)


async def _changed_since(task_id: int) -> str:
    task = await find(task_id)
    if task.status in (TaskStatus.STARTED, TaskStatus.FINISHED, TaskStatus.FAILED):
        return too_late(task)
    return await _instead(task_id) or gettext("Nothing was undone, because this mail has been changed since.")


async def _instead(task_id: int) -> str:
    """That another mail reaches whom this one missed, if so."""
    async with postdate().database.reading() as db:
        reached = await db.scalar(family.is_taken(task_id))
    return (
        gettext("Nothing was done: another mail was written instead of it, and reaches some of them.")
        if reached
        else ""
    )


@blueprint.post("/tasks/<int:task_id>/decide")
async def decide(task_id: int) -> Redirect:
    """Say of what is unknown that it arrived, or have it sent again: for one address, or for all of them."""
    await find(task_id)
    form = await request.form
    arrived, address = form.get("decision") == "arrived", form.get("address") or None
    if not arrived and form.get("decision") != "again":
        abort(400)
    if not await postdate().actions.decide(task_id, who(), arrived, address, _instant(form.get("seen", ""))):
        return await _back(task_id, "error", gettext("There is nothing here to decide any more."))
    told = gettext("Noted: it arrived.") if arrived else gettext("It is being sent again, and may arrive twice.")
    return await _back(task_id, "success", told)


def _instant(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


async def _back(task_id: int, category: str, told: str) -> Redirect:
    if is_read():
        await flash(told, category)
    return redirect(url_for("task.show", task_id=task_id), 303)
