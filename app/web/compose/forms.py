"""What a person typed into a form: kept as it was typed, and turned into what the core can check."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime

from app.mail import N_, Mistake
from app.mail.addresses import Mailbox, named
from app.mail.people import People, Person, read_people
from app.mail.templates import Templates
from app.tasks.drafts import task_key
from app.tasks.model import OnUnknown
from app.tasks.request import MOST_RECIPIENTS, Mistakes, Recipient, Refused, Request, check
from app.tasks.submit import Stored
from app.web.compose.fields import COLUMN, VARIABLE, fields, find, from_columns
from app.web.compose.keys import KEY, as_id, digest, new_key
from app.web.compose.moment import Moment, read_moment

MOST_SHOWN = 20  # mistakes at one field; nobody reads more
SECONDS = re.compile("[0-9]{1,9}")
AS_IT_STANDS = N_(
    "“{braces}” would be in the mail just so: only templates and subjects are filled in. Write the text itself."
)
BRACES = re.compile(r"{{[^{}\n]{1,80}}}")


@dataclass(frozen=True)
class Letter:
    """The compose form, as it was typed."""

    recipients: str = ""
    template: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)  # which of a table fills which variable, where chosen
    subject: str = ""
    queue: str = "default"
    late_limit: str = ""
    on_unknown: str = OnUnknown.HOLD
    when: str = "now"
    moment: Moment = field(default_factory=Moment)
    key: str = ""
    saved: str = ""  # the draft that it goes on from, by when that was saved
    task: int = 0  # the id of the one that it changes; 0: it makes a new one
    seen: str = ""  # the version of that task that it goes on from
    instead: int = 0  # the id of the one that did not reach these people

    @property
    def people(self) -> People:
        """Whom the text in the To field means."""
        return read_people(self.recipients)

    def read(self, templates: Templates, by: str, user_id: int, undo_seconds: int, now: datetime) -> Request:
        """The request that this makes. Raises Refused with the form's mistakes and, then, the core's as well."""
        request, mistakes = self.asked(templates, by, now)
        if mistakes:
            raise Refused(check(request, templates) | mistakes)
        undo = 0 if request.scheduled_at else undo_seconds
        return replace(request, undo_seconds=undo, key=self.idempotency_key(user_id), digest=digest(request))

    def asked(self, templates: Templates, by: str, now: datetime) -> tuple[Request, Mistakes]:
        """What is asked for as far as it can be understood, and what is wrong with the rest."""
        needed = fields(find(templates, self.template), self.subject)
        # What was left empty is missing: nobody wants to greet "Dear ,".
        values = {name: self.variables[name] for name in needed if self.variables.get(name, "").strip()}
        at, mistakes = self.moment.read(now) if self.when == "later" else (None, {})
        mistakes |= self._mistakes() | _with_braces(values)
        request = Request(
            template=self.template,
            recipients=recipients(self.people, needed, values, self.columns),
            by=by,
            variables=values,
            subject=self.subject.strip() or None,
            queue=self.queue,
            scheduled_at=at,
            zone=self.moment.zone if at else None,
            late_limit=int(self.late_limit) if SECONDS.fullmatch(self.late_limit) else None,
            on_unknown=OnUnknown(self.on_unknown),
            instead_of=self.instead or None,
        )
        return request, mistakes

    def _mistakes(self) -> Mistakes:
        found: Mistakes = {}
        if self.when not in ("now", "later"):
            found["when"] = [Mistake(N_("Choose now or later."))]
        if len(self.subject.splitlines()) > 1:
            found["subject"] = [Mistake(N_("A subject is one line. Please take the line break out."))]
        if self.late_limit and not SECONDS.fullmatch(self.late_limit):
            found["late_limit"] = [Mistake(N_("Give a limit from one minute to thirty days."))]
        if bad := unread(self.people):
            found["recipients"] = bad
        return found

    def idempotency_key(self, user_id: int) -> str:
        """The form's key, which is this person's only."""
        return task_key(user_id, self.key)


def _with_braces(values: Mapping[str, str]) -> Mistakes:
    """People write {{ name }} into a field as they would into a template, and mean that it be filled in."""
    found = {name: match[0] for name, value in values.items() if (match := BRACES.search(value))}
    return {VARIABLE + name: [Mistake(AS_IT_STANDS, braces=braces)] for name, braces in found.items()}


@dataclass(frozen=True)
class Trial:
    """The part of the form that sends tests, as it was typed; `person` (from 1) is the recipient in the preview."""

    to: str = ""
    person: int = 1
    key: str = ""
    task: Stored | None = None


def recipients(
    people: People, needed: Sequence[str], values: Mapping[str, str], chosen: Mapping[str, str]
) -> list[Recipient]:
    """Each with what only their message says: from the columns of a table (`chosen`, or called like the variable), else
    the name beside the address.

    What was typed (`values`) is for everybody whose cell is empty; a name that was typed goes over those of a list.
    """
    columns = from_columns(needed, people.columns, chosen)
    own_name = "name" in needed and "name" not in columns and "name" not in values

    def personal(person: Person) -> dict[str, str]:
        cells = {name: cell for name, column in columns.items() if (cell := person.cells.get(column, ""))}
        return cells | ({"name": person.mailbox.name} if own_name and person.mailbox.name else {})

    return [_recipient(person.mailbox, personal(person)) for person in people.found]


def _recipient(mailbox: Mailbox, own: Mapping[str, str]) -> Recipient:
    """Whose name is known by a chosen column only is called by it everywhere."""
    with suppress(Mistake):  # no name for an address; as a value it may still do
        mailbox = mailbox if mailbox.name else replace(mailbox, name=named(own.get("name", "")))
    return Recipient(mailbox, own)


def unread(people: People) -> list[Mistake]:
    """What is wrong with the To field, each with the number of its line where there are several."""
    if people.beyond:
        n = len(people.found) + people.beyond
        return [Mistake(N_("These are {n} recipients; {most} at once are possible."), n=n, most=MOST_RECIPIENTS)]
    one_line = "\n" not in people.text.strip("\n")
    return _some(
        [bad.why if one_line else Mistake(N_("Line {line}: {why}"), line=bad.line, why=bad.why) for bad in people.bad]
    )


def read_letter(form: Mapping[str, str], zone: str) -> Letter:
    """Every field by its name; what is missing has its default."""
    return Letter(
        recipients=form.get("recipients", ""),
        template=form.get("template", ""),
        variables={name.removeprefix(VARIABLE): lines(form[name]) for name in form if name.startswith(VARIABLE)},
        columns={name.removeprefix(COLUMN): form[name] for name in form if name.startswith(COLUMN) and form[name]},
        subject=form.get("subject", ""),
        queue=form.get("queue", "default"),
        late_limit=form.get("late_limit", "")[:20],
        on_unknown=OnUnknown.AGAIN if form.get("on_unknown") == OnUnknown.AGAIN else OnUnknown.HOLD,
        when=form.get("when", "now"),
        moment=read_moment(form, zone),
        key=key if KEY.fullmatch(key := form.get("key", "")) else new_key(),
        saved=form.get("saved", "")[:40],
        task=as_id(form.get("task", "")),
        seen=form.get("seen", "")[:200],
        instead=as_id(form.get("instead", "")),
    )


def lines(text: str) -> str:
    """The text with line breaks of one kind: browsers write them as CRLF, whatever they were (HTML, 4.10.21.4)."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _some(mistakes: list[Mistake]) -> list[Mistake]:
    if len(mistakes) <= MOST_SHOWN:
        return mistakes
    rest = Mistake(N_("… and {n} more like these."), n=len(mistakes) - MOST_SHOWN)
    return [*mistakes[:MOST_SHOWN], rest]
