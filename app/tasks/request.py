"""What somebody asks for, and every mistake in it: all of it is checked before anything is written."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.mail import N_, Mistake
from app.mail.addresses import Mailbox
from app.mail.templates import SUBJECT_LIMIT, Template, Templates
from app.tasks.model import QUEUES, OnUnknown

MOST_RECIPIENTS = 10_000
LONGEST_LATE = 30 * 86_400
LONGEST_VALUE = 10_000
LARGEST_VARIABLES = 64_000
MOST_NAMED = 5  # of those who lack a value; the others are counted

Mistakes = dict[str, list[Mistake]]
"""By the name of the field: template, recipients, variables.NAME, subject, queue, scheduled_at, zone."""


class Refused(Exception):  # noqa: N818 (it is no fault of the program's)
    """What was asked for can't be done as it stands; nothing was stored."""

    def __init__(self, mistakes: Mistakes) -> None:
        super().__init__("; ".join(f"{name}: {mistake}" for name, found in mistakes.items() for mistake in found))
        self.mistakes = mistakes


@dataclass(frozen=True)
class Recipient:
    """One person, and what only their message says: these variables go over the task's."""

    mailbox: Mailbox
    variables: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """What somebody asks for. `scheduled_at` is aware, or None for at once; `zone` is where it was chosen.

    `late_limit`: seconds after which a task that has not begun is held for a person, instead of sent late.
    """

    template: str
    recipients: Sequence[Recipient]
    by: str
    variables: Mapping[str, Any] = field(default_factory=dict)
    subject: str | None = None
    queue: str = "default"
    scheduled_at: datetime | None = None
    zone: str | None = None
    undo_seconds: int = 0
    late_limit: int | None = None
    on_unknown: str = OnUnknown.HOLD
    key: str | None = None
    digest: str | None = None
    test: bool = False  # in no list and no tally
    instead_of: int | None = None  # the first of the mails that it is written instead of
    title: str = ""  # what lists call it: see submit.titled


def check(request: Request, templates: Templates) -> Mistakes:
    """Every mistake in the request, by field; empty when it can be stored."""
    mistakes: Mistakes = {}
    template = None
    try:
        template = templates.get(request.template)
    except Mistake as wrong:
        mistakes["template"] = [wrong if request.template else Mistake(N_("Choose a template."))]
    for name, mistake in (*_simple(request), *_oversized(request)):
        mistakes.setdefault(name, []).append(mistake)
    for name, mistake in _unrenderable(request, template, bool(mistakes)) if template else ():
        mistakes.setdefault(name, []).append(mistake)
    return mistakes


def _simple(request: Request) -> Iterator[tuple[str, Mistake]]:
    if request.queue not in QUEUES:
        choices = ", ".join(QUEUES)
        yield "queue", Mistake(N_("There is no queue named {queue}. Choose {queues}."), queue=request.queue[:64],
                               queues=choices)  # fmt: skip
    if not request.recipients:
        yield "recipients", Mistake(N_("Give at least one address."))
    if len(request.recipients) > MOST_RECIPIENTS:
        yield "recipients", Mistake(N_("These are {n} recipients; {most} at once are possible."),
                                    n=len(request.recipients), most=MOST_RECIPIENTS)  # fmt: skip
    if request.subject and len(request.subject) > SUBJECT_LIMIT:
        yield "subject", Mistake(N_("Keep this under {most} characters."), most=SUBJECT_LIMIT)
    if request.late_limit is not None and not 60 <= request.late_limit <= LONGEST_LATE:
        yield "late_limit", Mistake(N_("Give a limit from one minute to thirty days."))


def _oversized(request: Request) -> Iterator[tuple[str, Mistake]]:
    for variables in (request.variables, *(recipient.variables for recipient in request.recipients)):
        for name, value in variables.items():
            if len(str(value)) > LONGEST_VALUE:
                yield f"variables.{name}", Mistake(N_("Keep this under {most} characters."), most=LONGEST_VALUE)
                return
        if len(str(variables)) > LARGEST_VARIABLES:
            yield "variables", Mistake(N_("All values together are too long."))
            return


def _unrenderable(request: Request, template: Template, wrong: bool) -> Iterator[tuple[str, Mistake]]:
    """Missing values of anyone, and whatever their messages themselves stumble over; one is enough if all are alike.

    Where something is `wrong` already, nothing is rendered.
    """
    personal = any(recipient.variables for recipient in request.recipients)
    try:
        if missing := list(_missing(request, template.missing({}, request.subject))):
            yield from missing
        if missing or wrong:
            return
        for recipient in request.recipients if personal else request.recipients[:1]:
            template.render({**request.variables, **recipient.variables}, subject=request.subject)
    except Mistake as mistake:
        yield ("template" if request.subject is None else "subject"), mistake


def _missing(request: Request, needed: list[str]) -> Iterator[tuple[str, Mistake]]:
    """For each name, who has no value for it."""
    for name in needed:
        for_all = request.variables.get(name)
        without = [each.mailbox.address for each in request.recipients if _is_blank(each.variables.get(name, for_all))]
        if without:
            yield f"variables.{name}", _lacking(name, without, len(request.recipients))


def _is_blank(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _lacking(name: str, without: list[str], people: int) -> Mistake:
    if len(without) == people:
        return Mistake(N_("Give a value: the message needs it."))
    if len(without) == 1:
        return Mistake(N_("{address} has no value for {name}."), address=without[0], name=name)
    who = ", ".join(without[:MOST_NAMED]) + (" …" if len(without) > MOST_NAMED else "")
    return Mistake(N_("{n} of {all} people have no value for {name}: {who}"), n=len(without), all=people, name=name,
                   who=who)  # fmt: skip
