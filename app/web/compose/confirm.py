"""The page that asks once more before a mail goes to many: what would happen, in figures. It stores nothing."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime

from quart import Response, make_response, render_template
from werkzeug.datastructures import MultiDict

from app.mail import N_, Mistake
from app.tasks import queries
from app.tasks.request import Mistakes, Refused, Request, check
from app.web import postdate
from app.web.compose.forms import Letter
from app.web.compose.labels import labels
from app.web.compose.preview import look
from app.web.compose.recipients import left_out
from app.web.i18n import gettext, span, translate
from app.web.zone import shown_zone

MANY = 20
"""More recipients than these are confirmed by a click."""

VERY_MANY = 500
"""More than these by typing their number."""

ASSUMED_PACE = 10.0  # messages a second, where none has been seen
SHOWN = 3
DOMAINS = 5
OWN = ("confirmed", "typed", "do", "key")  # what is not the letter's


@dataclass(frozen=True)
class Summary:
    """What is about to happen."""

    people: int
    first: list[str]
    domains: list[tuple[str, int]]
    other_domains: int
    duplicates: str
    subject: str
    moment: str
    duration: str
    label: str
    must_type: bool


async def confirming(letter: Letter, asked: Request, form: MultiDict[str, str]) -> Response | None:
    """The page; None where so few need none, or where this very number was confirmed.

    Raises Refused for what the page would only hold up: mistakes belong to the form.
    """
    people = len(asked.recipients)
    if people <= MANY:
        return None
    confirmed = form.get("confirmed") == str(people)
    if confirmed and (people <= VERY_MANY or _digits(form.get("typed", "")) == str(people)):
        return None
    if mistakes := await asyncio.to_thread(check, asked, postdate().templates):
        raise Refused(mistakes)
    wrong: Mistakes = (
        {"typed": [Mistake(N_("This is another number. Type {n} to confirm."), n=people)]} if confirmed else {}
    )
    return await _page(letter, await _summary(letter, asked), form, wrong)


def _digits(typed: str) -> str:
    return "".join(filter(str.isdigit, typed))


async def _summary(letter: Letter, asked: Request) -> Summary:
    addresses = [recipient.mailbox.address for recipient in asked.recipients]
    domains = Counter(address.rpartition("@")[2].lower() for address in addresses)
    seen = await look(postdate(), letter, 1)
    return Summary(
        people=len(addresses),
        first=addresses[:SHOWN],
        domains=domains.most_common(DOMAINS),
        other_domains=max(0, len(domains) - DOMAINS),
        duplicates=left_out(again) if (again := letter.people.again) else "",
        subject=seen.mail.subject if seen.mail else "",
        moment=letter.moment.sentence(datetime.now(UTC), shown_zone())
        if asked.scheduled_at
        else _at_once(asked.undo_seconds),
        duration=await _duration(len(addresses)),
        label=_label(letter, asked),
        must_type=len(addresses) > VERY_MANY,
    )


def _label(letter: Letter, asked: Request) -> str:
    said = labels(asked, {}, saving=bool(letter.task))
    if letter.task:
        return said.later if asked.scheduled_at else said.now
    return said.later if asked.scheduled_at else gettext("Send {n} mails", n=len(asked.recipients))


def _at_once(undo_seconds: int) -> str:
    if undo_seconds:
        return gettext("At once; it can be undone for {span}.", span=span(undo_seconds))
    return gettext("At once.")


async def _duration(people: int) -> str:
    """How long it will take, by what the last large one took; and by what is assumed, where there was none."""
    async with postdate().database.reading() as db:
        last = (await db.execute(queries.last_large())).first()
    seconds = (last.ended_at - last.started_at).total_seconds() if last and last.ended_at and last.started_at else 0
    if not last or seconds <= 0:
        return gettext("About {span}, if the mail server takes {pace} a second.",
                       span=span(people / ASSUMED_PACE), pace=f"{ASSUMED_PACE:.0f}")  # fmt: skip
    pace = last.sent / seconds
    said = f"{pace:.0f}" if pace >= 10 else f"{pace:.1f}"
    return gettext(
        "About {span}, at the pace of the last large one: {pace} a second.", span=span(people / pace), pace=said
    )


async def _page(letter: Letter, summary: Summary, form: MultiDict[str, str], wrong: Mistakes) -> Response:
    page = await render_template(
        "confirm.html",
        letter=letter,
        summary_=summary,
        carried=[(name, value) for name, value in form.items(multi=True) if name not in OWN],
        typed=form.get("typed", ""),
        errors={name: [translate(each) for each in found] for name, found in wrong.items()},
    )
    response: Response = await make_response(page, 422 if wrong else 200)  # type: ignore[assignment]
    response.headers["Cache-Control"] = "private, no-cache"
    return response
