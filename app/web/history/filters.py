"""The history's filters as the address bar has them: read from it, written into links, and said in words."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from app.mail import N_, Mistake
from app.tasks.filter import ATTENTION, Filter
from app.tasks.model import TaskStatus
from app.tasks.request import Mistakes

SENDING = "sending"
TABS = ("", TaskStatus.SCHEDULED, SENDING, TaskStatus.FINISHED, TaskStatus.FAILED, ATTENTION, TaskStatus.CANCELLED)
"""Their words in `?status=`, in the order in which they are shown. `queued` and `started` are words of it as well."""

WORDS = frozenset({*TABS, *TaskStatus})
TEXTS = ("q", "template", "subject", "by")
DATES = ("since", "until")
LONGEST = 320
NO_DATE = N_("This is not a date. Write it like 2026-12-08.")


@dataclass(frozen=True)
class Asked:
    """What the address bar asks for: `since` and `until` are days, both included, the rest is as in a Filter.

    `mistakes` has the days that are none, and `typed` what was typed there.
    """

    status: str = ""
    q: str = ""
    template: str = ""
    subject: str = ""
    by: str = ""
    since: date | None = None
    until: date | None = None
    fault: int | None = None
    cursor: int | None = None
    mistakes: Mistakes = field(default_factory=dict)
    typed: Mapping[str, str] = field(default_factory=dict)

    def filter(self, zone: str) -> Filter:
        """The same for the core; days are those of `zone`."""
        return Filter(
            status=self.status or None,
            template=self.template or None,
            q=self.q or None,
            since=_begins(self.since, zone),
            until=_begins(self.until + timedelta(days=1), zone) if self.until else None,
            cursor=self.cursor,
            subject=self.subject or None,
            by=self.by or None,
            fault=self.fault,
        )

    @property
    def tab(self) -> str:
        """The tab to which the status belongs."""
        return SENDING if self.status in (TaskStatus.QUEUED, TaskStatus.STARTED) else self.status

    @property
    def narrows(self) -> bool:
        """Whether anything but the tab chooses: then the numbers on the tabs would not be those of the lists."""
        return bool(self._query(status="", cursor=None))

    def active(self) -> list[str]:
        """The names of the filters that hold, without what the tab says."""
        return list(self._query(status="" if self.status in TABS else self.status, cursor=None))

    def address(self, path: str = "/history", **changes: Any) -> str:
        """The same list elsewhere, or with `changes`; from its first page, unless they say `cursor`."""
        query = self._query(**{"cursor": None, **changes})
        return path + ("?" + urlencode(query) if query else "")

    def fields(self) -> dict[str, str]:
        """The same as a form's fields; `read_asked` reads them."""
        return self._query(cursor=None)

    def _query(self, **changes: Any) -> dict[str, str]:
        other = replace(self, **changes)
        names = ("status", *TEXTS, *DATES, "fault", "cursor")
        return {name: str(value) for name in names if (value := getattr(other, name))}


def read_asked(query: Mapping[str, str]) -> Asked:
    """What makes no sense there is as good as not there; but a day that is none is a mistake: a person typed it."""
    texts = {name: _text(query.get(name, "")) for name in (*TEXTS, *DATES)}
    dates = {name: _date(texts.pop(name)) for name in DATES}
    status = query.get("status", "")
    return Asked(
        status=status if status in WORDS else "",
        fault=_number(query.get("fault", "")),
        cursor=_number(query.get("cursor", "")),
        mistakes={name: [day] for name, day in dates.items() if isinstance(day, Mistake)},
        typed={name: _text(query.get(name, "")) for name in DATES},
        since=_found(dates["since"]),
        until=_found(dates["until"]),
        **texts,
    )


def _text(given: str) -> str:
    return given.strip()[:LONGEST]


def _date(given: str) -> date | Mistake | None:
    try:
        found = date.fromisoformat(given) if given else None
    except ValueError:
        return Mistake(NO_DATE)
    return found if found is None or 1970 <= found.year < 3000 else Mistake(NO_DATE)


def _found(day: date | Mistake | None) -> date | None:
    return None if isinstance(day, Mistake) else day


def _number(given: str) -> int | None:
    return int(given) if given.isascii() and given.isdigit() and len(given) < 19 else None


def _begins(day: date | None, zone: str) -> datetime | None:
    return datetime.combine(day, time(), ZoneInfo(zone)) if day else None


def by_tab(counts: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """How many tasks each tab has."""
    for tab in TABS:
        each = {"": tuple(TaskStatus), SENDING: (TaskStatus.QUEUED, TaskStatus.STARTED)}.get(tab, (tab,))
        yield tab, sum(counts.get(status, 0) for status in each)
