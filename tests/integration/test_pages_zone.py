"""Pages show times in one zone: the office's where somebody set it, else that of their reader's browser."""

from datetime import UTC, datetime

import pytest
from quart import Quart
from quart.typing import TestClientProtocol as Client

from app.db import Database
from tests.integration.test_pages_compose import later, post
from tests.integration.test_pages_history import page_of, store

AT = datetime(2031, 1, 1, 0, 0, tzinfo=UTC)


@pytest.fixture
def task(database: Database) -> int:
    store(database, zone="America/New_York", scheduled_at=AT)
    return store(database, zone="Asia/Seoul", scheduled_at=AT)


NOBODY_SAID = {"TZ": ""}
THE_OFFICE_SAID = {"APP_TIMEZONE": "Europe/London"}


@pytest.mark.parametrize(
    ("settings", "browser", "shown"),
    [
        (NOBODY_SAID, "", "00:00 UTC"),
        (NOBODY_SAID, "Asia/Seoul", "09:00 Asia/Seoul"),
        (NOBODY_SAID, "Mars/Olympus", "00:00 UTC"),
        (THE_OFFICE_SAID, "Asia/Seoul", "00:00 Europe/London"),
    ],
    indirect=["settings"],
)
async def test_a_page_has_one_zone(person: Client, task: int, browser: str, shown: str) -> None:
    person.set_cookie("localhost", "zone", browser)
    page = await page_of(person)
    assert page.count(f"{shown}</time>") == 2
    form = await page_of(person, "/compose")
    assert f"<option selected>{shown.split(' ')[1]}<" in form


@pytest.mark.parametrize("settings", [NOBODY_SAID], indirect=True)
async def test_a_mail_for_another_zone_says_its_moment_in_both(person: Client, task: int) -> None:
    person.set_cookie("localhost", "zone", "Europe/Paris")
    page = await page_of(person, f"/tasks/{task}")
    assert "01:00 Europe/Paris" in page
    assert "09:00 Asia/Seoul</dd>" in page
    assert 'value="2031-01-01T09:00"' in page


@pytest.mark.parametrize("settings", [NOBODY_SAID], indirect=True)
async def test_a_page_made_for_one_zone_is_not_shown_in_another(app: Quart, person: Client, task: int) -> None:
    async with app.config["POSTDATE"].watch.listening("", None):  # or pages are made for each who asks
        for zone, shown in (("Asia/Seoul", "09:00 Asia/Seoul"), ("Asia/Tokyo", "09:00 Asia/Tokyo")):
            person.set_cookie("localhost", "zone", zone)
            answer = await person.get("/history", headers={"X-Refresh": "1"})
            assert shown in await answer.get_data(as_text=True)


async def test_a_new_mail_is_in_the_pages_zone_whatever_the_last_one_was_in(person: Client, database: Database) -> None:
    assert (await post(person, **later("2031-01-01T09:00", "America/New_York")))[0] == 303
    page = await page_of(person, "/compose")
    assert "<option selected>UTC<" in page
    assert "<option selected>America/New_York<" not in page
