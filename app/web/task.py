"""The page of one task: what was asked for, what became of each recipient, and every move with its reason."""

from typing import Any
from zoneinfo import ZoneInfo

from quart import Blueprint, abort, render_template, request
from quart.typing import ResponseReturnValue

from app.mail import N_
from app.tasks import queries
from app.tasks.lifecycle import WAITING
from app.tasks.model import Task
from app.tasks.submit import Mistakes
from app.web import postdate
from app.web.compose import in_words
from app.web.history import look_again, moment_of, subject, undo_left, zone_of
from app.web.moment import NATIVE, Moment, when

blueprint = Blueprint("task", __name__)

MOST_EVENTS = 200  # the latest ones; a page with more is not read but scrolled
OURSELVES = (N_("timekeeper"), N_("reconciler"))  # who moves tasks besides people, programs and workers


@blueprint.get("/tasks/<int:task_id>")
async def show(task_id: int) -> ResponseReturnValue:
    """Everything about it; `?after=` goes on through its recipients."""
    return await page(await find(task_id))


async def find(task_id: int) -> Task:
    """The task, or the page that says that there is none."""
    async with postdate().database.reading() as db:
        task: Task | None = await db.scalar(queries.task(task_id))
    return task or abort(404)


async def page(task: Task, typed: Moment | None = None, mistakes: Mistakes | None = None) -> str:
    """The page; with `typed`, the form for another moment is open on it."""
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
        undo_left=undo_left(task),
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
