"""The page of one task: what was asked for, what became of each recipient, and every move with its reason."""

import re
from functools import partial
from typing import Any

from quart import Blueprint, abort, render_template, request
from quart.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from app.mail import N_
from app.tasks import family, overview, queries
from app.tasks.lifecycle import DECIDABLE, WAITING
from app.tasks.model import MISSED, Task
from app.tasks.request import Mistakes
from app.web import postdate
from app.web.compose.edit import is_open
from app.web.compose.from_task import typed as typed_as
from app.web.compose.moment import Moment, when
from app.web.compose.render import in_words
from app.web.live.stream import shared
from app.web.task.about import look_again, moment_of, subject, undo_left
from app.web.task.attempts import what_next
from app.web.task.progress import pace
from app.web.task.timeline import folded
from app.web.zone import shown_zone, zone_of

blueprint = Blueprint("task", __name__)

MOST_EVENTS = 200  # the latest ones; a page with more is not read but scrolled
STATUSES = ("failed", "unknown", "sending", "queued", "sent", "cancelled")
"""Of recipients; those that a person looks for first."""

EVENT_ID = re.compile("[0-9]{1,18}")
OURSELVES = (N_("timekeeper"), N_("reconciler"))  # who moves tasks besides people, programs and workers


@blueprint.get("/tasks/<int:task_id>")
@shared
async def show(task_id: int) -> ResponseReturnValue:
    """Everything about it; `?after=` goes on through its recipients."""
    last_event = await postdate().database.glance(lambda db: db.scalar(queries.last_event()))
    return await page(await find(task_id), last_event=last_event or 0)  # before the rows: what comes after is told


async def find(task_id: int) -> Task:
    """The task, or the page that says that there is none."""
    task: Task | None = await postdate().database.glance(lambda db: db.scalar(queries.task(task_id)))
    return task or abort(404)


async def page(task: Task, typed: Moment | None = None, mistakes: Mistakes | None = None, **live: int) -> str:
    """The page; with `typed`, the form for another moment is open on it; with `last_event`, it changes by itself."""
    read = await postdate().database.read(partial(_read, task=task))
    return await render_template(
        "task.html",
        task=task,
        zone=shown_zone(),
        at_=moment_of(task),
        subject=subject(task, postdate().templates),
        what_next=what_next,
        left=task.recipients - task.sent - task.failed - task.unknown,
        waiting=task.status in WAITING,
        decidable=task.status in DECIDABLE,
        values={name: typed_as(value) for name, value in task.variables.items()},
        editable=is_open(task),
        undo_left=undo_left(task),
        opened=typed is not None,
        errors=in_words(mistakes or {}),
        look_again=look_again([task]),
        **read,
        **live,
        **_when(task, typed),
    )


def _read(db: Session, task: Task) -> dict[str, Any]:
    trouble, workers = db.execute(queries.way_out()).one()
    seen_at = db.execute(overview.clock()).scalar_one()  # before the rows: decisions are about these
    about = {"trouble": trouble, "workers": workers, "seen_at": seen_at}
    return about | _people(db, task) | _events(db, task)


def _people(db: Session, task: Task) -> dict[str, Any]:
    """A page of those that are asked for, and how many there are of each status."""
    asked = _asked()
    found = queries.deliveries(task.id, asked["after"], status=asked["status"], q=asked["q"])
    deliveries = list(db.scalars(found))
    counts = {status: n for status, n in db.execute(queries.delivery_counts(task.id))}
    failed = [one.address for one in deliveries if one.status == "failed"]
    mendable = {address for address, *_ in db.execute(queries.missed(task, failed))} if failed else set()
    over = task.ended_at and any(counts.get(status) for status in MISSED)
    more = len(deliveries) > queries.PAGE
    if not (more or asked["after"]):  # where all of them are here: as they were given, what needs a look first
        deliveries.sort(key=lambda one: (STATUSES.index(one.status), one.id))
    return {
        "asked": asked,
        "deliveries": deliveries[: queries.PAGE],
        "after": deliveries[queries.PAGE - 1].address if more else None,
        "counts": [(status, counts[status]) for status in STATUSES if status in counts],
        "mendable": mendable,
        "missed": db.scalar(queries.how_many_missed(task)) if over else 0,
        "family": (relatives := db.execute(family.others(task)).all()),
        "taken": bool(relatives) and db.scalar(family.is_taken(task.id)),
        "findable": task.recipients > queries.PAGE,
    }


def _events(db: Session, task: Task) -> dict[str, Any]:
    """The latest, or those before `?before=`; and the pace that they show."""
    asked = request.args.get("before", "")
    before = int(asked) if EVENT_ID.fullmatch(asked) else None
    events = list(db.scalars(queries.events(task.id, MOST_EVENTS + 1, before)))
    return {
        "events": folded(events[-MOST_EVENTS:]),
        "older": events[1].id if len(events) > MOST_EVENTS else None,
        "newest": before is None,
        "pace": pace(task, events) if before is None else None,
    }


def _asked() -> dict[str, str | None]:
    """Which recipients: with a status, with something in their address, after one."""
    given = {name: request.args.get(name, "") for name in ("status", "q", "after")}
    given["status"] = given["status"] if given["status"] in STATUSES else ""
    return {name: value[:320].strip() or None for name, value in given.items()}


def _when(task: Task, typed: Moment | None) -> Any:
    """The when-field: as it was typed, else with the moment that holds."""
    zone = zone_of(task)
    return when(typed or (Moment.of(task.scheduled_at, zone) if task.scheduled_at else Moment(zone=zone)))
