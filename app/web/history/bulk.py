"""One action on many tasks: first what it would do, in figures; then it is begun; then how far it has come."""

import re
from dataclasses import dataclass

from quart import Blueprint, abort, flash, redirect, render_template, request, url_for
from quart.typing import ResponseReturnValue
from sqlalchemy.exc import IntegrityError
from werkzeug.datastructures import MultiDict

from app.mail import N_
from app.tasks import bulk, queries
from app.tasks.books import Bulk
from app.tasks.model import Task, TaskStatus
from app.web import postdate
from app.web.compose.keys import KEY, new_key
from app.web.history.filters import read_asked
from app.web.i18n import gettext
from app.web.live.stream import shared
from app.web.security import who
from app.web.task.about import moment_of
from app.web.zone import shown_zone

blueprint = Blueprint("many", __name__)

Form = MultiDict[str, str]
MOST_IDS = 1000
SHOWN = 10
SOON = 1000  # milliseconds until the page of one that is under way looks again
NUMBER = re.compile("[0-9]{1,18}")

LEFT_ALONE = {
    TaskStatus.SCHEDULED: N_("Still waiting"),
    TaskStatus.QUEUED: N_("In the queue already"),
    TaskStatus.STARTED: N_("Being sent right now"),
    TaskStatus.FINISHED: N_("Sent already"),
    TaskStatus.FAILED: N_("Ended, though not all of it was sent"),
    TaskStatus.CANCELLED: N_("Cancelled already"),
}
NOTHING_FAILED = N_("Nothing failed: what is unknown is another decision")


@dataclass(frozen=True)
class Effect:
    """What an action would do: how many tasks it moves, `past` of which are past due; how many it leaves alone, why."""

    n: int
    past: int
    left: list[tuple[str, int]]
    some: list[Task]


@blueprint.post("/bulk")
async def preview() -> ResponseReturnValue:
    """What would happen, before anything does. It stores nothing.

    `action` is one of bulk.ACTIONS. The tasks are those in `ids`, those that the bulk `bulk` moved, or those that fit
    the filter, whose fields have the names that they have in the history's address. A form that has `boxes` for ids
    means the filter only if it says `all`.
    """
    form = await request.form
    if "boxes" in form and not form.get("all") and not _ids(form):
        await flash(gettext("Choose one or more mails first."), "error")
        return redirect(read_asked(form).address(), 303)
    if wrong := read_asked(form).mistakes:
        await flash(gettext(next(iter(wrong.values()))[0].text), "error")
        return redirect(read_asked(form).address(), 303)
    return await _ask(form)


@blueprint.post("/bulk/start")
async def start() -> ResponseReturnValue:
    """Begin it; or, where it would move more than was shown, ask once more."""
    form = await request.form
    action, key, chosen = _action(form), form.get("key", ""), await _chosen(form)
    if not KEY.fullmatch(key):
        abort(400)
    if (await _effect(chosen, action)).n > _number(form.get("total", "")):
        return await _ask(form, more=True)
    try:
        async with postdate().database.writing() as db:
            bulk_id = (await db.execute(bulk.begin(action, _which(form, chosen), who(), key))).scalar_one()
            await db.execute(bulk.freeze(bulk_id, action, chosen))
            await db.execute(bulk.count(bulk_id))
    except IntegrityError:  # the second click of a double one
        async with postdate().database.reading() as db:
            bulk_id = (await db.execute(bulk.by_key(key))).scalar_one()
    return redirect(url_for("many.show", bulk_id=bulk_id), 303)


@blueprint.get("/bulk/<int:bulk_id>")
@shared
async def show(bulk_id: int) -> str:
    """How far it has come."""
    async with postdate().database.reading() as db:
        last_event = await db.scalar(queries.last_event()) or 0
        found: Bulk | None = await db.scalar(bulk.read(bulk_id))
        workers = await db.scalar(queries.live_workers())
    if found is None:
        abort(404)
    return await render_template(
        "bulk.html", bulk=found, workers=workers, zone=shown_zone(), soon=SOON, last_event=last_event
    )


@blueprint.post("/bulk/<int:bulk_id>/stop")
async def stop(bulk_id: int) -> ResponseReturnValue:
    """Go no further."""
    async with postdate().database.writing() as db:
        for statement in bulk.stop(bulk_id):
            await db.execute(statement)
    return redirect(url_for("many.show", bulk_id=bulk_id), 303)


async def _ask(form: Form, more: bool = False) -> str:
    action, chosen, asked = _action(form), await _chosen(form), read_asked(form)
    async with postdate().database.reading() as db:
        fault = await db.scalar(queries.fault_words(asked.fault)) if asked.fault else None
    return await render_template(
        "bulk-ask.html",
        action=action,
        effect=await _effect(chosen, action),
        more=more,
        asked=asked,
        fault=fault,
        chosen=chosen,
        carried={"action": action} | _which(form, chosen),
        key=new_key(),
        moment_of=moment_of,
        zone=shown_zone(),
    )


def _action(form: Form) -> str:
    action = form.get("action", "")
    return action if action in bulk.ACTIONS else abort(400)


async def _chosen(form: Form) -> bulk.Chosen:
    """Which tasks are meant; what was stored after this was first asked is not."""
    async with postdate().database.reading() as db:
        highest = _number(form.get("highest", "")) or (await db.execute(bulk.highest())).scalar_one()
    if (ids := _ids(form)) and not form.get("all"):
        return bulk.Chosen(highest, ids=ids[:MOST_IDS])
    if number := _number(form.get("bulk", "")):
        return bulk.Chosen(highest, bulk=number)
    return bulk.Chosen(highest, filter=read_asked(form).filter(shown_zone()))


def _ids(form: Form) -> list[int]:
    """Repeated fields, or one with commas."""
    return sorted({_number(each.strip()) for field in form.getlist("ids") for each in field.split(",")} - {0})


def _number(text: str) -> int:
    return int(text) if NUMBER.fullmatch(text) else 0


def _which(form: Form, chosen: bulk.Chosen) -> dict[str, str]:
    """In the words of a form: what the next one has to say to mean the same tasks, and what is kept on record."""
    if chosen.ids:
        which = {"ids": ",".join(map(str, chosen.ids))}
    else:
        which = {"bulk": str(chosen.bulk)} if chosen.bulk else read_asked(form).fields()
    return which | {"highest": str(chosen.highest)}


async def _effect(chosen: bulk.Chosen, action: str) -> Effect:
    async with postdate().database.reading() as db:
        tallies = (await db.execute(bulk.tally(chosen, action))).all()
        some = list((await db.scalars(bulk.sample(chosen, action, SHOWN))).all())
    left = {TaskStatus(status): n - can for status, n, can, _ in tallies if n > can}
    words = LEFT_ALONE | ({TaskStatus.FAILED: NOTHING_FAILED} if action == "retry" else {})
    return Effect(
        n=sum(row[2] for row in tallies),
        past=sum(row[3] for row in tallies),
        left=[(words[status], left[status]) for status in TaskStatus if status in left],
        some=some,
    )
