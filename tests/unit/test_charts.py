"""What the charts show: which hour belongs to which slot, and how tall a bar is."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from app.web.history import charts
from app.web.history.charts import Slot


@dataclass
class Row:
    """An hour as the database gives it."""

    hour: datetime
    sent: int = 0
    failed: int = 0
    unknown: int = 0
    started: int = 0
    late_ms: int = 0
    latest_ms: int = 0


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def hourly(since: str, n: int) -> list[Row]:
    return [Row(utc(since) + timedelta(hours=each), sent=1) for each in range(n)]


def test_the_last_hours_end_with_this_one_and_are_shown_in_the_zone() -> None:
    slots = charts.last_hours(utc("2026-12-08T03:59:59"), "Asia/Seoul")
    assert len(slots) == 48
    assert (slots[0].at.isoformat(), slots[-1].at.isoformat()) == (
        "2026-12-06T13:00:00+09:00",
        "2026-12-08T12:00:00+09:00",
    )


def test_in_a_zone_half_an_hour_off_hours_begin_at_half_past() -> None:
    assert f"{charts.last_hours(utc('2026-12-08T03:10'), 'Asia/Kolkata')[-1].at:%H:%M}" == "08:30"


def test_each_hour_is_in_one_slot_and_what_came_before_is_in_none() -> None:
    slots = charts.fill(charts.last_hours(utc("2026-12-08T03:10"), "UTC", 3), hourly("2026-12-07T20:00", 8))
    assert [slot.sent for slot in slots] == [1, 1, 1]


@pytest.mark.parametrize(
    ("zone", "now", "hours"),
    [
        ("Asia/Seoul", "2026-12-08T14:59", [24, 24, 24]),
        ("Europe/London", "2026-10-26T23:30", [24, 24, 25]),  # the clocks went back on the 25th
        ("America/New_York", "2027-03-16T03:30", [24, 24, 23]),  # and forward on the 14th
        ("America/Santiago", "2026-09-08T02:30", [24, 24, 23]),  # at midnight: the day began at one
        ("Australia/Lord_Howe", "2026-12-08T12:30", [24, 24, 24]),
    ],
)
def test_a_day_is_that_of_the_zone_however_many_hours_it_has(zone: str, now: str, hours: list[int]) -> None:
    slots = charts.last_days(utc(now), zone, 4)
    since = slots[0].at.astimezone(UTC)
    rows = hourly(since.isoformat()[:19], 24 * 4 + 2)
    filled = charts.fill(slots, [row for row in rows if row.hour <= utc(now)])
    assert [slot.sent for slot in filled[:3]] == hours
    assert 23 <= filled[3].sent <= 24


def test_an_hour_that_lies_on_midnight_belongs_to_the_day_in_which_it_begins() -> None:
    slots = charts.last_days(utc("2026-12-08T12:00"), "Asia/Kolkata", 2)  # midnight is at half past 18 in UTC
    charts.fill(slots, [Row(utc("2026-12-07T18:00"), sent=1), Row(utc("2026-12-07T19:00"), sent=10)])
    assert [slot.sent for slot in slots] == [1, 10]


def test_slots_add_up_and_keep_the_worst() -> None:
    at = utc("2026-12-08T00:00")
    rows = [Row(at, 5, 1, 0, 2, 30, 20), Row(at + timedelta(hours=1), 3, 0, 2, 1, 900, 900)]
    slot = charts.fill([Slot(at)], rows)[0]
    assert (slot.sent, slot.failed, slot.unknown, slot.started, slot.latest_ms) == (8, 1, 2, 3, 900)
    assert (slot.mean_ms, slot.ended) == (310, 11)
    assert Slot(at).mean_ms == 0


def test_bars_are_as_tall_as_their_numbers_and_nothing_is_invisible() -> None:
    at = utc("2026-12-08T00:00")
    bars, lines = charts.columns([Slot(at, failed=60, unknown=40), Slot(at), Slot(at, failed=1)], ["failed", "unknown"])
    assert lines == [(100, 0.0)]
    assert [(bar.kind, bar.y, bar.height) for bar in bars] == [
        ("failed", 51.2, 76.8),
        ("unknown", 0.0, 51.2),
        ("failed", 125.0, 3.0),
    ]
    assert bars[0].x < 33 < 66 < bars[2].x < bars[2].x + bars[2].width < 100


def test_nothing_at_all_has_neither_bars_nor_lines() -> None:
    slots = [Slot(utc("2026-12-08T00:00"))] * 3
    assert charts.columns(slots, ["sent"]) == ([], [])
    assert charts.lateness(slots) == ([], [])


def test_lateness_has_a_logarithmic_scale_that_ends_above_the_worst() -> None:
    at = utc("2026-12-08T00:00")
    late = Slot(at, started=1, late_ms=60_000, latest_ms=60_000)
    slots = [Slot(at, started=2, late_ms=20, latest_ms=12), Slot(at), late]
    bars, lines = charts.lateness(slots)
    assert [value for value, _ in lines] == [10, 1000, 60_000]
    assert [(bar.kind, bar.height) for bar in bars[2:]] == [("worst", charts.HEIGHT), ("mean", charts.HEIGHT)]
    assert 20 < bars[1].height < bars[0].height < 40, "ten milliseconds are seen beside a minute"
    assert all(bar.y >= 0 and bar.y + bar.height <= charts.HEIGHT for bar in bars)


def test_what_is_later_than_the_scale_ends_at_its_top() -> None:
    bars, _ = charts.lateness([Slot(utc("2026-12-08T00:00"), started=1, late_ms=9**10, latest_ms=9**10)])
    assert [bar.height for bar in bars] == [charts.HEIGHT] * 2


def test_marks_leave_room_for_their_words() -> None:
    slots = charts.last_hours(utc("2026-12-08T23:10"), "UTC")
    found = charts.marks(slots, lambda at: at.hour % 12 == 0)
    assert [(x, at.hour) for x, at in found] == [(0.0, 0), (25.0, 12), (50.0, 0), (75.0, 12)]
    assert len(charts.marks(charts.last_hours(utc("2026-12-08T14:10"), "UTC"), lambda at: at.hour % 12 == 0)) == 3
