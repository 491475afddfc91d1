"""Which language a page speaks, and that it goes on speaking it."""

import pytest
from quart.typing import TestClientProtocol as Client

from tests.integration.test_pages_history import page_of


@pytest.mark.parametrize(("asked", "expected"), [("ko-KR,ko;q=0.9,en;q=0.8", "ko"), ("fr", "en"), ("", "en")])
async def test_the_browsers_language_is_spoken(stranger: Client, asked: str, expected: str) -> None:
    answer = await stranger.get("/sign-in", headers={"Accept-Language": asked})
    assert f'<html lang="{expected}">' in await answer.get_data(as_text=True)


async def test_the_language_that_was_chosen_is_remembered(person: Client) -> None:
    await page_of(person, "/compose?lang=ko")
    page = await page_of(person, "/compose")
    assert ">예약하기<" in page
    assert '<html lang="ko">' in page


async def test_a_page_that_looks_again_brings_no_cookie_that_could_overtake_another(person: Client) -> None:
    await page_of(person, "/history?lang=ko")
    answer = await person.get("/history?lang=ko", headers={"X-Refresh": "1"})
    assert "Set-Cookie" not in answer.headers
