"""The page on which a mail is written, for now or for later, and rewritten while it waits."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from markupsafe import Markup
from quart import Blueprint, Response, abort, flash, g, make_response, redirect, render_template, request, url_for
from sqlalchemy.exc import OperationalError
from werkzeug.wrappers import Response as Redirect

from app import log
from app.mail.addresses import is_address
from app.tasks import queries
from app.tasks.model import QUEUES, Task
from app.tasks.request import Mistakes, Refused, Request
from app.web import again, drafts, edit, fields, postdate, posting
from app.web.actions import KeyReused
from app.web.button import labels
from app.web.confirm import confirming
from app.web.forms import ID, SECONDS, Letter, new_key, read_letter
from app.web.history import begun
from app.web.i18n import gettext, span, translate
from app.web.last import last
from app.web.moment import Moment, when
from app.web.recipients import noticed, shown
from app.web.wishes import grant, wished
from app.web.zone import shown_zone

if TYPE_CHECKING:
    from app.web.trial import Trial

logger = log.get("web")
blueprint = Blueprint("compose", __name__)

FIELDS = (
    "recipients",
    "template",
    "variables",
    "subject",
    "queue",
    "late_limit",
    "when",
    "scheduled_at",
    "zone",
    "test_to",
)
LIMITS = ("", "900", "3600", "86400")
"""What the form offers: seconds after which a mail is held."""

DEFAULT_QUEUE_FIRST = sorted(QUEUES, key=lambda name: name != "default")


@blueprint.get("/compose")
async def show() -> Response:
    """An empty form; `?template=` chooses one, `?from=` has all of that task in it, `?draft=` of that draft."""
    if number := request.args.get("from"):
        to = request.args.get("to", "")
        told = gettext("To those only who did not get the first one.") if to else ""
        return await page(await again.letter_of(int(number) if ID.fullmatch(number) else abort(404), to), told=told)
    if key := request.args.get("draft"):
        letter, task = await drafts.opened(key)
        if task:
            link = url_for("task.show", task_id=task.id), gettext("Look at it")
            told = Markup('{} <a href="{}">{}</a>').format(gettext("You have sent this mail already."), *link)
            await flash(told, "success")
        if letter:
            return await page(letter)
        await flash(gettext("This draft is not there any more."), "error")
    settings, zone = postdate().settings, last()["zone"]
    letter = Letter(template=request.args.get("template", ""), moment=Moment(zone=zone or shown_zone()), key=new_key())
    # Where nobody has said which zone is meant, the browser knows better than UTC does.
    return await page(letter, guess=not settings.timezone_is_known and not zone)


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
        return await page(granted.letter, mistakes=granted.mistakes, told=granted.told, noticing=True)
    try:
        asked = await asyncio.to_thread(_read, letter)
        if question := await confirming(letter, asked, form):
            return question
        return await (edit.save(letter, asked) if letter.task else posting.send(letter, asked))
    except Refused as refused:
        return await page(letter, 422, mistakes=refused.mistakes)
    except KeyReused:
        return await _sent_before(letter)
    except edit.Lost as lost:
        return await _overtaken(letter, lost.task)
    except OperationalError as error:
        logger.error("the database did not take a mail", error=str(error).partition("\n")[0])
        await flash(
            gettext("The database does not answer right now, so nothing was stored. Try again in a moment."), "error"
        )
        return await page(letter, 503)


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
    return await page(replace(letter, key=new_key()), 409, first=first)


async def _overtaken(letter: Letter, task: Task) -> Response:
    """Somebody has begun the mail, or changed it, since the form was opened for it."""
    if not edit.is_open(task):
        return await page(letter, 409, late=task)
    # Who has been told may write over it.
    return await page(replace(letter, seen=edit.write_version(task)), 409, overtaken=task)


async def page(
    letter: Letter,
    code: int = 200,
    mistakes: Mistakes | None = None,
    first: Task | None = None,
    late: Task | None = None,
    overtaken: Task | None = None,
    guess: bool = False,
    told: str = "",
    noticing: bool = False,
    trial: "Trial | None" = None,
) -> Response:
    """The form, as it was typed, and what there is to say about it."""
    app = postdate()
    asked = await asyncio.to_thread(letter.asked, app.templates, g.user.email, datetime.now(UTC))
    chosen = await asyncio.to_thread(fields.find, app.templates, letter.template)
    async with app.database.reading() as db:
        trouble, workers = (await db.execute(queries.way_out())).one()
    page = await render_template(
        "compose.html",
        letter=letter,
        trouble=trouble,
        workers=workers,
        button=labels(*asked, saving=bool(letter.task)),
        errors=in_words(mistakes or {}),
        noticed=noticed(letter.people) if noticing else {},
        people=shown(letter.people),
        told=told,
        first=first,
        late=begun(late) if late else "",
        overtaken=overtaken,
        guess=guess,
        last=last(),
        drafts=await drafts.mine(),
        trial=trial,
        test_to=last()["test_to"] or (g.user.email if is_address(g.user.email) else ""),
        new_key=new_key(),  # of the next test
        untold=request.method == "POST",  # in no draft yet, as far as this page knows
        **await asyncio.to_thread(fields.choices, app.templates),
        queues=DEFAULT_QUEUE_FIRST,
        other_limit=_other_limit(letter.late_limit),
        **fields.shown(chosen, letter.subject, letter.people, letter.variables, letter.columns),
        **when(letter.moment),
    )
    response: Response = await make_response(page, code)  # type: ignore[assignment]
    # The browser may keep it for its back button: the same form, with the same key, can't be sent twice.
    response.headers["Cache-Control"] = "private, no-cache"
    return response


def in_words(mistakes: Mistakes) -> dict[str, list[str]]:
    """The sentences for each field, in the order of the fields on the page."""
    names = sorted(mistakes, key=lambda name: FIELDS.index(name.partition(".")[0]))
    return {name: [translate(mistake) for mistake in mistakes[name]] for name in names}


def _other_limit(seconds: str) -> tuple[tuple[str, str], ...]:
    """A choice for a limit that is none of the form's own: programs may give any."""
    if seconds in LIMITS or not SECONDS.fullmatch(seconds):
        return ()
    return ((seconds, gettext("Hold it for me after {span}", span=span(int(seconds)))),)
