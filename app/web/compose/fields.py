"""Which fields the form has for a template: one for each value that the message has a place for."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.mail import N_, Mistake
from app.mail.people import People
from app.mail.sandbox import Part, subject_part
from app.mail.tables import column_for
from app.mail.templates import Template, Templates
from app.web.i18n import gettext, translate

VARIABLE, COLUMN = "variables.", "columns."
"""How the name of such a field begins, and that of the choice of a column for it."""

NO_COLUMN = "-"
"""That choice, where the value is the same for everybody though a column would fit."""

COMMON = (
    N_("Name"), N_("Title"), N_("Company"), N_("Event"), N_("Subject"), N_("Date"), N_("Time"), N_("Place"),
    N_("Address"), N_("Phone"), N_("Amount"), N_("Link"), N_("Message"), N_("Note"),
)  # fmt: skip
"""What fields are often called: these have words in every language."""


def find(templates: Templates, name: str) -> Template | None:
    """The template, or None where there is none that works; the core says why."""
    try:
        return templates.get(name)
    except Mistake:
        return None


def choices(templates: Templates) -> Mapping[str, Any]:
    """The templates that there are, whether each of them works, and what is left out, and why."""
    return {
        "names": {name: find(templates, name) is not None for name in templates.names()},
        "left_out": [translate(why) for _, why in templates.left_out()],
    }


def fields(template: Template | None, subject: str) -> list[str]:
    """The names for which the message has a place: the template's, and those in a subject of one's own."""
    own = _own(subject)
    return list(dict.fromkeys([*(template.variables if template else []), *(own.variables if own else [])]))


def label(name: str) -> str:
    """What the form calls the field of a variable: `start_date` is Start date."""
    return gettext(name.replace("_", " ").capitalize())


def from_columns(names: Sequence[str], columns: Sequence[str], chosen: Mapping[str, str]) -> dict[str, str]:
    """The column that each of these variables is filled from: the chosen one, else the one that is called like it."""
    found = {name: chosen[name] if chosen.get(name) in columns else column_for(name, columns) for name in names}
    return {name: column for name, column in found.items() if column and chosen.get(name) != NO_COLUMN}


def shown(
    template: Template | None, subject: str, people: People, variables: Mapping[str, str], chosen: Mapping[str, str]
) -> Mapping[str, Any]:
    """What the page says of them: which may be left empty, and which column of the table of recipients fills which."""
    names = fields(template, subject)
    filled = from_columns(names, people.columns, chosen)
    return {
        "chosen": template,
        "fields": names,
        "optional": {*names}.difference(_needed(template, subject)),
        "from_column": filled,
        "by_name": from_columns(names, people.columns, {}),
        "columns": people.columns if len(people.columns) > 1 else (),
        "unused": [column for column in people.columns if column not in (*filled.values(), *people.own)],
        # What was typed for another template stays in the form, unseen: people change their mind and change it back.
        "hidden": {VARIABLE + name: value for name, value in variables.items() if name not in names and value},
    }


def _needed(template: Template | None, subject: str) -> list[str]:
    own = _own(subject)
    needed = template.missing({}, subject.strip() if own else None) if template else []
    return [*needed, *(own.needed if own else [])]


def _own(subject: str) -> Part | None:
    try:
        return subject_part(subject.strip()) if subject.strip() else None
    except Mistake:
        return None
