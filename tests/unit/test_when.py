"""Moments as people type them, in zones whose clocks jump; Seoul's do not, so New York, London and Lord Howe must."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from app.mail import Mistake
from app.tasks.when import Ambiguous, fixes, parse_wall_time, quick_picks, zone_of

NOW = datetime(2026, 11, 23, 12, 0, 30, tzinfo=UTC)
SEOUL = ZoneInfo("Asia/Seoul")


@pytest.mark.parametrize(
    "text", ["2026-12-08T09:00", "2026-12-08T09:00:00", "2026-12-08 09:00", "2026-12-08 09:00:00", " 2026-12-08T09:00 "]
)
def test_the_browsers_form_and_that_of_older_clients_mean_the_same(text: str) -> None:
    assert parse_wall_time(text, SEOUL, NOW) == datetime(2026, 12, 8, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "zone", "message"),
    [
        ("", "Asia/Seoul", "Choose a date and a time, or choose Now."),
        ("   ", "Asia/Seoul", "Choose a date and a time, or choose Now."),
        ("tomorrow", "Asia/Seoul", "This is not a date and time. Write it like 2026-12-08 09:00."),
        ("2026-02-30T09:00", "Asia/Seoul", "This is not a date and time. Write it like 2026-12-08 09:00."),
        ("2026-12-08T25:00", "Asia/Seoul", "This is not a date and time. Write it like 2026-12-08 09:00."),
        ("20261208", "Asia/Seoul", "This is not a date and time. Write it like 2026-12-08 09:00."),
        ("2026-11-23T21:00", "Asia/Seoul", "This moment has passed. Choose a later one, or choose Now."),
        ("0001-01-01T00:00", "Asia/Seoul", "This moment has passed. Choose a later one, or choose Now."),
        ("9999-12-31T23:59", "America/New_York", "This is more than ten years away. Choose an earlier moment."),
        (
            "2027-03-14T02:30",
            "America/New_York",
            "02:30 does not exist that night in America/New_York, because clocks go forward."
            " The next one is 2027-03-14 03:30.",
        ),
        (
            "2027-10-31T01:30",
            "Europe/London",
            "01:30 happens twice that night in Europe/London, because clocks go back. Choose the first or the second.",
        ),
        (
            "2027-04-04T01:45",
            "Australia/Lord_Howe",
            "01:45 happens twice that night in Australia/Lord_Howe, because clocks go back."
            " Choose the first or the second.",
        ),
    ],
)
def test_what_is_no_moment_says_why(text: str, zone: str, message: str) -> None:
    with pytest.raises(Mistake) as raised:
        parse_wall_time(text, ZoneInfo(zone), NOW)
    assert str(raised.value) == message


@pytest.mark.parametrize(("fold", "utc_hour"), [(0, 0), (1, 1)])
def test_of_two_moments_the_chosen_one_is_meant(fold: int, utc_hour: int) -> None:
    moment = parse_wall_time("2027-10-31T01:30", ZoneInfo("Europe/London"), NOW, fold)
    assert moment.astimezone(UTC) == datetime(2027, 10, 31, utc_hour, 30, tzinfo=UTC)


def test_the_two_moments_are_an_hour_apart_in_london_and_half_of_one_on_lord_howe() -> None:
    for text, zone, apart in (
        ("2027-10-31T01:30", "Europe/London", timedelta(hours=1)),
        ("2027-04-04T01:45", "Australia/Lord_Howe", timedelta(minutes=30)),
    ):
        with pytest.raises(Ambiguous) as raised:
            parse_wall_time(text, ZoneInfo(zone), NOW)
        assert raised.value.second.astimezone(UTC) - raised.value.first.astimezone(UTC) == apart


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "asia/seoul", "../../etc/passwd", "KST", "x" * 5000, "a\x00b"])
def test_a_zone_that_does_not_exist_is_named(name: str) -> None:
    with pytest.raises(Mistake, match="There is no time zone named"):
        zone_of(name)


@pytest.mark.parametrize("day", range(7))
def test_quick_picks_lie_ahead_and_are_what_they_say(day: int) -> None:
    now = NOW + timedelta(days=day, hours=7)
    picks = quick_picks(now, SEOUL)
    assert all(pick.at > now for pick in picks)
    named = {pick.label: pick.at for pick in picks}
    assert timedelta(hours=1) <= named["In 1 hour"] - now < timedelta(minutes=61)
    assert (named["Tomorrow"].hour, named["Tomorrow"].minute) == (9, 0)
    assert named.get("Monday", named["Tomorrow"]).weekday() == 0


def test_an_hour_from_now_is_an_hour_also_when_clocks_jump_meanwhile() -> None:
    now = datetime(2027, 3, 14, 6, 30, tzinfo=UTC)  # 01:30 in New York, half an hour before 02:00 becomes 03:00
    pick = quick_picks(now, ZoneInfo("America/New_York"))[0]
    assert f"{pick.at:%H:%M}" in ("03:30", "03:31")


@pytest.mark.parametrize(
    ("clock", "label", "expected"),
    [
        ("21:30", "Last used, today", "2026-11-23 21:30"),
        ("21:00", "Last used, tomorrow", "2026-11-24 21:00"),
        ("09:30", "Last used, tomorrow", "2026-11-24 09:30"),
    ],
)
def test_the_time_used_last_is_offered_for_its_next_occurrence(clock: str, label: str, expected: str) -> None:
    pick = quick_picks(NOW, SEOUL, time.fromisoformat(clock))[-1]  # it is 21:00:30 in Seoul
    assert (pick.label, f"{pick.at:%Y-%m-%d %H:%M}") == (label, expected)


def test_the_time_used_last_is_not_offered_where_another_pick_says_it() -> None:
    assert quick_picks(NOW, SEOUL, time(9)) == quick_picks(NOW, SEOUL)


@pytest.mark.parametrize(
    ("text", "zone", "label", "expected"),
    [
        ("2026-11-23T20:40", "Asia/Seoul", "Tomorrow at", "2026-11-24 20:40"),
        ("2026-11-20T22:15", "Asia/Seoul", "Today at", "2026-11-23 22:15"),
        ("0001-01-01T00:00", "Asia/Seoul", "Tomorrow at", "2026-11-24 00:00"),
        ("2027-03-14T02:30", "America/New_York", "Instead at", "2027-03-14 03:30"),
        ("2027-10-03T02:15", "Australia/Lord_Howe", "Instead at", "2027-10-03 02:45"),
    ],
)
def test_what_is_past_or_skipped_is_mended_at_one_click(text: str, zone: str, label: str, expected: str) -> None:
    with pytest.raises(Mistake) as raised:
        parse_wall_time(text, ZoneInfo(zone), NOW)
    [fix] = fixes(raised.value, NOW)
    assert (fix.label, f"{fix.at:%Y-%m-%d %H:%M}") == (label, expected)
    assert parse_wall_time(expected, ZoneInfo(zone), NOW) == fix.at


@pytest.mark.parametrize("text", ["", "soon", "2099-01-01T09:00", "2027-10-31T01:30"])
def test_what_one_click_cannot_mend_gets_no_button(text: str) -> None:
    with pytest.raises(Mistake) as raised:
        parse_wall_time(text, ZoneInfo("Europe/London"), NOW)
    assert fixes(raised.value, NOW) == []
