"""The form as a page: as it was typed, and with what there is to say about it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from quart import Response, g, make_response, render_template, request

from app.mail.addresses import is_address
from app.mail.people import parse_people
from app.mail.server import parse_url
from app.tasks import queries
from app.tasks.model import QUEUES, Task
from app.tasks.request import Mistakes
from app.web import postdate
from app.web.compose import drafts, fields
from app.web.compose.forms import SECONDS, Letter, Trial
from app.web.compose.keys import new_key
from app.web.compose.labels import labels
from app.web.compose.last_used import last
from app.web.compose.moment import when
from app.web.compose.recipients import noticed, shown
from app.web.i18n import gettext, people, span, translate
from app.web.people.accounts import FIRST_ACCOUNT
from app.web.task.about import begun

FIELDS = (
    "recipients", "template", "variables", "subject", "queue", "late_limit", "when", "scheduled_at", "zone", "test_to",
)  # fmt: skip
"""In the order in which they stand on the page."""

LIMITS = ("900", "3600", "86400")
"""What the form offers: seconds after which a mail is held."""

DEFAULT_QUEUE_FIRST = sorted(QUEUES, key=lambda name: name != "default")


@dataclass(frozen=True)
class Notes:
    """What there is to say about a form."""

    mistakes: Mistakes = field(default_factory=dict)
    told: str = ""  # what a button has done
    first: Task | None = None  # what it was sent as before
    late: Task | None = None  # what it would change, and can't any more
    overtaken: Task | None = None  # what it would change, and somebody else has
    trial: Trial | None = None
    guess: bool = False  # nobody has said which zone is meant
    noticing: bool = False  # who can't be read in "To" is named before anybody tries to send


async def page(letter: Letter, notes: Notes = Notes(), code: int = 200) -> Response:
    """The page."""
    templates = postdate().templates
    asked = await asyncio.to_thread(letter.asked, templates, g.user.email, datetime.now(UTC))
    chosen = await asyncio.to_thread(fields.find, templates, letter.template)
    page = await render_template(
        "compose.html",
        letter=letter,
        notes=notes,
        errors=in_words(notes.mistakes),
        late=begun(notes.late) if notes.late else "",
        button=labels(*asked, saving=bool(letter.task)),
        noticed=noticed(letter.people) if notes.noticing else {},
        people=shown(letter.people),
        **await asyncio.to_thread(fields.choices, templates),
        **fields.shown(chosen, letter.subject, letter.people, letter.variables, letter.columns),
        **when(letter.moment),
        **await _around(letter),
    )
    response: Response = await make_response(page, code)  # type: ignore[assignment]
    # The browser may keep it for its back button: the same form, with the same key, can't be sent twice.
    response.headers["Cache-Control"] = "private, no-cache"
    return response


async def _around(letter: Letter) -> Mapping[str, Any]:
    """What the page offers besides what was typed."""
    async with postdate().database.reading() as db:
        trouble, workers = (await db.execute(queries.way_out())).one()
    return {
        "trouble": trouble,
        "workers": workers,
        "last": last(),
        "last_people": _whom(last()["recipients"]),
        "mail_server": parse_url(postdate().settings.smtp_url).host,
        "drafts": await drafts.mine(),
        "test_to": last()["test_to"] or _own_address(),
        "new_key": new_key(),  # of the next test
        "untold": request.method == "POST",  # in no draft yet, as far as this page knows
        "queues": DEFAULT_QUEUE_FIRST,
        "limits": _limits(letter.late_limit),
    }


def _own_address() -> str:
    """Where mail reaches the person, as far as an account tells."""
    return str(g.user.email) if g.user.email != FIRST_ACCOUNT and is_address(g.user.email) else ""


def _whom(recipients: str) -> str:
    """Those whom a text means, in a few words."""
    found = parse_people(recipients).found
    return people(found[0].mailbox.address, len(found)) if found else ""


def in_words(mistakes: Mistakes) -> dict[str, list[str]]:
    """The sentences for each field, in the order of the fields on the page."""
    names = sorted(mistakes, key=lambda name: FIELDS.index(name.partition(".")[0]))
    return {name: [translate(mistake) for mistake in mistakes[name]] for name in names}


def _limits(chosen: str) -> list[tuple[str, str]]:
    """Seconds and words; among them the limit of the form, though it be none of the usual ones: programs give any."""
    other = [chosen] if SECONDS.fullmatch(chosen) and chosen not in LIMITS else []
    found = [(each, gettext("Hold it for me after {span}", span=span(int(each)))) for each in (*LIMITS, *other)]
    return [("", gettext("Send it however late")), *found]
