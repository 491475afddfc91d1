"""The preview beside the form: it follows what is typed, disturbs nobody, and shows what then arrives."""

import re
from itertools import count

import pytest
from playwright.sync_api import Browser, FrameLocator, Page, Route, StorageState, expect

from tests.browser.conftest import NewPage, Site

numbers = count(1)
FOLDED = re.compile(r"^(?:Date|Message-ID|X-Envelope-From|X-Envelope-To): .*\n", re.MULTILINE)


def opened(new_page: NewPage, script: bool = True) -> Page:
    """The compose page with two recipients."""
    page = new_page(script=script)
    page.goto("/compose?lang=en&template=email/welcome")
    page.locator("#recipients").fill("anna@example.com\nBen <ben@example.com>")
    return page


def frame(page: Page) -> FrameLocator:
    return page.frame_locator("iframe[name=preview]")


def mail(page: Page) -> FrameLocator:
    return frame(page).frame_locator("iframe")


@pytest.fixture
def page(new_page: NewPage) -> Page:
    return opened(new_page)


def test_it_follows_what_is_typed_and_leaves_the_focus_alone(page: Page) -> None:
    name = page.locator("[name='variables.name']")
    name.press_sequentially("Mina")
    expect(mail(page).get_by_role("heading", level=1)).to_have_text("Welcome, Mina.")
    expect(name).to_be_focused()
    page.locator("#subject").fill("For {{ name }}")
    expect(frame(page).locator("#facts")).to_contain_text("For Mina")
    assert page.evaluate("history.length") == 2, "the back button leads away at once"


def test_whom_somebody_asks_for_is_shown_though_the_form_changes_meanwhile(page: Page) -> None:
    expect(frame(page).locator("#facts")).to_contain_text("anna@example.com")
    held: list[Route] = []
    page.route("**/compose/preview*", lambda route: held.append(route))
    frame(page).locator("#next").click()
    page.locator("#subject").fill("For {{ name }}")
    while len(held) < 2:
        page.wait_for_timeout(10)
    held[-1].continue_()
    expect(frame(page).locator("#facts")).to_contain_text("ben@example.com")


def type_with_input_method(page: Page, text: str, event: str) -> None:
    script = f"(field, text) => {{ field.value = text; field.dispatchEvent(new {event}) }}"
    page.locator("[name='variables.name']").evaluate(script, text)


def test_it_waits_while_an_input_method_composes(page: Page) -> None:
    posts: list[str] = []
    expect(mail(page).get_by_role("heading", level=1)).to_have_text("Welcome, ‹name›.")
    expect(page.locator("#keeping [role=status]")).to_contain_text("Draft saved")  # what was typed so far is dealt with
    page.clock.install()
    page.on("request", lambda request: posts.append(request.url))
    type_with_input_method(page, "ㅁ", "InputEvent('input', { bubbles: true, isComposing: true })")
    page.clock.run_for(2000)
    assert posts == []
    type_with_input_method(page, "민", "CompositionEvent('compositionend', { bubbles: true })")
    page.clock.run_for(2000)
    expect(mail(page).get_by_role("heading", level=1)).to_have_text("Welcome, 민.")


def test_another_template_is_seen_at_once(page: Page) -> None:
    page.locator("#template").select_option("email/reminder")
    expect(frame(page).locator("#facts")).to_contain_text("No value yet for")
    page.locator("[name='variables.event']").fill("Workshop")
    expect(mail(page).locator("body")).to_contain_text("Workshop")


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_recipients_are_leafed_through_as_html_text_and_source(new_page: NewPage, script: bool) -> None:
    page = opened(new_page, script)
    if not script:
        page.get_by_role("button", name="Update the preview").click()
    within = frame(page)
    expect(within.locator("#facts")).to_contain_text("1 of 2: anna@example.com")
    within.get_by_role("button", name="Next recipient").click()
    expect(within.locator("#facts")).to_contain_text("2 of 2: ben@example.com")
    expect(mail(page).get_by_role("heading", level=1)).to_have_text("Welcome, Ben.")
    within.get_by_role("button", name="Text").click()
    expect(within.locator("pre")).to_contain_text("Ben")
    within.get_by_role("button", name="Source").click()
    expect(within.locator("pre")).to_contain_text("To: Ben <ben@example.com>")
    expect(page.locator("#recipients")).to_have_value("anna@example.com\nBen <ben@example.com>")
    expect(page).to_have_url(re.compile("/compose"))


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_it_can_be_narrow_as_a_phone_and_dark(new_page: NewPage, script: bool) -> None:
    page = opened(new_page, script)
    page.emulate_media(color_scheme="null")
    if not script:
        page.get_by_role("button", name="Update the preview").click()
    letter = frame(page).locator("iframe")
    frame(page).get_by_label("Phone width").check()
    expect(letter).to_have_css("width", "375px")
    expect(letter).to_have_css("color-scheme", "light")
    frame(page).get_by_label("Dark").check()
    expect(letter).to_have_css("color-scheme", "dark")
    expect(mail(page).locator("body")).to_have_css("background-color", "rgb(18, 20, 28)")


def test_the_mail_in_it_fetches_nothing_and_runs_nothing(browser: Browser, site: Site, signed_in: StorageState) -> None:
    with browser.new_context(base_url=site.url, storage_state=signed_in) as context:
        page = context.new_page()
        page.goto("/compose?lang=en&template=email/welcome")
        expect(mail(page).get_by_role("heading", level=1)).to_be_visible()
        got: list[str] = []
        refused: list[str] = []
        page.on("response", lambda response: got.append(response.url))
        page.on("console", lambda said: refused.append(said.text))
        source = f'<img src="{site.url}/static/favicon.svg"><script>parent.alert(1)</script><p>Loaded</p>'
        frame(page).locator("iframe").evaluate("(letter, source) => (letter.srcdoc = source)", source)
        expect(mail(page).locator("p")).to_have_text("Loaded")
        assert [url for url in got if "favicon" in url] == []
        assert any("favicon.svg" in said and "img-src" in said for said in refused)
        assert any("allow-scripts" in said for said in refused)


def test_what_arrives_is_what_was_shown_byte_for_byte(page: Page) -> None:
    address = f"shown{next(numbers)}@preview.example.com"
    page.locator("#recipients").fill(f"홍길동 <{address}>")
    page.locator("[name='variables.name']").fill("길동")
    expect(mail(page).get_by_role("heading", level=1)).to_have_text("Welcome, 길동.")
    frame(page).get_by_role("button", name="Source").click()
    shown = frame(page).locator("pre").text_content() or ""
    page.locator("#send").click()
    page.wait_for_url("**/history")
    row = page.get_by_role("row").filter(has_text=address)
    expect(row).to_have_attribute("data-status", "finished", timeout=20_000)
    page.goto("/mailbox")
    page.get_by_role("row").filter(has_text=address).get_by_role("link").click()
    page.get_by_role("link", name="Source").click()
    arrived = page.locator("pre").text_content() or ""
    assert FOLDED.sub("", arrived.replace("\r", "")) == FOLDED.sub("", shown.replace("\r", ""))
