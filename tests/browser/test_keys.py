"""The pages by keyboard: a key that searches, one that closes, and a focus that can be seen wherever it goes."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import NewPage

SEEN = """() => {
    const it = document.activeElement, style = getComputedStyle(it), cover = getComputedStyle(it, "::after");
    const within = it.closest(".chips, .switch label, .files");
    const parts = within ? [within, ...within.querySelectorAll("span, label")] : [];
    const styles = [style, cover, ...parts.map((one) => getComputedStyle(one))];
    return styles.some((one) => one.outlineStyle !== "none" && parseFloat(one.outlineWidth) > 0);
}"""


def test_the_slash_searches_from_everywhere_but_is_typed_in_a_field(new_page: NewPage) -> None:
    page = new_page()
    page.goto("/history")
    page.keyboard.press("/")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.type("a/b")
    expect(page.locator("#q")).to_have_value("a/b")
    page.goto("/charts")
    page.keyboard.press("/")
    page.wait_for_url(re.compile("/history"))
    expect(page.locator("#q")).to_be_focused()


def test_escape_closes_what_is_open_and_gives_the_focus_back(new_page: NewPage) -> None:
    page = new_page()
    page.goto("/history")
    summary = page.locator("#filter > summary")
    summary.press("Enter")
    page.locator("#subject").focus()
    page.keyboard.press("Escape")
    expect(page.locator("#filter")).not_to_have_attribute("open", "")
    expect(summary).to_be_focused()


@pytest.mark.parametrize(("language", "said"), [("en", "undo what was just done"), ("ko", "방금 한 일 되돌리기")])
def test_the_question_mark_tells_the_keys(new_page: NewPage, language: str, said: str) -> None:
    page = new_page(language)
    page.goto(f"/charts?lang={language}")
    expect(page.get_by_text(said)).to_be_hidden()
    page.keyboard.press("?")
    expect(page.get_by_text(said)).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_text(said)).to_be_hidden()


@pytest.mark.parametrize("address", ["/compose?template=email/welcome", "/history", "/charts", "/failures"])
def test_the_focus_is_seen_at_every_stop(new_page: NewPage, address: str) -> None:
    page: Page = new_page()
    page.goto(address)
    stops = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        at = page.evaluate("document.activeElement.outerHTML.slice(0, 120)")
        if at.startswith(("<body", "<iframe")) or at in stops:
            break
        stops.add(at)
        assert page.evaluate(SEEN), at
    assert len(stops) > 8
