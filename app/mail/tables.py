"""Finds out whether a text is a table, and reads its rows (RFC 4180) in linear time, whatever is wrong in them."""

import csv
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

ADDRESS = ("email", "emailaddress", "mail", "mailaddress", "이메일", "이메일주소", "메일", "메일주소", "전자우편",
           "address", "주소")  # fmt: skip
"""How the column of the addresses may be called; `주소` may be a street where there is another of these."""

NAME = ("name", "fullname", "이름", "성명", "성함", "고객명", "회원명", "받는사람", "수신자")
OTHERS = {
    "company": ("회사", "회사명", "업체", "업체명"),
    "date": ("날짜", "일자", "일시"),
    "time": ("시간", "시각"),
    "place": ("장소",),
    "event": ("행사", "행사명"),
    "phone": ("전화", "전화번호", "연락처", "휴대폰"),
    "amount": ("금액",),
    "link": ("링크",),
    "note": ("메모", "비고"),
}
"""How columns are called in Korean whose variables are called in English."""
SEPARATORS = ("\t", ";", ",")  # a paste from a spreadsheet has tabs
LONGEST_ROW = 20  # lines; a cell may have line breaks, a quotation mark that is never closed must not eat the rest
MOST_COLUMNS = 500
MOST_GUESSED = 20_000  # rows that are looked at to tell a table from a list


@dataclass(frozen=True)
class Table:
    """A text whose line `first` - 1 is the header `head`; the addresses are in the column number `address`."""

    lines: Sequence[str]
    first: int
    separator: str
    head: Sequence[str]
    address: int

    @cached_property
    def columns(self) -> Sequence[str]:
        """The columns that have a name, each once."""
        return tuple(dict.fromkeys(filter(None, self.head)))

    @cached_property
    def name_column(self) -> str | None:
        """The column of people's names."""
        return column_for("name", self.columns)


def find_table(text: str) -> Table | None:
    """The table that `text` is, whose lines end in LF; None where it is a list.

    Its first line says which column has the addresses: by a word for it, else it is the only column with an @ in it.
    """
    lines = text.split("\n")
    first = next((number for number, line in enumerate(lines) if line.strip()), 0)
    if "@" in lines[first]:
        return None
    heads = [(mark, cells) for mark in SEPARATORS if len(cells := _cells(lines[first], mark)) <= MOST_COLUMNS]
    for separator, cells in heads:
        words = [_word(cell) for cell in cells]
        if known := [word for word in ADDRESS if word in words]:
            return Table(lines, first + 1, separator, cells, words.index(known[0]))
    for separator, cells in heads:
        table = Table(lines, first + 1, separator, cells, 0)
        if len(cells) > 1 and all(cells) and (column := _only_with_at(table)) is not None:
            return Table(lines, first + 1, separator, cells, column)
    return None


def _cells(line: str, separator: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=separator), [])]
    except csv.Error:
        return []


def _only_with_at(table: Table) -> int | None:
    columns: set[int] = set()
    for _, _, cells in islice(rows(table), MOST_GUESSED):
        if cells is None or len(cells) not in (0, len(table.head)):
            return None
        columns.update(number for number, cell in enumerate(cells) if "@" in cell)
    return columns.pop() if len(columns) == 1 else None


def rows(table: Table) -> Iterator[tuple[int, int, list[str] | None]]:
    """Each row (RFC 4180): the numbers, from 0, of its first line and of the one after it; None where it is no row."""

    def of_this_row(start: int) -> Iterator[str]:
        for number in range(start, len(table.lines)):
            if number - begun >= LONGEST_ROW:
                raise csv.Error
            yield table.lines[number] + "\n"

    begun = table.first
    while begun < len(table.lines):
        start = begun
        reader = csv.reader(of_this_row(start), delimiter=table.separator, strict=True)
        try:
            for cells in reader:
                yield begun, start + reader.line_num, cells
                begun = start + reader.line_num
        except csv.Error:
            yield begun, begun + 1, None
            begun += 1


def column_for(variable: str, columns: Sequence[str]) -> str | None:
    """The column that fills `variable`: the one of that name, spelled as people do (`Company name`: company_name)."""
    if variable in columns:
        return variable
    spelled = {_spelled(column): column for column in reversed(columns)}
    if variable == "name":
        spelled = {word: column for column in reversed(columns) if (word := _word(column)) in NAME} | spelled
        return spelled.get("name") or next((spelled[word] for word in NAME if word in spelled), None)
    words = (_spelled(variable), *OTHERS.get(_spelled(variable), ()))
    return next((spelled[word] for word in words if word in spelled), None)


def _spelled(text: str) -> str:
    return re.sub(r"[\s-]+", "_", unicodedata.normalize("NFC", text).casefold().strip())


def _word(text: str) -> str:
    return re.sub(r"[\s_-]+", "", unicodedata.normalize("NFC", text).casefold())
