"""Nothing typed is lost: the form saves itself, and comes back after a reload, a crash and a sign-in that expired."""

import re
from itertools import count

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import NewPage
from tests.parts import wait_until

numbers = count(1)
LARGE = "x" * 25_000  # more than a page that is left may still send off
SAVED = {"en": re.compile(r"^Draft saved \d\d:\d\d$"), "ko": re.compile(r"^\d\d:\d\d에 임시 저장했습니다$")}


def begin(page: Page, language: str = "en") -> str:
    """Open the form and type something that no other test does; what."""
    page.goto(f"/compose?lang={language}&template=email/welcome")
    subject = f"Draft {next(numbers)}"
    page.locator("#subject").fill(subject)
    return subject


def drafts(page: Page) -> list[str]:
    """Their names in the list."""
    page.goto("/compose?lang=en")
    return page.locator(".drafts li a").all_text_contents()


@pytest.mark.parametrize("language", ["en", "ko"])
def test_it_saves_itself_and_a_reload_brings_it_back(new_page: NewPage, language: str) -> None:
    page = new_page()
    page.goto(f"/compose?lang={language}&template=email/welcome")
    page.locator("#adding").press_sequentially("홍길동 <hong@example.com>,")
    page.locator("[name='variables.name']").fill("길동")
    expect(page.locator("#keeping [role=status]")).to_have_text(SAVED[language])
    page.reload()
    expect(page.locator(".chip")).to_contain_text("홍길동 <hong@example.com>")
    expect(page.locator("[name='variables.name']")).to_have_value("길동")
    expect(page.locator("#template")).to_have_value("email/welcome")
    expect(page.locator("#unsaved")).to_be_hidden()


def test_what_was_typed_right_before_a_reload_is_there_as_well(new_page: NewPage) -> None:
    page = new_page()
    subject = begin(page)
    page.reload()
    expect(page.locator("#subject")).to_have_value(subject)
    expect(page.locator("#keeping [role=status]")).to_have_text(SAVED["en"])


def test_what_was_typed_right_before_the_page_was_left_is_a_draft(new_page: NewPage) -> None:
    page = new_page()
    subject = begin(page)
    page.get_by_role("link", name="History").first.click()
    page.wait_for_url("**/history*")
    wait_until(lambda: page.evaluate("sessionStorage.length") == 0, 10, "the tab has handed it over")
    assert subject in drafts(page)
    page.locator(".drafts summary").click()
    page.get_by_role("link", name=subject).click()
    expect(page.locator("#subject")).to_have_value(subject)


def test_where_the_server_is_away_it_is_told_and_the_browser_keeps_it(new_page: NewPage) -> None:
    page = new_page()
    page.route("**/drafts", lambda route: route.abort())
    subject = begin(page)
    expect(page.locator("#keeping [role=status]")).to_contain_text("the server does not answer")
    page.locator("#subject").press("End")
    page.locator("#subject").press_sequentially("!")
    page.unroute("**/drafts")
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(page.locator("#keeping [role=status]")).to_have_text(SAVED["en"])
    page.route("**/drafts", lambda route: route.abort())
    page.locator("[name='variables.name']").fill(LARGE)
    page.locator("#subject").fill(f"{subject}, and more")
    expect(page.locator("#keeping [role=status]")).to_contain_text("the server does not answer")
    page.reload()
    expect(page.locator("#subject")).to_have_value(f"{subject}!")
    page.get_by_role("button", name="Bring it back").click()
    expect(page.locator("#subject")).to_have_value(f"{subject}, and more")


def test_what_the_browser_kept_can_be_thrown_away(new_page: NewPage) -> None:
    page = new_page()
    subject = begin(page)
    expect(page.locator("#keeping [role=status]")).to_have_text(SAVED["en"])
    page.route("**/drafts", lambda route: route.abort())
    page.locator("[name='variables.name']").fill(LARGE)
    page.locator("#subject").fill("worse")
    expect(page.locator("#keeping [role=status]")).to_contain_text("the server does not answer")
    # What a page asks for as it goes is no longer held back by the route: it may arrive.
    page.evaluate("() => { window.fetch = () => Promise.reject(new TypeError()); }")
    page.reload()
    page.get_by_role("button", name="Throw it away").click()
    expect(page.locator("#unsaved")).to_have_count(0)
    page.reload()
    expect(page.locator("#subject")).to_have_value(subject)
    expect(page.locator("#unsaved")).to_be_hidden()


def test_an_expired_sign_in_loses_nothing(new_page: NewPage) -> None:
    page = new_page()
    cookies = page.context.cookies()
    subject = begin(page)
    page.locator("#recipients").fill("expired@example.com")
    expect(page.locator("#keeping [role=status]")).to_have_text(SAVED["en"])
    page.context.clear_cookies()
    page.locator("#subject").fill(f"{subject}!")
    expect(page.locator("#keeping [role=status]")).to_contain_text("you are signed out")
    page.locator("#send").click()
    expect(page.get_by_text("You are signed out, so nothing was sent.")).to_be_visible()
    page.locator(".languages button", has_text="한국어").click()
    expect(page.get_by_text("로그아웃되어 있어")).to_be_visible()
    page.context.add_cookies([{k: v for k, v in each.items() if k in COOKIE} for each in cookies])  # type: ignore[misc]
    page.locator("button[formaction='/compose']").click()
    expect(page.locator("#subject")).to_have_value(f"{subject}!")
    expect(page.locator("#recipients")).to_have_value("expired@example.com")
    page.goto("/history?lang=en&q=expired@example.com")
    expect(page.locator("tbody tr")).to_have_count(0)


COOKIE = ("name", "value", "domain", "path", "expires", "httpOnly", "secure", "sameSite")


def test_of_two_tabs_the_later_one_is_told_and_writes_over_nothing(new_page: NewPage) -> None:
    page = new_page()
    subject = begin(page)
    expect(page.locator("#keeping [role=status]")).to_have_text(SAVED["en"])
    other = page.context.new_page()
    other.goto(page.url)
    other.locator("#subject").fill(f"{subject}, theirs")
    expect(other.locator("#keeping [role=status]")).to_have_text(SAVED["en"])
    page.locator("#subject").fill(f"{subject}, ours")
    expect(page.locator("#keeping [role=status]")).to_contain_text("changed elsewhere meanwhile")
    page.locator("#subject").fill(f"{subject}, ours still")
    expect(page.locator("#keeping [role=status]")).to_contain_text("changed elsewhere meanwhile")
    other.close()
    page.get_by_role("link", name="History").first.click()
    page.wait_for_url("**/history*")
    wait_until(lambda: page.evaluate("sessionStorage.length") == 0, 10, "the tab has handed it over")
    assert {f"{subject}, theirs", f"{subject}, ours still"} <= set(drafts(page))


def test_once_it_is_sent_it_is_no_draft_and_the_way_back_says_so(new_page: NewPage) -> None:
    page = new_page()
    subject = begin(page)
    page.locator("#recipients").fill("sent@example.com")
    page.locator("[name='variables.name']").fill("Anna")
    expect(page.locator("#keeping [role=status]")).to_have_text(SAVED["en"])
    page.locator("#send").click()
    page.wait_for_url("**/history")
    page.go_back()
    page.reload()
    expect(page.locator(".flash")).to_contain_text("You have sent this mail already.")
    expect(page.locator("#subject")).to_have_value(subject)
    assert subject not in drafts(page)


def test_an_address_that_is_no_chip_yet_survives_a_reload(new_page: NewPage) -> None:
    page = new_page()
    page.goto("/compose?template=email/welcome")
    page.locator("#adding").fill("anna@example.com")
    page.locator("#adding").press("Enter")
    page.locator("#adding").press_sequentially("ben@exam")
    expect(page.locator("#keeping [role=status]")).to_contain_text("Draft saved")
    page.reload()
    expect(page.locator("#recipients")).to_have_value("anna@example.com\nben@exam")


def test_without_the_script_a_button_saves_it_and_discarding_can_be_undone(new_page: NewPage) -> None:
    page = new_page(script=False)
    subject = begin(page)
    page.get_by_role("button", name="Save as draft").click()
    expect(page.locator(".flash")).to_contain_text("The draft is saved.")
    expect(page.locator("#subject")).to_have_value(subject)
    page.goto("/compose?lang=en")
    page.locator(".drafts summary").click()
    page.get_by_role("button", name=f"Discard the draft “{subject}”").click()
    expect(page.locator(".flash")).to_contain_text("The draft was discarded.")
    assert page.get_by_role("link", name=subject).count() == 0
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#subject")).to_have_value(subject)
