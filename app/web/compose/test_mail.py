"""A test: one recipient's message, sent to an address of one's choice by the same road, and counted nowhere."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from quart import Blueprint, Response, g, request
from quart_rate_limiter import RateLimit, rate_limit

from app.mail import N_, Mistake
from app.mail.addresses import Mailbox, parse
from app.mail.sandbox import subject_part
from app.mail.templates import SUBJECT_LIMIT
from app.tasks.request import Mistakes, Recipient, Refused, Request, check
from app.web import postdate
from app.web.compose.fields import find
from app.web.compose.forms import Letter, Trial, read_letter
from app.web.compose.keys import KEY, digest, new_key
from app.web.compose.last_used import remember_test
from app.web.compose.render import Notes, page
from app.web.intake import KeyReused
from app.web.limits import account
from app.web.zone import shown_zone

blueprint = Blueprint("trial", __name__)

MARK = "[TEST] "
NUMBER = re.compile("[0-9]{1,6}")
FIELDS = frozenset({"template", "subject", "queue", "test_to"})
"""Where a mistake keeps a test from being sent, besides the variables: a test goes at once, and to nobody else."""


@blueprint.post("/compose/test")
@rate_limit(limits=[RateLimit(20, timedelta(minutes=1), account)])
async def send() -> Response:
    """Send the preview's message to another address. The form comes back as it was typed, and is not sent."""
    form = await request.form
    letter, trial = read_letter(form, shown_zone()), _read(form)
    try:
        asked = await asyncio.to_thread(_asked, letter, trial)
        try:
            task = await postdate().actions.submit(asked)
        except KeyReused:  # changed since, by way of the back button: that is another test
            task = await postdate().actions.submit(replace(asked, key=_key(new_key())))
    except Refused as refused:
        return await page(letter, Notes(refused.mistakes, trial=trial, noticing=True), 422)
    remember_test(trial.to)
    return await page(letter, Notes(trial=replace(trial, key="", task=task), noticing=True))


def _read(form: Mapping[str, str]) -> Trial:
    number, key = form.get("person", ""), form.get("test_key", "")
    person = int(number) if NUMBER.fullmatch(number) else 1
    return Trial(form.get("test_to", ""), max(1, person), key if KEY.fullmatch(key) else new_key())


def _asked(letter: Letter, trial: Trial) -> Request:
    templates = postdate().templates
    asked, mistakes = letter.asked(templates, g.user.email, datetime.now(UTC))
    shown = asked.recipients[min(trial.person, len(asked.recipients)) - 1] if asked.recipients else None
    try:
        if not trial.to.strip():
            raise Mistake(N_("Give at least one address."))
        to = parse(trial.to)
    except Mistake as wrong:
        to, mistakes = Mailbox(""), {**mistakes, "test_to": [wrong]}
    made = Request(
        template=asked.template,
        recipients=[Recipient(to, shown.variables if shown else {})],
        by=asked.by,
        variables=asked.variables,
        subject=asked.subject,
        queue=asked.queue,
        test=True,
        key=_key(trial.key),
    )
    mistakes = {**check(made, templates), **_of_a_test(mistakes)}
    if mistakes:
        raise Refused(mistakes)
    marked = replace(made, subject=_marked(made, letter))
    return replace(marked, digest=digest(marked))


def _key(key: str) -> str:
    return f"test:{g.user.id}:{key}"


def _of_a_test(mistakes: Mistakes) -> Mistakes:
    return {name: found for name, found in mistakes.items() if name in FIELDS}


def _marked(made: Request, letter: Letter) -> str:
    """The subject with its mark: cut off where it has no room for both."""
    template = find(postdate().templates, letter.template)
    source = made.subject or (template.subject if template else "")
    rendered = subject_part(source).render({**made.variables, **made.recipients[0].variables})
    if max(len(source), len(rendered)) + len(MARK) <= SUBJECT_LIMIT:
        return MARK + source
    # What was filled in is text from here on, and no template: two braces in a row would make it one again.
    return (MARK + " ".join(rendered.split())).replace("{", "(").replace("}", ")")[:SUBJECT_LIMIT]
