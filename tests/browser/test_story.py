"""The whole story, in both languages, with and without JavaScript: write, send, watch it go, read it; take it back."""

import re
import time
from datetime import datetime, timedelta
from itertools import count
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import NewPage

WORDS = {
    "en": {
        "use": "Use this template", "later": "Later", "send": "Send now", "schedule": "Schedule",
        "scheduled": "Scheduled", "finished": "Sent", "cancelled": "Cancelled", "cancel": "Cancel this mail",
        "reschedule": "Move it to this time", "sent": "On its way: email/welcome to",
        "left": r"in \d+ (second|minute)s?",
    },
    "ko": {
        "use": "이 템플릿 쓰기", "later": "예약하기", "send": "지금 보내기", "schedule": "이 시각에 보내기|예약",
        "scheduled": "예약됨", "finished": "보냄", "cancelled": "취소됨", "cancel": "이 메일 취소",
        "reschedule": "이 시각으로 바꾸기", "sent": "보내고 있습니다: email/welcome, 받는 사람",
        "left": r"\d+(초|분) 후",
    },
}  # fmt: skip
SEOUL = ZoneInfo("Asia/Seoul")
numbers = count(1)

pytestmark = [
    pytest.mark.parametrize("language", ["en", "ko"]),
    pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"]),
]


class Person:
    """Somebody at a browser, who reads the words of their language."""

    def __init__(self, page: Page, language: str, script: bool) -> None:
        self.page, self.script, self.words = page, script, WORDS[language]
        self.address = f"person{next(numbers)}@{language}.example.com"
        page.goto(f"/compose?lang={language}")

    def write(self, name: str) -> None:
        self.page.locator("#recipients").fill(f"홍길동 <{self.address}>")
        self.page.locator("#template").select_option("email/welcome")
        if not self.script:
            self.page.get_by_role("button", name=self.words["use"]).click()
        self.page.locator("[name='variables.name']").fill(name)

    def choose_later(self, seconds: int) -> datetime:
        at = datetime.now(SEOUL).replace(microsecond=0) + timedelta(seconds=seconds)
        self.page.get_by_text(self.words["later"], exact=True).click()
        self.page.locator("#scheduled_at").fill(f"{at:%Y-%m-%dT%H:%M:%S}")
        return at

    def press(self, what: str) -> None:
        if what in ("send", "schedule"):  # what it says depends on what was typed
            expect(self.page.locator("#send")).to_have_text(re.compile(self.words[what]))
            self.page.locator("#send").click()
            return
        self.page.get_by_role("button", name=self.words[what], exact=True).click()

    def expect_row(self, status: str, patience: float = 20) -> None:
        """In the history, the row of our address has that status, at once or soon."""
        row = self.page.get_by_role("row").filter(has_text=self.address)
        until = time.monotonic() + patience
        while not self.script and row.get_attribute("data-status") != status and time.monotonic() < until:
            time.sleep(0.3)
            self.page.reload()
        expect(row).to_have_attribute("data-status", status, timeout=patience * 1000)
        expect(row.locator(".badge")).to_contain_text(self.words[status])

    def open_task(self) -> None:
        self.page.get_by_role("row").filter(has_text=self.address).get_by_role("link").click()


@pytest.fixture
def person(new_page: NewPage, language: str, script: bool) -> Person:
    return Person(new_page(language, script=script), language, script)


def test_a_mail_sent_now_is_read_a_moment_later(person: Person) -> None:
    page = person.page
    person.write("길동")
    person.press("send")
    page.wait_for_url("**/history")
    expect(page.get_by_role("status").first).to_contain_text(f"{person.words['sent']} {person.address}")
    person.expect_row("finished")
    person.open_task()
    expect(page.locator("#deliveries code")).to_contain_text("250")
    page.goto("/mailbox")
    page.get_by_role("row").filter(has_text=person.address).get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Welcome, 길동")
    frame = page.frame_locator("iframe")
    expect(frame.get_by_role("heading", level=1)).to_have_text("Welcome, 길동.")
    expect(frame.locator("img")).to_have_attribute("src", re.compile("^data:image/png;base64,"))


def test_a_mail_for_later_waits_in_sight_and_goes_at_its_moment(person: Person) -> None:
    person.write("Later")
    at = person.choose_later(8)
    person.press("schedule")
    person.page.wait_for_url("**/history")
    person.expect_row("scheduled")
    row = person.page.get_by_role("row").filter(has_text=person.address)
    expect(row.locator(".ago")).to_have_text(re.compile(person.words["left"]))
    expect(row).to_contain_text(f"{at:%H:%M} Asia/Seoul")
    person.expect_row("finished")
    assert datetime.now(SEOUL) >= at


def test_a_mail_for_later_is_given_another_moment_and_then_taken_back(person: Person) -> None:
    page = person.page
    person.write("Never")
    person.choose_later(600)
    person.press("schedule")
    person.open_task()
    page.locator("summary.button").click()
    page.locator("#scheduled_at").fill("2027-12-08T09:00")
    person.press("reschedule")
    expect(page.locator("#head")).to_contain_text("09:00 Asia/Seoul")
    expect(page.locator("#facts")).to_contain_text("2027")
    person.press("cancel")
    expect(page.locator("#head .badge")).to_have_text(re.compile(person.words["cancelled"]))
    page.goto("/history?status=cancelled")
    person.expect_row("cancelled")


def test_a_mail_that_cannot_go_comes_back_as_it_was_typed(person: Person) -> None:
    page = person.page
    person.write("Kept")
    page.locator("#recipients").fill("anna@example.com\nbob@@example")
    person.choose_later(-3600)
    person.press("schedule")
    summary = page.get_by_role("alert")
    expect(summary).to_be_focused()
    expect(summary.get_by_role("link")).to_have_count(2)
    expect(page.locator("#recipients")).to_have_value("anna@example.com\nbob@@example")
    expect(page.locator("[name='variables.name']")).to_have_value("Kept")
    expect(page.locator("#when-later")).to_be_checked()
    expect(page.locator("#scheduled_at")).not_to_have_value("")
    summary.get_by_role("link").first.click()
    expect(page.locator("#recipients")).to_be_focused()


def test_the_other_language_is_one_press_away_and_nothing_typed_is_lost(person: Person, language: str) -> None:
    other = {"en": "한국어", "ko": "English"}[language]
    person.write("Kept")
    person.page.get_by_role("button", name=other).click()
    expect(person.page.locator("html")).to_have_attribute("lang", {"en": "ko", "ko": "en"}[language])
    expect(person.page.locator("[name='variables.name']")).to_have_value("Kept")
    expect(person.page.locator("#recipients")).to_have_value(f"홍길동 <{person.address}>")
