"""The To field: what the page tells of whom it reads there, and a file's way into it."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from app.mail import N_, Mistake
from app.mail.people import People, read_people
from app.web.compose.forms import unread
from app.web.i18n import gettext, ngettext, translate

LARGEST_FILE = 1_500_000
"""Bytes of UTF-8: what the form can bring back as text, with room for its other fields."""

MOST_CHIPS = 100  # people who are shown one by one; more are counted, and edited as text
ROWS_SHOWN = 3
DUPLICATES_NAMED = 3

_BINARY = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f]")


def shown(people: People) -> Mapping[str, Any]:
    """What the page says of them, so that nobody has to send a mail to find out."""
    n = len(people.found) + people.beyond
    return {
        "n": n,
        "table": bool(people.columns),
        "bad": len(people.bad),
        "said": " · ".join(_sentences(people, n)) if people.found or people.bad or people.columns else "",
        "columns": people.columns,
        "rows": [[person.cells.get(column, "") for column in people.columns] for person in people.found[:ROWS_SHOWN]]
        if people.columns
        else [],
        "more_rows": max(0, n - ROWS_SHOWN),
        "chips": _chips(people),
    }


def _sentences(people: People, n: int) -> list[str]:
    said = [ngettext("{n} person", "{n} people", n)]
    if people.columns:
        said = [ngettext("{n} person from a table", "{n} people from a table", n)]
        said.append(gettext("columns: {columns}", columns=", ".join(people.columns)))
    if people.again:
        said.append(left_out(people.again))
    if people.bad:
        said.append(ngettext("{n} line cannot be read", "{n} lines cannot be read", len(people.bad)))
    return said


def left_out(again: Sequence[str]) -> str:
    """How many came twice, and the first of them."""
    named = ", ".join(again[:DUPLICATES_NAMED]) + (", …" if len(again) > DUPLICATES_NAMED else "")
    return ngettext("{n} duplicate left out ({named})", "{n} duplicates left out ({named})", len(again), named=named)


def _chips(people: People) -> str | None:
    """A list short enough to be shown one by one, as the script takes it: pairs of what was typed and what is wrong."""
    if people.columns or len(people.entries) > MOST_CHIPS or people.beyond:
        return None
    return json.dumps([[text, translate(why) if why else ""] for text, why in people.entries])


def noticed(people: People) -> Mapping[str, list[str]]:
    """What can't be read in it, told before anybody tries to send it."""
    return {"recipients": [translate(why) for why in unread(people)]} if people.bad or people.beyond else {}


def taken(typed: str, name: str, content: bytes) -> tuple[str, str]:
    """The To field with the file `name` in it, and what to tell the person. Raises Mistake."""
    text = decoded(content)
    if not text.strip():
        raise Mistake(N_("The file {name} is empty."), name=name)
    if len(text.encode(errors="replace")) > LARGEST_FILE:
        raise Mistake(N_("The file {name} is too large: {most} MB are possible."), name=name, most=LARGEST_FILE / 1e6)
    before, added = read_people(typed), read_people(text)
    if not typed.strip():
        return text, gettext("Read from {name}.", name=name)
    if before.columns or added.columns:
        return text, gettext("{name} took the place of what was here: tables cannot be joined.", name=name)
    return f"{typed.rstrip()}\n{text}", gettext("{name} was added to what was here.", name=name)


def decoded(content: bytes) -> str:
    """A file's text: in UTF-8, in UTF-16 with a byte order mark, or in CP949 as Korean spreadsheets save it."""
    encodings = ["utf-16"] if content[:2] in (b"\xff\xfe", b"\xfe\xff") else ["utf-8-sig", "cp949"]
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if not _BINARY.search(text):
            return text
    raise Mistake(N_("This is not a text file. Save the spreadsheet as CSV, and choose that file."))
