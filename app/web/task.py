"""The page of one task: what was asked for, what became of each recipient, and every move with its reason."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from quart import Blueprint, abort, flash, redirect, render_template, request, url_for
from quart.typing import ResponseReturnValue
from werkzeug.wrappers import Response as Redirect

from app.mail import N_
from app.tasks import queries
from app.tasks.lifecycle import WAITING
from app.tasks.model import Task, TaskStatus
from app.tasks.submit import Mistakes
from app.web import postdate
from app.web.compose import in_words
from app.web.history import look_again, moment_of, subject, zone_of
from app.web.i18n import gettext, moment
from app.web.moment import NATIVE, Moment, picked, read_moment, when
from app.web.security import who

blueprint = Blueprint("task", __name__)

MOST_EVENTS = 200  # the latest ones; a page with more is not read but scrolled
OURSELVES = (N_("timekeeper"), N_("reconciler"))  # who moves tasks besides people, programs and workers


@blueprint.get("/tasks/<int:task_id>")
async def show(task_id: int) -> ResponseReturnValue:
    """Everything about it; `?after=` goes on through its recipients."""
    return await _page(await _find(task_id))


async def _find(task_id: int) -> Task:
    async with postdate().database.reading() as db:
        task: Task | None = await db.scalar(queries.task(task_id))
    return task or abort(404)


@blueprint.post("/tasks/<int:task_id>/cancel")
async def cancel(task_id: int) -> Redirect:
    """Take it back, if it still waits."""
    await _find(task_id)
    if await postdate().actions.cancel(task_id, who()):
        return await _back(task_id, "success", gettext("Cancelled. Nothing more of it will be sent."))
    return await _back(task_id, "error", await _too_late(task_id))


@blueprint.post("/tasks/<int:task_id>/retry")
async def retry(task_id: int) -> Redirect:
    """Try again what failed, and only that."""
    await _find(task_id)
    if await postdate().actions.retry(task_id, who()):
        return await _back(task_id, "success", gettext("What failed is being tried again. What was sent stays sent."))
    return await _back(task_id, "error", gettext("There is nothing here to try again."))


@blueprint.post("/tasks/<int:task_id>/reschedule")
async def reschedule(task_id: int) -> ResponseReturnValue:
    """Give it another moment, if it still waits."""
    task = await _find(task_id)
    form = await request.form
    typed, now = read_moment(form, zone_of(task)), datetime.now(UTC)
    if wish := form.get("do"):
        return await _page(task, picked(typed, wish))
    at, mistakes = typed.read(now)
    if at is None:
        return await _page(task, typed, mistakes), 422
    if await postdate().actions.reschedule(task_id, at, typed.zone, who()):
        return await _back(
            task_id, "success", gettext("Rescheduled. It will be sent {time}.", time=moment(at, typed.zone))
        )
    return await _back(task_id, "error", await _too_late(task_id))


@blueprint.post("/tasks/<int:task_id>/now")
async def send_now(task_id: int) -> Redirect:
    """Send it now, if it is still scheduled or held."""
    await _find(task_id)
    if await postdate().actions.send_now(task_id, who()):
        return await _back(task_id, "success", gettext("It is being sent now."))
    return await _back(task_id, "error", await _too_late(task_id))


@blueprint.post("/tasks/<int:task_id>/decide")
async def decide(task_id: int) -> Redirect:
    """Say of what is unknown that it arrived, or have it sent again: for one address, or for all of them."""
    await _find(task_id)
    form = await request.form
    arrived, address = form.get("decision") == "arrived", form.get("address", "").replace("\0", "") or None
    if not arrived and form.get("decision") != "again":
        abort(400)
    if not await postdate().actions.decide(task_id, who(), arrived, address):
        return await _back(task_id, "error", gettext("There is nothing here to decide any more."))
    told = gettext("Noted: it arrived.") if arrived else gettext("It is being sent again, and may arrive twice.")
    return await _back(task_id, "success", told)


async def _too_late(task_id: int) -> str:
    """Why it can't be taken back, in one plain sentence."""
    return {
        TaskStatus.STARTED: gettext("Too late: it is being sent right now."),
        TaskStatus.CANCELLED: gettext("It was cancelled already."),
    }.get(TaskStatus((await _find(task_id)).status), gettext("Too late: it has been sent already."))


async def _back(task_id: int, category: str, told: str) -> Redirect:
    await flash(told, category)
    return redirect(url_for("task.show", task_id=task_id), 303)


async def _page(task: Task, typed: Moment | None = None, mistakes: Mistakes | None = None) -> str:
    app, after = postdate(), request.args.get("after", "").replace("\0", "") or None  # Postgres refuses NUL
    async with app.database.reading() as db:
        deliveries = list((await db.scalars(queries.deliveries(task.id, after))).all())
        events = list((await db.scalars(queries.events(task.id, MOST_EVENTS))).all())
        written_by = await db.scalar(queries.written_by(task.id))
    more = len(deliveries) > queries.PAGE
    return await render_template(
        "task.html",
        task=task,
        zone=zone_of(task),
        at_=moment_of(task),
        subject=subject(task, app.templates),
        deliveries=deliveries[: queries.PAGE],
        after=deliveries[queries.PAGE - 1].address if more else None,
        first_page=after is None,
        events=events,
        written_by=written_by,
        waiting=task.status in WAITING,
        opened=typed is not None,
        errors=in_words(mistakes or {}),
        look_again=look_again([task]),
        **_when(task, typed),
    )


def _when(task: Task, typed: Moment | None) -> Any:
    """The when-field: as it was typed, else with the moment that holds."""
    zone = zone_of(task)
    at = task.scheduled_at
    held = Moment(f"{at.astimezone(ZoneInfo(zone)):{NATIVE}}" if at else "", zone)
    return when(typed or held)
