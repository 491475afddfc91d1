"""What is really going to be sent: one recipient's message, written as the worker writes it and read as they will."""

import asyncio
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from quart import Blueprint, Response, make_response, render_template, request

from app.mail import N_, Mistake
from app.mail.addresses import Mailbox, parse
from app.mail.message import compose
from app.tasks.request import Recipient, Request
from app.web import Postdate, postdate
from app.web.compose.forms import Letter, read_letter
from app.web.compose.labels import Labels, labels
from app.web.i18n import translate
from app.web.reading import AROUND_POLICY, VIEWS, Mail, read
from app.web.zone import shown_zone

blueprint = Blueprint("preview", __name__)

PATIENCE = 5.0
"""Seconds for making one message. The sandbox bounds what a template may do; this bounds how long anybody waits."""

_threads = ThreadPoolExecutor(2, thread_name_prefix="preview")  # a slow one must not take those of other pages

NUMBER = re.compile("[0-9]{1,6}")
NOBODY = Recipient(Mailbox("name@example.com"))
MESSAGE_ID = "<made-when-it-is-stored@{domain}>"
LARGE = 90
CUT_OFF = 102
"""KB of HTML: where to warn, and where Gmail stops showing."""


@dataclass(frozen=True)
class Seen:
    """The message to the `number`th of `count` recipients (from 1); where `wrong` says why there is none, no mail."""

    number: int
    count: int
    to: str
    mail: Mail | None = None
    size: int = 0
    html_size: int = 0
    lacks: Sequence[str] = ()
    wrong: Mistake | None = None
    button: Labels | None = None


@blueprint.get("/compose/preview")
async def nothing() -> Response:
    """What the frame shows before anything was posted into it; `?person=` comes then, with `?chosen` of a template."""
    return await _page(Seen(_number(), 0, ""))


@blueprint.post("/compose/preview")
async def show() -> Response:
    """The form's message to the recipient `?person=` (from 1), as `?part=` html, text or source. It stores nothing."""
    letter = read_letter(await request.form, shown_zone())
    return await _page(await look(postdate(), letter, _number()))


def _number() -> int:
    number = request.args.get("person", "")
    return int(number) if NUMBER.fullmatch(number) else 1


async def look(app: Postdate, letter: Letter, number: int, patience: float = PATIENCE) -> Seen:
    """Make the message, without holding up anybody else."""
    try:
        spoken = copy_context()  # the language is the request's
        looking = asyncio.get_running_loop().run_in_executor(_threads, spoken.run, _look, app, letter, number)
        return await asyncio.wait_for(looking, patience)
    except TimeoutError:
        return Seen(number, 0, "", wrong=Mistake(N_("Making this message takes too long to show it here.")))


def _look(app: Postdate, letter: Letter, number: int) -> Seen:
    asked, mistakes = letter.asked(app.templates, "", datetime.now(UTC))
    number = max(1, min(number, len(asked.recipients)))
    to = asked.recipients[number - 1] if asked.recipients else NOBODY
    seen = Seen(
        number, len(asked.recipients), to.mailbox.address, button=labels(asked, mistakes, saving=bool(letter.task))
    )
    if not asked.template:
        return seen
    try:
        return _made(app, asked, to, seen)
    except Mistake as wrong:
        return replace(seen, wrong=wrong)


def _made(app: Postdate, asked: Request, to: Recipient, seen: Seen) -> Seen:
    template, variables = app.templates.get(asked.template), {**asked.variables, **to.variables}
    lacks = template.missing(variables, asked.subject)
    content = template.render(variables | {name: f"‹{name}›" for name in lacks}, subject=asked.subject)
    sender, zone = parse(app.settings.mail_from), ZoneInfo(app.settings.timezone)
    message_id = MESSAGE_ID.format(domain=sender.address.rpartition("@")[2])
    raw = compose(content, sender, to.mailbox, message_id, (asked.scheduled_at or datetime.now(UTC)).astimezone(zone))
    return replace(seen, mail=read(raw), size=len(raw), html_size=len(content.html.encode()), lacks=lacks)


async def _page(seen: Seen) -> Response:
    part = request.args.get("part", "")
    page = await render_template(
        "preview.html",
        seen=seen,
        wrong=translate(seen.wrong) if seen.wrong else None,
        part=part if part in VIEWS else VIEWS[0],
        parts=VIEWS,
        # Without the script, the frame's own buttons need everything that was typed; with it, the form is right there.
        carried=[] if "X-Refresh" in request.headers else list((await request.form).items(multi=True)),
        large=seen.html_size >= LARGE * 1024,
        cut_off=CUT_OFF,
    )
    response: Response = await make_response(page)  # type: ignore[assignment]
    response.headers["Content-Security-Policy"] = AROUND_POLICY
    return response
