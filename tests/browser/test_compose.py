"""What the script adds to the forms: fields at once, the moment in words, and no mail too early or twice."""

import re
from datetime import datetime
from itertools import count

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import NewPage

numbers = count(1)


@pytest.fixture
def page(new_page: NewPage) -> Page:
    """The compose page, filled in so that it could be sent."""
    opened = new_page()
    opened.goto("/compose?lang=en&template=email/welcome")
    opened.locator("#recipients").fill(f"one{next(numbers)}@compose.example.com")
    opened.locator("[name='variables.name']").fill("Anna")
    return opened


def address_in(page: Page) -> str:
    return page.locator("#recipients").input_value()


def tasks_to(page: Page, address: str) -> int:
    page.goto(f"/history?q={address}")
    return page.locator("tbody tr").count()


def test_another_template_shows_its_fields_and_keeps_what_was_typed(page: Page) -> None:
    page.locator("#subject").fill("Mine")
    page.locator("#template").select_option("email/reminder")
    page.locator("[name='variables.event']").fill("Workshop")
    expect(page.locator("[name='variables.name']")).to_have_value("Anna")
    expect(page.locator("#subject")).to_have_value("Mine")
    page.locator("#template").select_option("email/welcome")
    expect(page.locator("[name='variables.event'][type=hidden]")).to_have_value("Workshop")
    page.locator("#template").select_option("email/reminder")
    expect(page.locator("input[name='variables.event']:not([type=hidden])")).to_have_value("Workshop")


def test_a_late_answer_brings_no_fields_of_a_template_chosen_before(page: Page) -> None:
    held: list[Route] = []

    def hold_the_first(route: Route) -> None:  # of this template: what was typed before is asked about as well
        chosen = b"email/reminder" in (route.request.post_data_buffer or b"")
        held.append(route) if chosen and not held else route.continue_()

    page.route("**/compose", hold_the_first)
    page.locator("#template").select_option("email/reminder")
    while not held:
        page.wait_for_timeout(20)
    page.locator("#template").select_option("email/welcome")
    page.wait_for_timeout(500)  # for its answer, were it asked for beside the first
    with page.expect_response(lambda answer: answer.request == held[0].request) as late:
        held[0].continue_()
    assert "variables.event" in late.value.text()
    page.wait_for_timeout(500)  # until it has been read, for good or ill
    expect(page.locator("input[name='variables.event']:not([type=hidden])")).to_have_count(0)
    expect(page.locator("input[name='variables.name']")).to_be_visible()


def test_fields_that_come_anew_leave_the_caret_where_it_is(page: Page) -> None:
    held: list[Route] = []
    page.locator("#subject").fill("Mine")
    page.route("**/compose", lambda route: route.continue_() if held else held.append(route))
    name = page.locator("[name='variables.name']")
    name.focus()
    name.evaluate("field => field.setSelectionRange(2, 2)")
    while not held:
        page.wait_for_timeout(10)
    held[0].continue_()
    expect(page.locator("#edit-subject")).to_have_count(0)
    expect(name).to_be_focused()
    name.press_sequentially("!")
    expect(name).to_have_value("An!na")


def test_the_subject_takes_no_focus_from_who_goes_on_typing_elsewhere(page: Page) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        if 'name="do"\r\n\r\nsubject' in (route.request.post_data or ""):
            held.append(route)
        else:
            route.continue_()

    page.route("**/compose", hold)
    with page.expect_request(lambda request: 'name="do"\r\n\r\nsubject' in (request.post_data or "")):
        page.locator("#edit-subject").click()
    page.locator("#recipients").focus()
    while not held:
        page.wait_for_timeout(10)
    held[0].continue_()
    expect(page.locator("#edit-subject")).to_have_count(0)
    page.keyboard.type(", ben@example.com")
    expect(page.locator("#recipients")).to_have_value(re.compile(", ben@example.com$"))


def test_the_time_field_is_there_for_later_only(page: Page) -> None:
    expect(page.locator("#scheduled_at")).to_be_hidden()
    page.get_by_text("Later", exact=True).click()
    expect(page.locator("#scheduled_at")).to_be_visible()


def test_the_button_says_what_it_does_and_claims_nothing_that_it_is_not_sure_of(page: Page) -> None:
    button = page.locator("#send")
    expect(button).to_have_accessible_name(f"Send now to {address_in(page)}")
    page.locator("#recipients").fill("anna@example.com, ben@example.com")
    expect(button).to_have_accessible_name("Send now to 2 people")
    page.locator("#recipients").fill("anna@example.com, ben")
    expect(button).to_have_accessible_name("Send now")
    page.locator("#recipients").fill("anna@example.com, ben@example.com")
    page.get_by_text("Later", exact=True).click()
    expect(button).to_have_accessible_name("Schedule 2 mails")
    page.locator("#scheduled_at").fill("2027-12-08T09:00")
    expect(button).to_have_accessible_name("Schedule 2 mails for Wed 8 Dec 2027 09:00")
    page.route("**/compose/preview**", lambda route: route.abort())
    page.locator("#recipients").fill("anna@example.com")
    expect(button).to_have_accessible_name("Schedule")


def test_without_the_script_the_button_is_true_until_somebody_types(new_page: NewPage) -> None:
    page = new_page(script=False)
    page.goto("/compose?lang=en")
    button = page.locator("#send")
    expect(button).to_have_accessible_name(re.compile("^Send now"))
    page.locator("#recipients").fill("anna@example.com\nben@example.com")
    page.locator("#template").select_option("email/welcome")
    page.get_by_role("button", name="Use this template").click()
    expect(button).to_have_accessible_name(re.compile("^Send now to 2 people"))
    page.locator("#recipients").press_sequentially("\nclara@example.com")
    expect(button).to_have_accessible_name(re.compile("^Send now(?! to)"))
    page.locator("#subject").focus()
    expect(button).to_have_accessible_name(re.compile("^Send now(?! to)"))


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_moment_in_words_is_the_same_from_the_browser_and_from_the_server(page: Page, language: str) -> None:
    page.goto(f"/compose?lang={language}&template=email/welcome")
    page.locator("label", has=page.locator("#when-later")).click()
    page.locator("#scheduled_at").fill("2027-12-08T09:00")
    page.locator("#zone").select_option("America/New_York")
    said = {"en": "09:00 America/New_York", "ko": "09:00 (America/New_York)"}[language]
    expect(page.locator("#sentence")).to_contain_text(said)
    said = page.locator("#sentence").inner_text()
    here = {"en": "; 14:00 where you are", "ko": ", 계신 곳 시각으로는 14:00"}[language]
    assert here in said
    page.route("**/postdate*.js*", lambda route: route.abort())
    page.locator("#send").click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert page.locator("#sentence").inner_text() == said.replace(here, "")


@pytest.mark.parametrize(
    ("at", "zone", "said"),
    [
        ("2020-01-01T09:00", "Asia/Seoul", "That was 2"),
        ("2027-03-14T02:30", "America/New_York", "Clocks skip this time in that zone."),
        ("2027-10-31T01:30", "Europe/London", "Clocks show this time twice in that zone."),
        ("2027-04-04T01:45", "Australia/Lord_Howe", "Clocks show this time twice in that zone."),
        ("2027-10-03T02:15", "Australia/Lord_Howe", "Clocks skip this time in that zone."),
        ("2226-01-01T09:00", "Asia/Seoul", ""),  # too far away: the server says so
    ],
)
def test_what_is_wrong_with_a_moment_is_said_while_it_is_typed(page: Page, at: str, zone: str, said: str) -> None:
    page.get_by_text("Later", exact=True).click()
    page.locator("#zone").select_option(zone)
    page.locator("#scheduled_at").fill("2027-01-01T09:00")
    expect(page.locator("#sentence")).to_contain_text("Sends ")
    page.locator("#scheduled_at").fill(at)
    expect(page.locator("#sentence")).to_have_text(re.compile(re.escape(said) if said else "^$"))


@pytest.mark.parametrize(
    ("at", "button", "mended"),
    [
        ("2027-03-14T02:30", "Instead at 03:30", "2027-03-14T03:30"),
        ("2020-01-01T04:15", re.compile("(Today|Tomorrow) at 04:15"), re.compile("T04:15$")),
    ],
)
def test_what_is_wrong_with_a_moment_is_mended_at_one_click(
    page: Page, at: str, button: str | re.Pattern[str], mended: str | re.Pattern[str]
) -> None:
    page.get_by_text("Later", exact=True).click()
    page.locator("#zone").select_option("America/New_York")
    page.locator("#scheduled_at").fill(at)
    page.get_by_role("button", name=button).click()
    expect(page.locator("#scheduled_at")).to_have_value(mended)
    expect(page.locator("#sentence")).to_contain_text("Sends ")
    expect(page.locator("#fixes")).to_be_empty()


@pytest.mark.parametrize("language", ["en", "ko"])
def test_what_is_mended_is_no_longer_said_to_be_wrong(page: Page, language: str) -> None:
    page.goto(f"/compose?lang={language}&template=email/welcome")
    page.locator("#recipients").fill("anna@example.com\nnobody")
    page.locator("[name='variables.name']").fill("Anna")
    page.locator("label", has=page.locator("#when-later")).click()
    page.locator("#scheduled_at").fill("2020-01-01T09:00")
    page.locator("#send").click()
    expect(page.locator(".summary li")).to_have_count(2)
    expect(page.locator(".wrong")).to_have_count(2)
    page.locator("[value=leave-out]").click()
    expect(page.locator(".summary li")).to_have_count(1)
    page.locator("#scheduled_at").fill("2020-01-02T09:00")
    page.wait_for_timeout(600)
    expect(page.locator(".summary li")).to_have_count(1)
    page.locator("#scheduled_at").fill("2030-01-02T09:00")
    expect(page.locator(".summary")).to_have_count(0)
    expect(page.locator(".wrong")).to_have_count(0)
    page.locator("[name='variables.name']").fill("")
    page.locator("#send").click()
    expect(page.locator(".summary li")).to_have_count(1)
    page.locator("[name='variables.name']").fill("Anna")
    expect(page.locator(".summary, .wrong")).to_have_count(0)


def test_what_only_the_server_knows_to_be_wrong_is_said_until_it_is_changed(page: Page) -> None:
    page.locator("label", has=page.locator("#when-later")).click()
    page.locator("#scheduled_at").fill("2226-01-01T09:00")
    page.locator("#send").click()
    expect(page.locator(".summary li")).to_have_count(1)
    page.locator("[name='variables.name']").fill("Ben")
    expect(page.locator("#scheduled_at-wrong")).to_be_visible()
    page.locator("#scheduled_at").fill("2030-01-01T09:00")
    expect(page.locator(".summary, .wrong")).to_have_count(0)


def test_which_of_two_equal_times_is_asked_while_it_is_typed(page: Page) -> None:
    page.get_by_text("Later", exact=True).click()
    page.locator("#zone").select_option("Europe/London")
    page.locator("#scheduled_at").fill("2027-10-31T01:30")
    page.get_by_label("The first, UTC+01:00").check()
    expect(page.locator("#sentence")).to_contain_text("Sends Sunday 31 October 2027 at 01:30 Europe/London, in")


def test_of_two_equal_times_the_chosen_one_is_said_and_kept(page: Page) -> None:
    page.get_by_text("Later", exact=True).click()
    page.locator("#zone").select_option("Europe/London")
    page.locator("#scheduled_at").fill("2027-10-31T01:30")
    page.locator("#send").click()
    page.get_by_label("The second, UTC+00:00").check()
    expect(page.locator("#sentence")).to_contain_text("Sends Sunday 31 October 2027 at 01:30 Europe/London")
    page.locator("#send").click()
    expect(page).to_have_url(re.compile("/history$"))


def test_a_quick_pick_fills_in_the_time_that_it_shows(page: Page) -> None:
    page.get_by_text("Later", exact=True).click()
    page.get_by_role("button", name="Tomorrow 09:00").click()
    value = page.locator("#scheduled_at").input_value()
    assert datetime.fromisoformat(value).strftime("%H:%M") == "09:00"
    expect(page.locator("#sentence")).to_contain_text("at 09:00 Asia/Seoul")


def test_ones_own_zone_comes_first_and_the_quick_picks_follow_the_zone(page: Page) -> None:
    page.get_by_text("Later", exact=True).click()
    expect(page.locator("#zone option").first).to_have_text("Europe/London")
    expect(page.locator("#zone")).to_have_value("Asia/Seoul")
    before = page.locator(".pick").first.inner_text()
    page.locator("#zone").select_option("Europe/London")
    expect(page.locator(".pick").first).not_to_have_text(before)


def test_control_and_enter_send(page: Page) -> None:
    page.locator("#recipients").press("Control+Enter")
    expect(page).to_have_url(re.compile("/history$"))


def test_enter_in_a_field_sends_nothing(page: Page) -> None:
    address = address_in(page)
    page.locator("[name='variables.name']").press("Enter")
    assert page.locator("#send").get_attribute("aria-busy") is None
    expect(page).to_have_url(re.compile("/compose"))
    page.locator("#send").click()
    expect(page).to_have_url(re.compile("/history$"))
    assert tasks_to(page, address) == 1


@pytest.mark.parametrize("how", ["isComposing: true", "keyCode: 229"])
@pytest.mark.parametrize("held", ["", "ctrlKey: true, "])
def test_enter_that_chooses_a_word_sends_nothing(page: Page, how: str, held: str) -> None:
    event = f"new KeyboardEvent('keydown', {{ key: 'Enter', bubbles: true, cancelable: true, {held}{how} }})"
    went_on = page.locator("[name='variables.name']").evaluate(f"field => field.dispatchEvent({event})")
    assert went_on is False
    expect(page).to_have_url(re.compile("/compose"))


def test_a_double_click_sends_once(page: Page) -> None:
    address = address_in(page)
    page.locator("#send").dblclick()
    expect(page).to_have_url(re.compile("/history$"))
    assert tasks_to(page, address) == 1


def test_going_back_and_sending_again_sends_once(page: Page) -> None:
    address = address_in(page)
    page.locator("#send").click()
    page.wait_for_url("**/history")
    page.go_back()
    page.locator("#recipients").fill(address)
    page.locator("[name='variables.name']").fill("Anna")
    page.locator("#send").click()
    page.wait_for_url("**/history")
    page.reload()
    assert tasks_to(page, address) == 1


def test_going_back_and_changing_it_asks_first(page: Page) -> None:
    address = address_in(page)
    page.locator("#send").click()
    page.wait_for_url("**/history")
    page.go_back()
    page.locator("#recipients").fill(address)
    page.locator("[name='variables.name']").fill("Ben")
    page.locator("#send").click()
    expect(page.get_by_role("alert")).to_contain_text("You sent this form before")
    page.locator("#send").click()
    page.wait_for_url("**/history")
    assert tasks_to(page, address) == 2


def test_what_was_used_last_is_offered(page: Page) -> None:
    address = address_in(page)
    page.locator("#send").click()
    page.wait_for_url("**/history")
    page.goto("/compose")
    expect(page.locator("#recipients")).to_have_value("")
    page.get_by_role("button", name="Use again").click()
    expect(page.locator("#recipients")).to_have_value(address)
    expect(page.locator("#template")).to_have_value("email/welcome")


def test_refreshing_keeps_the_focus_where_it_was(page: Page) -> None:
    page.locator("#send").click()
    page.wait_for_url("**/history")
    link = page.locator("tbody a").first
    link.focus()
    name = link.get_attribute("id")
    expect(page.locator("tbody tr").first).to_have_attribute("data-status", "finished", timeout=20_000)
    expect(page.locator(f"#{name}")).to_be_focused()
