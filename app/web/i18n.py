"""Korean and English: which of them a request speaks, its sentences, and how it writes moments and spans of time.

Sentences carry their places in braces, in Python and in templates alike: `_("Sent to {who}.", who=name)`.
"""

import re
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from gettext import NullTranslations
from io import BytesIO
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_datetime, format_timedelta
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations
from babel.units import format_unit
from quart import Quart, request, session

from app.mail import Mistake
from app.tasks.lifecycle import EDITED

LANGUAGES = {"en": "English", "ko": "한국어"}
LOCALES = {code: Locale(code) for code in LANGUAGES}  # read once, not for every moment on a page
CATALOGUES = Path(__file__).parent / "locale"

# Babel writes "AM 9:00" for Korean, which nobody in Korea does: 24 hours it is.
OF_MANY = re.compile(r"(.*) \(bulk (\d+)\)", re.DOTALL)
"""Why one of many tasks was moved at once, as bulk.py writes it."""

MOMENT = {"en": "EEE d MMM yyyy, HH:mm", "ko": "yyyy년 M월 d일 (E) HH:mm"}
DAY = {"en": "EEEE d MMMM yyyy", "ko": "yyyy년 M월 d일 EEEE"}

Unit = Literal["day", "hour", "minute", "second"]

UNITS: tuple[tuple[Unit, int], ...] = (
    ("day", 86400),
    ("hour", 3600),
    ("minute", 60),
    ("second", 1),
)

_language: ContextVar[str] = ContextVar("language", default="en")


def install(app: Quart) -> None:
    """Give `app` the two languages: chosen before each request, spoken by every template."""
    app.before_request(_choose)
    app.jinja_env.add_extension("jinja2.ext.i18n")
    # "Old style" means: `_` gets its parameters itself. Whatever it returns is escaped, as all text is.
    app.jinja_env.install_gettext_callables(gettext, ngettext, newstyle=False)  # type: ignore[attr-defined]
    app.jinja_env.globals.update(
        language=language, languages=LANGUAGES, moment=moment, relative=relative, people=people, clock=clock, date=date,
        lasting=lasting, reason=reason, span=span, short=short,
    )  # fmt: skip


async def _choose() -> None:
    """`?lang=` (remembered), else what was remembered, else what the browser asks for, else English."""
    asked = request.args.get("lang", "")
    # Once is enough: whoever looks again at this address must not bring back a cookie without what was told since.
    if asked in LANGUAGES and asked != session.get("lang"):
        session["lang"] = asked
    kept = session.get("lang")
    speak(kept if kept in LANGUAGES else request.accept_languages.best_match(list(LANGUAGES), "en"))


def speak(code: str) -> None:
    """Use this language from here on, in this task (asyncio's) only."""
    _language.set(code)


def language() -> str:
    """The code of the language in use: en or ko."""
    return _language.get()


def gettext(text: str, **params: object) -> str:
    """`text` (an English msgid) in the language in use, its {places} filled in."""
    found = _catalogues[language()].gettext(text) if text else text  # the empty msgid is the catalogue's head
    return found.format(**params) if params else found


def ngettext(one: str, many: str, n: int, **params: object) -> str:
    """The same, chosen by the number `n`, which fills the place {n}."""
    return _catalogues[language()].ngettext(one, many, n).format(n=n, **params)


def reason(why: str) -> str:
    """Why a task was moved; where many were at once, with the number of that action."""
    if why.startswith(EDITED):
        return gettext("Edited: {parts}", parts=", ".join(map(gettext, why.removeprefix(EDITED).split(", "))))
    if of_many := OF_MANY.fullmatch(why):
        return gettext(of_many[1]) + gettext(" (many at once, no. {n})", n=of_many[2])
    return gettext(why)


def translate(mistake: Mistake) -> str:
    """A mistake as a sentence for the person who made it."""
    params = {name: translate(each) if isinstance(each, Mistake) else each for name, each in mistake.params.items()}
    return gettext(mistake.text).format(**params)


def moment(at: datetime, zone: str) -> str:
    """`Tue 8 Dec 2026, 09:00 Asia/Seoul`, or its like in Korean."""
    return f"{_format(at, zone, MOMENT[language()])} {zone}"


def day(at: datetime, zone: str) -> str:
    """`Tuesday 8 December 2026`, or its like in Korean."""
    return _format(at, zone, DAY[language()])


def clock(at: datetime, zone: str) -> str:
    """`Tue 09:00`: enough for a moment of these days."""
    return _format(at, zone, "EEE HH:mm" if language() == "en" else "(E) HH:mm")


def short(at: datetime, zone: str) -> str:
    """`Tue 8 Dec 09:00`, with its year where that is another one than this."""
    year = {"en": " yyyy", "ko": "yyyy년 "}[language()] if at.year != datetime.now(ZoneInfo(zone)).year else ""
    return _format(at, zone, f"EEE d MMM{year} HH:mm" if language() == "en" else f"{year}M월 d일 (E) HH:mm")


def date(at: datetime, zone: str) -> str:
    """`8 Dec`: enough for a day of these weeks."""
    return _format(at, zone, "d MMM" if language() == "en" else "M월 d일")


def _format(at: datetime, zone: str, form: str) -> str:
    return _of_minute(at.astimezone(UTC).replace(second=0, microsecond=0), zone, form, language())


@lru_cache(maxsize=4096)  # a page of many rows says the same few again and again
def _of_minute(minute: datetime, zone: str, form: str, code: str) -> str:
    return format_datetime(minute, form, tzinfo=ZoneInfo(zone), locale=LOCALES[code])


def relative(at: datetime, now: datetime | None = None) -> str:
    """`in 14 minutes`, `3 hours ago`, `now`: one unit, rounded towards now, as postdate.js writes it."""
    seconds = (at - (now or datetime.now(UTC))).total_seconds()
    for unit, length in UNITS:
        if count := int(seconds / length):
            return _in_one_unit(timedelta(seconds=count * length), unit, True, language())
    return gettext("now")


def span(seconds: float) -> str:
    """`12 seconds`, `3 minutes`: one unit, rounded, and never none."""
    unit, length = next((each for each in UNITS if seconds >= each[1]), UNITS[-1])
    return _in_one_unit(timedelta(seconds=max(1, round(seconds / length)) * length), unit, False, language())


@lru_cache(maxsize=4096)
def _in_one_unit(length: timedelta, unit: Unit, has_direction: bool, code: str) -> str:
    # A threshold out of reach, so that 15 days do not become 2 weeks.
    return format_timedelta(length, granularity=unit, threshold=1e9, add_direction=has_direction, locale=LOCALES[code])


def lasting(ms: int) -> str:
    """`850 ms`, `1.4 sec`, `3 min`: how long something took, in the largest unit that fits."""
    unit, length = next(((unit, length) for unit, length in UNITS if ms >= length * 1000), ("millisecond", 0.001))
    return format_unit(round(ms / length / 1000, 1), f"duration-{unit}", length="short", locale=LOCALES[language()])


def people(first: str, count: int) -> str:
    """`anna@example.com and 2 more`: whom a mail goes to, as short as it can be said."""
    return gettext("{first} and {n} more", first=first, n=count - 1) if count > 1 else first


def _read_catalogue(path: Path) -> NullTranslations:
    compiled = BytesIO()
    with path.open("rb") as source:
        write_mo(compiled, read_po(source))
    compiled.seek(0)
    return Translations(compiled)


_catalogues: dict[str, NullTranslations] = {
    code: _read_catalogue(path) if (path := CATALOGUES / f"{code}.po").is_file() else NullTranslations()
    for code in LANGUAGES
}
