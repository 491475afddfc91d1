"""Reads whom a mail goes to, as typed or pasted: a list of addresses, or a table with a column for each variable."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import accumulate

from app.mail import N_, Mistake
from app.mail.addresses import Mailbox, named, parse
from app.mail.pasted import SEPARATORS, understood
from app.mail.tables import Table, find_table, rows

UNCLOSED = N_("A quotation mark is opened here and not closed.")
MOST_READ = 20_000  # rows or addresses; what comes after them is only counted

_MARK = re.compile(rf'\\.|["<>{SEPARATORS}\n]')


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody to write to. `cells` are theirs by column, where they stand in a table."""

    mailbox: Mailbox
    cells: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bad:
    """What could not be read, and why: the number of its line, from 1, and which part of the text to take out."""

    line: int
    start: int
    end: int
    why: Mistake


@dataclass(frozen=True)
class People:
    """What a text says: everybody once, in order; what is bad in it; who came again, how many are too many."""

    text: str
    found: Sequence[Person] = ()
    bad: Sequence[Bad] = ()
    again: Sequence[str] = ()  # addresses
    beyond: int = 0
    columns: Sequence[str] = ()  # none: it is a list
    own: Sequence[str] = ()  # the columns of the addresses and of the names
    entries: Sequence[tuple[str, Mistake | None]] = ()  # a list's items as typed, and what is wrong with them

    def without_bad(self) -> str:
        """The text, and nothing missing in it but what is bad."""
        kept, at = [], 0
        for bad in self.bad:
            kept.append(self.text[at : max(at, bad.start)])
            at = max(at, bad.end)
        return "".join([*kept, self.text[at:]])


@lru_cache(maxsize=4)
def read_people(text: str) -> People:
    """The same, kept: one request asks again and again, and large texts take half a second."""
    return parse_people(text)


def parse_people(text: str) -> People:
    """Read it, in linear time. It is a table where its first line says which column has the addresses."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    table = find_table(text)
    return _table(text, table) if table else _list(text)


def _list(text: str) -> People:
    found: dict[str, Person] = {}
    bad: list[Bad] = []
    entries: list[tuple[str, Mistake | None]] = []
    again: list[str] = []
    line, counted, beyond = 1, 0, 0
    for start, end in _split(text):
        item = text[start:end].strip()
        if not item or len(entries) == MOST_READ:
            beyond += bool(item)
            continue
        line, counted = line + text.count("\n", counted, start), start
        try:
            # First all of them, so that leaving out what is bad leaves out nothing that was taken.
            for written, mailbox in [(each, parse(each)) for each in understood(item)]:
                if found.setdefault(mailbox.key, person := Person(mailbox)) is not person:
                    again.append(mailbox.address)
                entries.append((written, None))
        except Mistake as why:
            bad.append(Bad(line, *_with_separator(text, start, end), why))
            entries.append((item.replace("\t", " "), why))
    return People(text, tuple(found.values()), tuple(bad), tuple(again), beyond, entries=tuple(entries))


def _split(text: str) -> Iterator[tuple[int, int]]:
    # One pass that never looks back. A line end closes everything, so an open quote spoils its own line only.
    start, quoted, angled = 0, False, False
    for match in _MARK.finditer(text):
        mark = match[0]
        if mark == "\n" or (mark in SEPARATORS and not quoted and not angled):
            yield start, match.start()
            start, quoted, angled = match.end(), False, False
        elif mark == '"':
            quoted = not quoted
        elif mark in "<>" and not quoted:
            angled = mark == "<"
    yield start, len(text)


def _with_separator(text: str, start: int, end: int) -> tuple[int, int]:
    last_in_line = text[end : end + 1] in ("", "\n")
    if last_in_line and text[max(0, start - 1) : start] in (*SEPARATORS,):
        return start - 1, end
    return start, end + 1


def _table(text: str, table: Table) -> People:
    starts = list(accumulate((len(line) + 1 for line in table.lines), initial=0))
    found: dict[str, Person] = {}
    bad: list[Bad] = []
    again: list[str] = []
    read, beyond = 0, 0
    for begun, ended, cells in rows(table):
        if cells is not None and not any(map(str.strip, cells)):
            continue
        read += 1
        if read > MOST_READ:
            beyond += 1
            continue
        try:
            person = _person(cells, table)
            if found.setdefault(person.mailbox.key, person) is not person:
                again.append(person.mailbox.address)
        except Mistake as why:
            bad.append(Bad(begun + 1, starts[begun], starts[ended], why))
    own = tuple(filter(None, (table.head[table.address], table.name_column)))
    return People(text, tuple(found.values()), tuple(bad), tuple(again), beyond, table.columns, own)


def _person(cells: list[str] | None, table: Table) -> Person:
    head, name = table.head, table.name_column
    if cells is None:
        raise Mistake(UNCLOSED)
    if any(map(str.strip, cells[len(head) :])):
        raise Mistake(
            N_(
                "This row has {n} cells, the first line has {columns}. "
                "Put quotation marks around a cell that has a comma in it."
            ),
            n=len(cells),
            columns=len(head),
        )
    values = {title: cell.strip() for title, cell in reversed(list(zip(head, cells, strict=False))) if title}
    address = cells[table.address].strip() if table.address < len(cells) else ""
    if not address:
        raise Mistake(N_("There is no address in this row."))
    several = understood(address)
    mailbox = parse(several[0] if len(several) == 1 else address)
    if name and values.get(name):
        if "\n" in values[name] and "@" in values[name]:  # it was closed in a later row: those between are swallowed
            raise Mistake(UNCLOSED)
        mailbox = replace(mailbox, name=named(values[name]))
    elif name:
        values[name] = mailbox.name
    return Person(mailbox, values | {head[table.address]: mailbox.address})
