"""The page on which a mail is written, for now or for later, and rewritten while it waits."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

from markupsafe import Markup
from quart import Blueprint, Response, abort, flash, g, redirect, request, url_for
from sqlalchemy.exc import OperationalError
from werkzeug.wrappers import Response as Redirect

from app import log
from app.tasks import queries
from app.tasks.model import Task
from app.tasks.request import Refused, Request
from app.web import postdate
from app.web.compose import drafts, edit, from_task, submit
from app.web.compose.confirm import confirming
from app.web.compose.forms import Letter, read_letter
from app.web.compose.keys import ID, new_key
from app.web.compose.moment import Moment
from app.web.compose.other_buttons import grant, wished
from app.web.compose.render import Notes, page
from app.web.i18n import gettext
from app.web.intake import KeyReused
from app.web.task.about import begun
from app.web.zone import shown_zone

logger = log.get("web")
blueprint = Blueprint("compose", __name__)


@blueprint.get("/compose")
async def show() -> Response:
    """An empty form; `?template=` chooses one, `?from=` has all of that task in it, `?draft=` of that draft."""
    if number := request.args.get("from"):
        to = request.args.get("to", "")
        told = gettext("To those only who did not get the first one.") if to not in ("", from_task.EVERYBODY) else ""
        of_task = await from_task.letter_of(int(number) if ID.fullmatch(number) else abort(404), to)
        return await page(of_task, Notes(told=told))
    if key := request.args.get("draft"):
        letter, task = await drafts.opened(key)
        if task:
            link = url_for("task.show", task_id=task.id), gettext("Look at it")
            told = Markup('{} <a href="{}">{}</a>').format(gettext("You have sent this mail already."), *link)
            await flash(told, "success")
        if letter:
            return await page(letter)
        await flash(gettext("This draft is not there any more."), "error")
    letter = Letter(template=request.args.get("template", ""), moment=Moment(zone=shown_zone()), key=new_key())
    # Where nobody has said which zone is meant, the browser knows better than UTC does.
    return await page(letter, Notes(guess=not postdate().settings.timezone_is_known))


@blueprint.get("/tasks/<int:task_id>/edit")
async def show_task(task_id: int) -> Response | Redirect:
    """The form of a mail that still waits. The mail stays as it is until the changes are saved."""
    async with postdate().database.reading() as db:
        task: Task = await db.scalar(queries.task(task_id)) or abort(404)
    if edit.is_open(task):
        return await page(await edit.letter_to_edit(task))
    await flash(begun(task), "error")
    return redirect(url_for("task.show", task_id=task_id), 303)


@blueprint.post("/compose")
async def send() -> Response | Redirect:
    """Send it, schedule it, or change the mail that it is about; where another button was pressed, show it anew."""
    form = await request.form
    letter = read_letter(form, shown_zone())
    if wish := await wished():
        granted = await grant(wish, letter)
        return await page(granted.letter, Notes(granted.mistakes, granted.told, noticing=True))
    try:
        asked = await asyncio.to_thread(_read, letter)
        if question := await confirming(letter, asked, form):
            return question
        return await (edit.save(letter, asked) if letter.task else submit.send(letter, asked))
    except Refused as refused:
        return await page(letter, Notes(refused.mistakes), 422)
    except KeyReused:
        return await _sent_before(letter)
    except edit.Lost as lost:
        return await _overtaken(letter, lost.task)
    except OperationalError as error:
        logger.error("the database did not take a mail", error=str(error).partition("\n")[0])
        await flash(
            gettext("The database does not answer right now, so nothing was stored. Try again in a moment."), "error"
        )
        return await page(letter, code=503)


def _read(letter: Letter) -> Request:
    app = postdate()
    by, undo = g.user, app.settings.undo_seconds
    return letter.read(app.templates, by.email, by.id, undo, datetime.now(UTC))


async def _sent_before(letter: Letter) -> Response:
    """The form's key has been used: it was sent, and then changed by way of the back button; or its mail was since.

    Somebody who goes back to mend a mail may well believe that it has not gone out. Sending the changed one as well
    would be what they fear; dropping it would lose what they typed. So they are told, and one more click sends it.
    """
    async with postdate().database.reading() as db:
        first = await db.scalar(queries.task_by_key(letter.idempotency_key(g.user.id)))
    return await page(replace(letter, key=new_key()), Notes(first=first), 409)


async def _overtaken(letter: Letter, task: Task) -> Response:
    """Somebody has begun the mail, or changed it, since the form was opened for it."""
    if not edit.is_open(task):
        return await page(letter, Notes(late=task), 409)
    # Who has been told may write over it.
    return await page(replace(letter, seen=edit.write_version(task)), Notes(overtaken=task), 409)
