"""A test from the preview: it is followed on the page, and neither sends nor loses the form."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import NewPage

WORDS = {"en": ("Send a test", "Sent"), "ko": ("테스트 메일 보내기", "보냄")}
TABLE = "email,name\na@example.com,Anna\nb@example.com,홍길동"


def begin(page: Page, language: str) -> None:
    page.goto(f"/compose?lang={language}&template=email/welcome")
    page.locator("#recipients").fill(TABLE)


@pytest.mark.parametrize("language", ["en", "ko"])
def test_it_has_the_values_of_whom_the_preview_shows_and_says_what_became_of_it(
    new_page: NewPage, language: str
) -> None:
    page = new_page(width=390 if language == "ko" else 1180)
    begin(page, language)
    preview = page.frame_locator("iframe[name=preview]")
    expect(preview.locator("#facts")).to_contain_text("Anna")
    preview.locator("#next").click()
    expect(preview.locator("#facts")).to_contain_text("홍길동")
    address = f"trial-{language}@example.com"
    page.locator("#test_to").fill(address)
    page.get_by_role("button", name=WORDS[language][0]).click()
    expect(page.locator(".result .badge")).to_have_attribute("data-status", "finished", timeout=20_000)
    expect(page.locator(".result .badge")).to_have_text(WORDS[language][1])
    expect(page.locator("#recipients")).to_have_value(TABLE)
    expect(preview.locator("#facts")).to_contain_text("홍길동")
    page.goto("/mailbox")
    expect(page.get_by_text("[TEST] Welcome, 홍길동").first).to_be_visible()
    page.goto(f"/history?q={address}")
    expect(page.locator("tbody tr")).to_have_count(0)


def test_without_the_script_the_mistake_is_at_its_field_and_then_it_goes(new_page: NewPage) -> None:
    page = new_page(script=False)
    begin(page, "en")
    page.locator("#test_to").fill("nobody")
    page.get_by_role("button", name="Send a test").click()
    expect(page.locator("#test_to-wrong")).to_contain_text("is not an email address")
    page.locator("#test_to").fill("plain@example.com")
    page.get_by_role("button", name="Send a test").click()
    expect(page.locator(".result")).to_contain_text("The test to plain@example.com")
    expect(page.locator("#recipients")).to_have_value(TABLE)
    page.get_by_role("link", name="See what becomes of it").click()
    expect(page.get_by_text("This is a test: it is in no list and no figure.")).to_be_visible()
