"""The time for later, as a person typed it: the field that compose and reschedule share."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from typing import Any, Self
from zoneinfo import ZoneInfo

from app.mail import Mistake
from app.tasks.request import Mistakes
from app.tasks.when import FORMS, Ambiguous, Past, QuickPick, Skipped, fixes, parse_wall_time, quick_picks, zone_of
from app.tasks.when import ZONES as KNOWN
from app.web import i18n
from app.web.compose.last_used import last_time

FOLDS = {"0": 0, "1": 1}
NATIVE = "%Y-%m-%dT%H:%M"
SECONDS = ":%S"
PICK = "at-"
ZONES = sorted(KNOWN)


@dataclass(frozen=True)
class Moment:
    """A wall time, its zone, and which of two it is where clocks go back: all as typed."""

    wall: str = ""
    zone: str = ""
    fold: str = ""

    @classmethod
    def of(cls, at: datetime, zone: str) -> Self:
        """The moment `at` (aware) as one would type it in the IANA zone `zone`."""
        wall = _whole_second(at).astimezone(ZoneInfo(zone))
        return cls(f"{wall:{NATIVE}}" + (f"{wall:{SECONDS}}" if wall.second else ""), zone, str(wall.fold))

    def read(self, now: datetime) -> tuple[datetime | None, Mistakes]:
        """The instant, aware and in its zone; or None, and what is wrong with which field."""
        try:
            zone = zone_of(self.zone)
        except Mistake as wrong:
            return None, {"zone": [wrong]}
        try:
            return parse_wall_time(self.wall, zone, now, FOLDS.get(self.fold)), {}
        except Mistake as wrong:
            return None, {"scheduled_at": [wrong]}

    def mistake(self, now: datetime) -> Mistake | None:
        """Why the wall time is no moment, if it is typed and is none."""
        try:
            parse_wall_time(self.wall, zone_of(self.zone), now)
        except Mistake as wrong:
            return wrong if self.wall.strip() else None
        return None

    def choices(self, now: datetime) -> tuple[datetime, ...]:
        """The two instants that it may stand for, where clocks show it twice; else none."""
        twice = self.mistake(now)
        return (twice.first, twice.second) if isinstance(twice, Ambiguous) else ()

    def picks(self, now: datetime, last: time | None) -> list[QuickPick]:
        """Moments that people often want, in the zone typed; none where there is no such zone."""
        try:
            return quick_picks(now, zone_of(self.zone), last)
        except Mistake:
            return []

    def sentence(self, now: datetime, here: str = "") -> str:
        """What this moment is, in words, as postdate.js writes it while somebody types; empty where there is none. With
        `here`, a zone, also what clocks show there, if that is something else.
        """
        at, _ = self.read(now)
        if at is None:
            return _about(self.mistake(now), now)
        day, time, left = i18n.day(at, self.zone), f"{at:%H:%M}", i18n.relative(at, now)
        if here and (there := at.astimezone(ZoneInfo(here))).utcoffset() != at.utcoffset():
            return i18n.gettext("Sends {day} at {time} {zone}, {left}. In {here}, that is {there}.", day=day, time=time,
                                zone=self.zone, left=left, here=here, there=i18n.short(there, here))  # fmt: skip
        return i18n.gettext("Sends {day} at {time} {zone}, {left}.", day=day, time=time, zone=self.zone, left=left)

    @property
    def native(self) -> str | None:
        """The wall time as a browser's date field takes it. None: it would lose what was typed, so show it as text."""
        for form in FORMS:
            try:
                wall = datetime.strptime(self.wall.strip(), form)  # noqa: DTZ007 (shown, not meant)
            except ValueError:
                continue
            return wall.isoformat(timespec="seconds" if wall.second else "minutes")
        return None if self.wall.strip() else ""


def _whole_second(at: datetime) -> datetime:
    """The first one that is not before `at`: forms know no part of one, and nothing is to be early."""
    return at + timedelta(microseconds=-at.microsecond % 1_000_000)


def _about(wrong: Mistake | None, now: datetime) -> str:
    match wrong:
        case Past():
            return i18n.gettext("That was {ago}.", ago=i18n.relative(wrong.instant, now))
        case Skipped():
            return i18n.gettext("Clocks skip this time in that zone.")
        case Ambiguous():
            return i18n.gettext("Clocks show this time twice in that zone.")
    return ""


def read_moment(form: Mapping[str, str], zone: str) -> Moment:
    """The fields `scheduled_at`, `zone` (where it is missing: `zone`) and `fold`."""
    return Moment(form.get("scheduled_at", ""), form.get("zone", zone), form.get("fold", ""))


def picked(typed: Moment, wish: str) -> Moment:
    """What a quick pick or a fix does to it: such a button's value ends with the wall time that it showed."""
    return replace(typed, wall=wish.removeprefix(PICK), fold="") if wish.startswith(PICK) else typed


def when(typed: Moment) -> Mapping[str, Any]:
    """What the macro of the when-field needs."""
    now = datetime.now(UTC)
    return {
        "typed": typed,
        "sentence": typed.sentence(now),
        "picks": typed.picks(now, last_time()),
        "fixes": fixes(typed.mistake(now), now),
        "choices": typed.choices(now),
        "zones": ZONES,
    }
