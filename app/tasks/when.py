"""Moments: what a person typed, in the zone they meant, as one instant; or why it is none."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

from app.mail import N_, Mistake

FORMS = ("%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S")
"""The browser's own two, and those that older clients post."""

ZONES = available_timezones() - {"Factory", "localtime"}

FARTHEST = timedelta(days=3653)


class Ambiguous(Mistake):
    """A wall time that occurs twice, because clocks go back: `first` and `second` are its two instants."""

    def __init__(self, first: datetime, second: datetime) -> None:
        super().__init__(
            N_("{time} happens twice that night in {zone}, because clocks go back. Choose the first or the second."),
            time=f"{first:%H:%M}",
            zone=str(first.tzinfo),
        )
        self.first, self.second = first, second


class Past(Mistake):
    """A moment that lies behind: `instant`."""

    def __init__(self, instant: datetime) -> None:
        super().__init__(N_("This moment has passed. Choose a later one, or choose Now."))
        self.instant = instant


class Skipped(Mistake):
    """A wall time that clocks skip, because they go forward: `next` is as far behind the gap as it lies in it."""

    def __init__(self, wall: datetime, next: datetime) -> None:
        super().__init__(
            N_("{time} does not exist that night in {zone}, because clocks go forward. The next one is {next}."),
            time=f"{wall:%H:%M}",
            zone=str(wall.tzinfo),
            next=f"{next:%Y-%m-%d %H:%M}",
        )
        self.next = next


def zone_of(name: str) -> ZoneInfo:
    """The IANA zone of that name. Raises Mistake where there is none."""
    if name not in ZONES:
        raise Mistake(N_("There is no time zone named {zone}. Choose one from the list."), zone=name[:64] or "?")
    return ZoneInfo(name)


def parse_wall_time(text: str, zone: ZoneInfo, now: datetime, fold: int | None = None) -> datetime:
    """The instant at which clocks in `zone` show `text` (see FORMS), aware, in that zone.

    `fold` chooses between the two where there are two: 0 the first, 1 the second (PEP 495). Raises Mistake for what
    is empty, unreadable or too far away, Past (as of `now`), Skipped for what clocks skip, and Ambiguous for what they
    show twice while `fold` is None.
    """
    wall = _read(text.strip()).replace(tzinfo=zone)
    first, second = wall.replace(fold=0), wall.replace(fold=1)
    if first.utcoffset() != second.utcoffset():
        _refuse_gap(first)
        if fold is None:
            raise Ambiguous(first, second)
        wall = second if fold else first
    check_future(wall, now)
    return wall


def _read(text: str) -> datetime:
    if not text:
        raise Mistake(N_("Choose a date and a time, or choose Now."))
    for form in FORMS:
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007 (the zone is put on next)
        except ValueError:
            continue
    raise Mistake(N_("This is not a date and time. Write it like {example}."), example="2026-12-08 09:00")


def _refuse_gap(wall: datetime) -> None:
    there_and_back = wall.astimezone(UTC).astimezone(wall.tzinfo)
    if there_and_back.replace(tzinfo=None) != wall.replace(tzinfo=None):
        raise Skipped(wall, there_and_back)


def check_future(instant: datetime, now: datetime) -> None:
    """Raise Mistake unless `instant` lies after `now`, by no more than ten years."""
    if instant <= now:
        raise Past(instant)
    if instant - now > FARTHEST:
        raise Mistake(N_("This is more than ten years away. Choose an earlier moment."))


@dataclass(frozen=True)
class QuickPick:
    """A moment that people often want: `label` is a msgid, `at` the aware instant it stands for."""

    label: str
    at: datetime


def quick_picks(now: datetime, zone: ZoneInfo, last: time | None = None) -> list[QuickPick]:
    """In an hour, tomorrow at nine, Monday at nine, and next at the time used `last`: in `zone`, each after `now`."""
    here = now.astimezone(zone)
    hour = (now + timedelta(hours=1, seconds=59)).replace(second=0, microsecond=0).astimezone(zone)
    monday = here.date() + timedelta(days=7 - here.weekday())
    tomorrow = here.date() + timedelta(days=1)
    picks = [QuickPick(N_("In 1 hour"), hour), QuickPick(N_("Tomorrow"), datetime.combine(tomorrow, time(9), zone))]
    if monday != tomorrow:
        picks.append(QuickPick(N_("Monday"), datetime.combine(monday, time(9), zone)))
    if last and last != time(9):
        picks.append(next_at(last, now, zone, N_("Last used, today"), N_("Last used, tomorrow")))
    return picks


def next_at(clock: time, now: datetime, zone: ZoneInfo, today: str, tomorrow: str) -> QuickPick:
    """The next moment at which clocks in `zone` show `clock`, labelled by whether that is today."""
    day = now.astimezone(zone).date()
    at = _existing(datetime.combine(day, clock, zone))
    if at > now:
        return QuickPick(today, at)
    return QuickPick(tomorrow, _existing(datetime.combine(day + timedelta(days=1), clock, zone)))


def fixes(wrong: Mistake | None, now: datetime) -> list[QuickPick]:
    """What may have been meant instead of a moment that is Past or Skipped."""
    if isinstance(wrong, Skipped):
        return [QuickPick(N_("Instead at"), wrong.next)]
    if isinstance(wrong, Past) and isinstance(zone := wrong.instant.tzinfo, ZoneInfo):
        return [next_at(wrong.instant.time(), now, zone, N_("Today at"), N_("Tomorrow at"))]
    return []


def _existing(at: datetime) -> datetime:
    # What clocks skip is said as they will show it.
    return at.astimezone(UTC).astimezone(at.tzinfo)
