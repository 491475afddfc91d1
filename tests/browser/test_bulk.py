"""Many at once: chosen by boxes or by a filter, shown first, carried out by a worker, undone by a button."""

import re
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import NewPage

numbers = count(1)
WORDS = {
    "en": {"all": "All on this page", "cancel": "Cancel …", "do": "Cancel {n} mails", "undo": "Undo …",
           "bring": "Let {n} mails go out", "chosen": "{n} chosen", "none": "Choose one or more mails first."},
    "ko": {"all": "이 페이지 전체", "cancel": "취소…", "do": "메일 {n}건 취소하기", "undo": "되돌리기…",
           "bring": "메일 {n}건 되살리기", "chosen": "{n}건 고름", "none": "먼저 메일을 하나 이상 고르세요."},
}  # fmt: skip


@pytest.fixture
def subject(new_page: NewPage) -> str:
    """Three mails for next year with a subject of their own, to be found by it."""
    subject = f"Bulk {next(numbers)} of {datetime.now(UTC):%f}"
    page = new_page()
    for n in range(3):
        page.goto("/compose?lang=en&template=email/welcome")
        page.get_by_text("Later", exact=True).click()
        page.locator("#scheduled_at").fill(f"{datetime.now(UTC) + timedelta(days=300 + n):%Y-%m-%dT09:00}")
        page.locator("[name='variables.name']").fill("Anna")
        page.locator("#subject").fill(subject)
        page.locator("#adding").fill(f"bulk{n}@example.com")
        page.locator("#adding").press("Enter")
        page.locator("#send").click()
        page.wait_for_url("**/history")
    return subject


def statuses(page: Page, subject: str) -> list[str | None]:
    page.goto(f"/history?subject={subject}")
    return [row.get_attribute("data-status") for row in page.locator("tbody tr").all()]


@pytest.mark.parametrize("language", ["en", "ko"])
def test_what_was_chosen_is_cancelled_and_brought_back(new_page: NewPage, subject: str, language: str) -> None:
    page, words = new_page(language), WORDS[language]
    page.goto(f"/history?lang={language}&subject={subject}")
    boxes = page.locator("input.box")
    page.get_by_label(words["all"]).check()
    expect(boxes.first).to_be_checked()
    expect(page.locator("#chosen")).to_have_text(words["chosen"].format(n=3))
    boxes.first.uncheck()
    expect(page.locator("#chosen")).to_have_text(words["chosen"].format(n=2))
    assert page.get_by_label(words["all"]).evaluate("box => box.indeterminate")
    expect(page.locator("#bulk")).to_be_in_viewport()
    page.keyboard.press("Escape")
    expect(page.locator("input.box:checked, [data-all-of]:checked")).to_have_count(0)
    expect(page.get_by_role("button", name=words["cancel"])).to_be_hidden()
    for box in boxes.all()[1:]:
        box.check()
    page.get_by_role("button", name=words["cancel"]).click()
    page.get_by_role("button", name=words["do"].format(n=2)).click()
    page.wait_for_url(re.compile(r"/bulk/\d+$"))
    undo = page.get_by_role("button", name=words["undo"])
    expect(undo).to_be_visible(timeout=20_000)  # by itself, once the worker has done it
    there = page.url
    assert statuses(page, subject) == ["scheduled", "cancelled", "cancelled"]
    page.goto(there)
    undo.click()
    page.get_by_role("button", name=words["bring"].format(n=2)).click()
    page.wait_for_url(re.compile(r"/bulk/\d+$"))
    expect(page.locator("[data-say]")).to_have_text(re.compile(r"2.*2.*·"), timeout=20_000)
    assert statuses(page, subject) == ["scheduled"] * 3


def test_without_the_script_everything_that_fits_is_meant_only_when_it_is_said(new_page: NewPage, subject: str) -> None:
    page, words = new_page(script=False), WORDS["en"]
    page.goto(f"/history?lang=en&subject={subject}")
    expect(page.get_by_label(words["all"])).to_be_hidden()
    page.get_by_role("button", name=words["cancel"]).click()
    expect(page.get_by_text(words["none"])).to_be_visible()
    page.get_by_label("Everything that matches").check()
    page.get_by_role("button", name=words["cancel"]).click()
    expect(page.locator(".tag")).to_have_text(f"Subject begins with “{subject}”")
    page.get_by_role("button", name=words["do"].format(n=3)).click()
    for _ in range(100):
        if "· Done" in page.locator("[data-say]").inner_text():
            break
        page.get_by_role("link", name="Reload").click()
    assert statuses(page, subject) == ["cancelled"] * 3
