"""What a person does to one mail, on its page: edit, send now, put off, take back, duplicate, try again, decide.

With a mail server that refuses and hangs up as told, in both languages, and each act once without the script.
"""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from playwright.sync_api import Browser, Page, StorageState, expect

from app.tasks.model import Task
from tests.browser.conftest import NewPage, Site, serving, sign_in
from tests.browser.pictures import Example, as_told
from tests.sink import Sink

numbers = count(1)
WAYS = pytest.mark.parametrize(("language", "script"), [("en", True), ("ko", True), ("en", False)],
                               ids=["en", "ko", "no-script"])  # fmt: skip
ENDED = Task.status.in_(("finished", "failed"))
IN_A_MONTH = datetime.now(UTC) + timedelta(days=30)
WORDS = {
    "en": {
        "edit": "Edit", "save": "Save the changes", "saved": "The changes are saved.", "edited": "Edited: Subject",
        "now": "Send now", "later": "Reschedule", "cancel": "Cancel this mail", "undo": "Undo", "undone": "Undone.",
        "duplicate": "Duplicate", "retry": "Retry what failed", "arrived": "It arrived",
        "again": "Send again (may arrive twice)", "apart": "Make it a mail of its own",
        "too late": "Too late: it has been sent already.",
    },
    "ko": {
        "edit": "고치기", "save": "고친 내용 저장", "saved": "고친 내용을 저장했습니다.", "edited": "고친 것: 제목",
        "now": "지금 보내기", "later": "예약 시각 바꾸기", "cancel": "이 메일 취소", "undo": "되돌리기",
        "undone": "되돌렸습니다.", "duplicate": "복제", "retry": "실패한 것 다시 보내기", "arrived": "받았음",
        "again": "다시 보내기(두 번 갈 수 있음)", "apart": "새 메일로 만들기", "too late": "이미 보냈습니다.",
    },
}  # fmt: skip

mended: set[str] = set()
"""Addresses with which the mail server has no trouble any more."""


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    with Sink(lambda step, address: None if address in mended else as_told(step, address)) as started:
        yield started


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, sink: Sink) -> Iterator[Site]:
    settings = {"SMTP_URL": sink.url, "MAIL_FROM": "Postdate <postdate@example.com>", "UNDO_SECONDS": "0"}
    with serving(tmp_path_factory.mktemp("acts"), **settings) as started:
        yield started


@pytest.fixture(scope="module")
def signed_in(browser: Browser, site: Site) -> StorageState:
    return sign_in(browser, site)


@pytest.fixture(scope="module")
def example(site: Site) -> Example:
    return Example(site)


@pytest.fixture
def address() -> str:
    """Somebody who gets no other mail."""
    return f"p{next(numbers)}@example.com"


@pytest.fixture
def opened(new_page: NewPage, language: str, script: bool) -> Callable[[int], Page]:
    """The page of a task."""

    def open_task(task_id: int) -> Page:
        page = new_page(language, script=script)
        page.goto(f"/tasks/{task_id}?lang={language}")
        return page

    return open_task


def becomes(page: Page, status: str) -> None:
    """The page says so: by itself, or without the script once somebody looks again."""
    for _ in range(50):
        if page.locator("#head").get_attribute("data-status") == status:
            break
        page.wait_for_timeout(200)
        if page.locator("noscript a.button").count():
            page.goto(page.url.partition("?")[0])
    expect(page.locator("#head")).to_have_attribute("data-status", status)


@WAYS
def test_edited_it_says_something_else_and_is_the_same_mail(
    opened: Callable[[int], Page], example: Example, sink: Sink, address: str, language: str
) -> None:
    words = WORDS[language]
    page = opened(task := example.submit([address], at=IN_A_MONTH.isoformat()))
    page.get_by_role("link", name=words["edit"], exact=True).click()
    page.wait_for_url(f"**/tasks/{task}/edit")
    if (edit := page.locator("#edit-subject")).is_visible():
        edit.click()
        expect(page.locator("#subject")).not_to_have_value("")  # nobody types before the text is there
    page.locator("#subject").fill("Second thoughts")
    page.get_by_role("button", name=re.compile(f"^{words['save']}")).click()
    page.wait_for_url(f"**/tasks/{task}")
    expect(page.locator(".flash")).to_contain_text(words["saved"])
    expect(page.locator("h1")).to_have_text("Second thoughts")
    assert words["edited"] in page.locator(".events li").first.inner_text()
    page.get_by_role("button", name=words["now"]).click()
    becomes(page, "finished")
    assert sink.addresses[address] == 1
    assert b"Subject: Second thoughts\r\n" in next(each.body for each in sink.taken if each.address == address)


@WAYS
def test_edited_too_late_nothing_typed_is_lost_and_nothing_goes_out_twice(
    opened: Callable[[int], Page], example: Example, sink: Sink, address: str, language: str
) -> None:
    words = WORDS[language]
    page = opened(task := example.submit([address], at=IN_A_MONTH.isoformat()))
    page.goto(f"/tasks/{task}/edit")
    page.locator("[name='variables.name']").fill("Too late")
    example.call(
        f"/api/tasks/{task}/reschedule", {"scheduled_at": (datetime.now(UTC) + timedelta(seconds=1)).isoformat()}
    )
    sink.wait_for(len(sink.taken) + 1)
    example.wait_for(task, ENDED)
    page.locator("#send").click()
    alert = page.get_by_role("alert").filter(has_text=words["too late"])
    expect(alert).to_be_focused()
    expect(page.locator("[name='variables.name']")).to_have_value("Too late")
    alert.get_by_role("button", name=words["apart"]).click()
    expect(page.locator("[name='variables.name']")).to_have_value("Too late")
    assert page.locator("input[name=task]").count() == 0
    assert sink.addresses[address] == 1


@WAYS
def test_put_off_taken_back_and_sent_now_it_goes_out_once(
    opened: Callable[[int], Page], example: Example, sink: Sink, address: str, language: str, script: bool
) -> None:
    words = WORDS[language]
    page = opened(example.submit([address], at=IN_A_MONTH.isoformat()))
    page.locator("summary", has_text=words["later"]).click()
    page.locator("#scheduled_at").fill(f"{IN_A_MONTH + timedelta(days=1):%Y-%m-%dT09:30}")
    page.locator("#reschedule button.main").click()
    expect(page.locator("#head .state")).to_contain_text("09:30")
    undo = page.locator(".flash").get_by_role("button", name=words["undo"])
    undo.click()
    expect(page.locator(".flash")).to_contain_text(words["undone"])
    page.get_by_role("button", name=words["cancel"]).click()
    becomes(page, "cancelled")
    expect(undo).to_be_visible()
    page.keyboard.press("z") if script else undo.click()
    becomes(page, "scheduled")
    page.get_by_role("button", name=words["now"]).click()
    becomes(page, "finished")
    assert sink.addresses[address] == 1


def test_a_mail_that_is_gone_while_somebody_types_its_new_moment_breaks_nothing(
    new_page: NewPage, example: Example, address: str
) -> None:
    task = example.submit([address], at=IN_A_MONTH.isoformat())
    page = new_page()
    page.route("**/live*", lambda route: route.abort())  # nobody tells the page
    page.goto(f"/tasks/{task}")
    page.locator("summary", has_text="Reschedule").click()
    example.call(f"/api/tasks/{task}/cancel")
    with page.expect_response("**/reschedule"):
        page.locator("#scheduled_at").fill("2020-01-01T09:00")
    page.locator("#reschedule button.main").click()
    expect(page.locator(".flash")).to_contain_text("It was cancelled already.")


@WAYS
def test_duplicated_it_is_another_mail_with_everything_in_it(
    opened: Callable[[int], Page], example: Example, sink: Sink, address: str, language: str
) -> None:
    page = opened(task := example.submit([address], subject="For {{ name }}"))
    becomes(page, "finished")
    page.get_by_role("link", name=WORDS[language]["duplicate"]).click()
    expect(page.locator("[name='variables.name']")).to_have_value("Mina")
    page.locator("#send").click()
    page.wait_for_url("**/history")
    page.locator("tbody tr").first.get_by_role("link").first.click()
    becomes(page, "finished")
    assert not page.url.endswith(f"/{task}")
    bodies = [each.body for each in sink.taken if each.address == address]
    assert [b"Subject: For Mina\r\n" in body for body in bodies] == [True, True]


@WAYS
def test_what_failed_is_tried_again_and_nothing_else(
    opened: Callable[[int], Page], example: Example, sink: Sink, address: str, language: str
) -> None:
    gone = f"gone.{address}"
    page = opened(example.submit([address, gone]))
    becomes(page, "failed")
    expect(page.locator("#deliveries tr[data-status=failed]")).to_contain_text(f"550 5.1.1 <{gone}>")
    mended.add(gone)
    page.get_by_role("button", name=WORDS[language]["retry"]).click()
    becomes(page, "finished")
    assert (sink.addresses[address], sink.addresses[gone]) == (1, 1)


@WAYS
def test_what_is_unknown_a_person_decides_one_by_one(
    opened: Callable[[int], Page], example: Example, sink: Sink, address: str, language: str
) -> None:
    words, lost = WORDS[language], [f"lost{n}.{address}" for n in (1, 2)]
    page = opened(example.submit(lost))
    becomes(page, "failed")
    row = page.locator("#deliveries tr[data-status=unknown]")
    expect(row).to_have_count(2)
    mended.update(lost)
    row.filter(has_text=lost[0]).get_by_role("button", name=words["arrived"]).click()
    expect(row).to_have_count(1)
    row.get_by_role("button", name=words["again"]).click()
    becomes(page, "finished")
    assert [sink.addresses[each] for each in lost] == [1, 2]


@WAYS
def test_failures_are_grouped_by_cause_and_a_group_is_tried_again(
    new_page: NewPage, example: Example, sink: Sink, address: str, language: str, script: bool
) -> None:
    gone = [f"gone{n}.{address}" for n in (1, 2)]
    for each in gone:
        example.wait_for(example.submit([each]), ENDED)
    page = new_page(language, script=script)
    page.goto(f"/failures?lang={language}")
    cause = page.locator(".causes li", has_text="550 5.1.1 …@…")
    expect(cause.get_by_role("heading")).to_have_text(
        {"en": re.compile("mailbox does not exist"), "ko": re.compile("존재하지 않는 메일 주소")}[language]
    )
    cause.locator("a[id^=show-]").click()
    expect(page.locator("tbody tr")).not_to_have_count(0)
    page.go_back()
    mended.update(gone)
    cause.locator("button[value=retry]").click()
    page.locator("#ask button.main").click()
    page.wait_for_url(re.compile(r"/bulk/\d+$"))
    for each in gone:
        sink_has(page, sink, each)
    assert {sink.addresses[each] for each in gone} == {1}


def sink_has(page: Page, sink: Sink, address: str) -> None:
    for _ in range(100):
        if sink.addresses[address]:
            return
        page.wait_for_timeout(200)
    raise AssertionError(f"nothing came for {address}")


@WAYS
def test_the_charts_show_what_happened_as_a_picture_and_as_a_table(
    new_page: NewPage, example: Example, address: str, language: str, script: bool
) -> None:
    example.wait_for(example.submit([address]), ENDED)
    page = new_page(language, script=script)
    page.goto(f"/charts?lang={language}")
    expect(page.locator("svg[role=img]")).not_to_have_count(0)
    assert page.locator("svg[role=img] rect.sent").count() >= 1
    table = page.locator("details table").first
    assert not table.is_visible()
    page.locator("details:has(table) summary").first.click()
    expect(table).to_be_visible()
    page.locator("a[href*='span=days']").first.click()
    page.wait_for_url("**span=days*")
    assert page.locator("svg[role=img] rect.sent").count() >= 1
