"""The time for later, as a person typed it: the field that compose and reschedule share."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from app.mail import Mistake
from app.tasks import when
from app.tasks.submit import Mistakes
from app.tasks.when import FORMS, Ambiguous, QuickPick, parse_wall_time, quick_picks, zone_of
from app.web import i18n

FOLDS = {"0": 0, "1": 1}
NATIVE = "%Y-%m-%dT%H:%M"
ZONES = sorted(when.ZONES)


@dataclass(frozen=True)
class Moment:
    """A wall time, its zone, and which of two it is where clocks go back: all as typed."""

    wall: str = ""
    zone: str = ""
    fold: str = ""

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

    def choices(self, now: datetime) -> tuple[datetime, ...]:
        """The two instants that it may stand for, where clocks show it twice; else none."""
        try:
            parse_wall_time(self.wall, zone_of(self.zone), now)
        except Ambiguous as twice:
            return twice.first, twice.second
        except Mistake:
            pass
        return ()

    def picks(self, now: datetime) -> list[QuickPick]:
        """Moments that people often want, in the zone typed; none where there is no such zone."""
        try:
            return quick_picks(now, zone_of(self.zone))
        except Mistake:
            return []

    def picked(self, number: str, now: datetime) -> "Moment":
        """The quick pick of that number."""
        picks = dict(zip("0123456789", self.picks(now), strict=False))
        return Moment(f"{picks[number].at:{NATIVE}}", self.zone) if number in picks else self

    def sentence(self, now: datetime) -> str:
        """The instant in words, as postdate.js writes it while somebody types; empty where there is none."""
        at, _ = self.read(now)
        if at is None:
            return ""
        day, time, left = i18n.day(at, self.zone), f"{at:%H:%M}", i18n.relative(at, now)
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


def read_moment(form: Mapping[str, str], zone: str) -> Moment:
    """The fields `scheduled_at`, `zone` (where it is missing: `zone`) and `fold`."""
    return Moment(form.get("scheduled_at", ""), form.get("zone", zone), form.get("fold", ""))
