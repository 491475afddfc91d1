"""Which fields the form has for a template: one for each value that the message has a place for."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.mail import Mistake
from app.mail.sandbox import Part, subject_part
from app.mail.tables import column_for
from app.mail.templates import Template, Templates
from app.web.i18n import translate

VARIABLE = "variables."
"""How the name of such a field begins."""


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


def shown(
    template: Template | None, subject: str, columns: Sequence[str], variables: Mapping[str, str]
) -> Mapping[str, Any]:
    """What the page says of them: which may be left empty, and which have a column of the table of recipients."""
    names = fields(template, subject)
    return {
        "chosen": template,
        "fields": names,
        "optional": {*names}.difference(_needed(template, subject)),
        "from_column": {name: column for name in names if (column := column_for(name, columns))},
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
