"""What the JSON calls take: every field, its limits, and a sentence for what is wrong with it."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    PlainSerializer,
    PlainValidator,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from app.mail import Mistake
from app.mail.addresses import CONTROLS, NAME_LIMIT, Mailbox, parse
from app.mail.templates import SUBJECT_LIMIT
from app.tasks.model import OnUnknown, TaskStatus
from app.tasks.request import LONGEST_LATE, MOST_RECIPIENTS, Mistakes, Recipient
from app.tasks.when import Past, check_future

RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?(Z|z|[+-]\d\d:\d\d)", re.ASCII)
EXAMPLE = "2026-12-08T09:00:00+09:00"
MESSAGES = {"missing": "This field is needed.", "extra_forbidden": "There is no such field."}


def _moment(value: object) -> object:
    """RFC 3339 5.6 with its offset, and nothing else: no bare numbers, no wall times, no dates."""
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not RFC3339.fullmatch(value):
        if isinstance(value, str) and RFC3339.fullmatch(value + "Z"):
            raise ValueError(f"This time has no offset, so it could mean many moments. Write it like {EXAMPLE}.")
        raise ValueError(f"This is not a time of RFC 3339. Write it like {EXAMPLE}.")
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("There is no such time in the calendar.") from None


def _plain(text: str) -> str:
    if CONTROLS.search(text):
        raise ValueError("This contains a line break or an invisible character; please remove it.")
    return text


def _mailbox(value: object) -> Mailbox:
    if not isinstance(value, str):
        raise ValueError("Input should be a valid string.")
    return parse(value)


def _name(text: str) -> str:
    name = " ".join(unicodedata.normalize("NFC", _plain(text)).split())
    if len(name) > NAME_LIMIT:
        raise ValueError(f"A name has at most {NAME_LIMIT} characters.")
    return name


_TIME = {"type": "string", "format": "date-time", "examples": [EXAMPLE]}
Moment = Annotated[
    AwareDatetime,
    BeforeValidator(_moment, json_schema_input_type=str),
    PlainSerializer(datetime.isoformat, return_type=str),
    WithJsonSchema(_TIME),
]
PLAIN = AfterValidator(_plain)


class Asked(BaseModel):
    """What comes in: unknown fields are mistakes."""

    model_config = ConfigDict(extra="forbid")


class Person(Asked):
    """One recipient. As a plain string it is the address alone."""

    address: Annotated[Mailbox, PlainValidator(_mailbox, json_schema_input_type=str)]
    name: Annotated[str, AfterValidator(_name), Field(json_schema_extra={"maxLength": NAME_LIMIT})] = ""
    variables: dict[str, JsonValue] = Field(default_factory=dict)

    def recipient(self, shared: Mapping[str, JsonValue]) -> Recipient:
        """The name beside the address wins over one within it. It is the variable `name` as well, where nothing is."""
        mailbox = replace(self.address, name=self.name) if self.name else self.address
        has_one = self.variables.get("name", shared.get("name")) not in (None, "")
        return Recipient(
            mailbox, self.variables if has_one or not mailbox.name else {**self.variables, "name": mailbox.name}
        )


def _person(value: object) -> object:
    return {"address": value} if isinstance(value, str) else value


class NewTask(Asked):
    """A task to be: this template, to these people, at this moment, or at once."""

    template: Annotated[str, StringConstraints(max_length=128), PLAIN]
    recipients: Annotated[
        list[Annotated[Person, BeforeValidator(_person, json_schema_input_type=str | Person)]],
        Field(max_length=MOST_RECIPIENTS),
    ]
    variables: dict[str, JsonValue] = Field(default_factory=dict)
    subject: Annotated[str, StringConstraints(max_length=SUBJECT_LIMIT), PLAIN] | None = None
    scheduled_at: Moment | None = None
    queue: Literal["high", "default", "low"] = "default"
    late_limit: Annotated[int, Field(ge=60, le=LONGEST_LATE)] | None = None
    on_unknown: OnUnknown = OnUnknown.HOLD

    def people(self) -> list[Recipient]:
        """Everyone once: of two with the same address the first stays."""
        found: dict[str, Recipient] = {}
        for recipient in (person.recipient(self.variables) for person in self.recipients):
            found.setdefault(recipient.mailbox.key, recipient)
        return list(found.values())


class NewTime(Asked):
    """When a task is to be sent instead."""

    scheduled_at: Moment


class Paging(Asked):
    """Which part of a long list: `cursor` is the `next` of the part before."""

    cursor: Annotated[str, StringConstraints(max_length=1000)] | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class Search(Paging):
    """Which tasks: all that fit everything that is given. `q` is how a recipient's address begins."""

    status: TaskStatus | None = None
    template: Annotated[str, StringConstraints(max_length=128), PLAIN] | None = None
    q: Annotated[str, StringConstraints(max_length=320), PLAIN] | None = None
    since: Moment | None = None
    until: Moment | None = None

    @model_validator(mode="before")
    @classmethod
    def _without_empty(cls, given: Any) -> Any:
        return {name: value for name, value in given.items() if value != ""} if isinstance(given, dict) else given


class Key(BaseModel):
    """`Idempotency-Key`: the same key with the same body gives the same task, and sends nothing twice."""

    idempotency_key: Annotated[str, StringConstraints(pattern="^[ -~]{1,255}$")] = Field(default="")


def not_ahead(moment: datetime) -> Mistakes:
    """What is wrong with a moment that has passed, or is too far away; nothing where it lies ahead."""
    try:
        check_future(moment, datetime.now(UTC))
    except Past:
        return {"scheduled_at": [Mistake("This moment has passed. Give a later one.")]}
    except Mistake as wrong:
        return {"scheduled_at": [wrong]}
    return {}


def mistakes(error: ValidationError) -> list[tuple[str, str]]:
    """Each as field (`recipients.3.address`) and message."""
    return [(".".join(map(str, found["loc"])), _message(found)) for found in error.errors(include_url=False)]


def _message(found: Any) -> str:
    raised = found.get("ctx", {}).get("error")
    return str(raised) if raised else MESSAGES.get(found["type"], f"{found['msg']}.")
