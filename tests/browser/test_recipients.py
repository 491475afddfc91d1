"""Whom a mail goes to, as people bring it: typed, pasted, from a file; seen as chips, mended at one click."""

import re

import pytest
from playwright.sync_api import FilePayload, Page, Route, expect

from tests.browser.conftest import NewPage

WORDS = {
    "en": {"bad": "Leave out the {} bad lines", "lacks": "3 of 120 people have no value for company"},
    "ko": {"bad": "잘못된 항목 {}건 빼기", "lacks": "120명 중 3명에게 company 값이 없습니다"},
}
KOREAN = "이메일,이름,company\nhong@example.com,홍길동,한빛\nkim@example.com,김민아,새솔\n"
BAD = "bad,B,x\nworse@,W,x\n,Nobody,x\n"


def compose(page: Page, language: str = "en") -> Page:
    page.goto(f"/compose?lang={language}&template=email/welcome")
    return page


def paste(page: Page, text: str) -> None:
    """As from a spreadsheet or a list."""
    page.locator("#adding").evaluate(
        """(field, text) => {
          const clipboardData = new DataTransfer();
          clipboardData.setData("text/plain", text);
          field.focus();
          const event = new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true });
          if (field.dispatchEvent(event)) document.execCommand("insertText", false, text.replace(/\\n/g, " "));
        }""",
        text,
    )


def file(name: str, content: bytes) -> FilePayload:
    return {"name": name, "mimeType": "text/csv", "buffer": content}


def said(page: Page, language: str, number: int) -> None:
    """The page says that there are so many people."""
    words = {"en": f"{number} people", "ko": f"{number}명"}[language]
    expect(page.locator("#counted")).to_contain_text(re.compile(rf"(?<!\d){words}"))


@pytest.mark.parametrize("language", ["en", "ko"])
def test_typed_ones_become_chips_and_a_bad_one_says_why(new_page: NewPage, language: str) -> None:
    page = compose(new_page(), language)
    page.locator("#adding").press_sequentially("홍길동 <hong@example.com>,ben@example.com;nobody")
    page.locator("#adding").press("Enter")
    expect(page.locator(".chip")).to_have_count(3)
    expect(page.locator(".chip").first).to_contain_text("홍길동 <hong@example.com>")
    expect(page.locator(".chip.bad small")).to_contain_text("nobody")
    expect(page).to_have_url(re.compile("/compose"))
    page.locator(".chip.bad button").last.click()
    expect(page.locator(".chip")).to_have_count(2)
    expect(page.locator("#recipients")).to_have_value("홍길동 <hong@example.com>\nben@example.com")
    page.locator("#adding").press_sequentially("김민아 mina@example.com、")
    expect(page.locator(".chip").last).to_contain_text("김민아 <mina@example.com>")


@pytest.mark.parametrize("language", ["en", "ko"])
def test_a_bad_chip_on_a_phone_shows_what_was_typed_on_one_line(new_page: NewPage, language: str) -> None:
    page = compose(new_page(width=320), language)
    page.locator("#adding").fill("anna@example.com, ben@example,com nobody@here;")
    page.locator("#adding").press("Enter")
    expect(page.locator(".chip.bad small")).not_to_have_count(0)
    lines = "it => { const r = new Range(); r.selectNodeContents(it); return r.getClientRects().length }"
    for name in page.locator(".chip button:first-child").all():
        assert name.evaluate(lines) == 1, name.inner_text()


def test_the_keyboard_alone_goes_through_the_chips(new_page: NewPage) -> None:
    page = compose(new_page())
    page.locator("#adding").press_sequentially("a@example.com,b@example.com,c@example.com,")
    page.keyboard.press("Backspace")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    expect(page.locator("#adding")).to_have_value("b@example.com")
    page.keyboard.press("End")
    page.keyboard.type(".kr")
    page.keyboard.press("Enter")
    expect(page.locator("#recipients")).to_have_value("a@example.com\nb@example.com.kr\nc@example.com")
    page.keyboard.press("Backspace")
    page.keyboard.press("Delete")
    expect(page.locator("#recipients")).to_have_value("a@example.com\nb@example.com.kr")


@pytest.mark.parametrize("language", ["en", "ko"])
def test_a_pasted_list_is_counted_once_each(new_page: NewPage, language: str) -> None:
    page = compose(new_page(), language)
    paste(page, "a@example.com\nA@example.com\nb@example.com\n")
    said(page, language, 2)
    expect(page.locator("#counted")).to_contain_text({"en": "1 duplicate left out", "ko": "1"}[language])
    expect(page.locator(".chip")).to_have_count(3)


def test_a_table_pasted_from_a_spreadsheet_fills_the_fields_of_everybody(new_page: NewPage) -> None:
    page = compose(new_page())
    paste(page, "Name\tE-mail\n홍길동\thong@example.com\nMina\tmina@example.com\n")
    said(page, "en", 2)
    expect(page.locator("#fields")).to_contain_text("From the column “Name”")
    expect(page.frame_locator("iframe[name=preview]").locator("#facts")).to_contain_text("Welcome, 홍길동")


@pytest.mark.parametrize(
    ("language", "content"),
    [("en", b"\xef\xbb\xbf" + KOREAN.encode()), ("ko", KOREAN.encode("cp949")), ("ko", KOREAN.encode("utf-16"))],
)
def test_a_file_is_read_in_any_encoding_of_a_spreadsheet(new_page: NewPage, language: str, content: bytes) -> None:
    page = compose(new_page(), language)
    page.locator("#file").set_input_files(file("people.csv", content))
    said(page, language, 2)
    expect(page.locator(".rows")).to_contain_text("홍길동")
    expect(page.frame_locator("iframe[name=preview]").locator("#facts")).to_contain_text("홍길동 <hong@example.com>")


@pytest.mark.parametrize("language", ["en", "ko"])
def test_bad_lines_are_named_and_left_out_and_who_lacks_a_value_is_told(new_page: NewPage, language: str) -> None:
    page = compose(new_page(), language)
    rows = "".join(f"p{n}@example.com,P{n},{'Acme' if n > 2 else ''}\n" for n in range(120))
    page.locator("#file").set_input_files(file("all.csv", f"email,name,company\n{rows}{BAD}".encode()))
    expect(page.locator("#recipients-said li")).to_have_count(3)
    expect(page.locator("#recipients-said li").first).to_contain_text("122")
    page.get_by_role("button", name=WORDS[language]["bad"].format(3)).click()
    expect(page.locator("#recipients-said li")).to_have_count(0)
    said(page, language, 120)
    page.locator("#subject").fill("{{ company }}")
    page.locator("#subject").press("Tab")
    expect(page.locator("[name='variables.company']")).to_be_visible()
    page.locator("#send").click()
    expect(page.locator("[id='variables.company-wrong']")).to_contain_text(WORDS[language]["lacks"])
    expect(page.locator("[id='variables.company-wrong']")).to_contain_text("p0@example.com")


@pytest.mark.parametrize("field", ["#adding", "[name='variables.name']", "#subject"])
def test_korean_that_is_being_composed_never_submits(new_page: NewPage, field: str) -> None:
    page = compose(new_page())
    page.locator(field).focus()
    keyboard = page.context.new_cdp_session(page)
    keyboard.send("Input.imeSetComposition", {"text": "홍길도", "selectionStart": 3, "selectionEnd": 3})
    enter = {"key": "Process", "code": "Enter", "windowsVirtualKeyCode": 229}
    keyboard.send("Input.dispatchKeyEvent", {"type": "rawKeyDown", **enter})
    keyboard.send("Input.insertText", {"text": "홍길동"})
    keyboard.send("Input.dispatchKeyEvent", {"type": "keyUp", **enter})
    expect(page.locator(field)).to_have_value("홍길동")
    expect(page.locator(".chip")).to_have_count(0)
    expect(page.locator("#send")).not_to_have_attribute("aria-busy", "true")
    expect(page).to_have_url(re.compile("/compose"))


@pytest.mark.parametrize("language", ["en", "ko"])
def test_without_the_script_a_file_is_read_and_bad_lines_are_left_out(new_page: NewPage, language: str) -> None:
    page = compose(new_page(script=False), language)
    page.locator("#file").set_input_files(file("people.csv", (KOREAN + BAD).encode("cp949")))
    page.locator("button[value=upload]").click()
    expect(page.locator("#recipients-said li")).to_have_count(3)
    page.locator("button[value=leave-out]").click()
    expect(page.locator("#recipients-said li")).to_have_count(0)
    said(page, language, 2)
    expect(page.locator("#recipients")).to_have_value(KOREAN)


def test_who_comes_back_to_the_field_goes_on_typing(new_page: NewPage) -> None:
    page = compose(new_page())
    page.locator("#adding").fill("mina@exa")
    page.locator("#adding").evaluate("field => { field.blur(); field.focus(); }")
    page.wait_for_timeout(400)  # in which it would have become a chip
    expect(page.locator("#adding")).to_have_value("mina@exa")
    page.locator("#subject").focus()
    expect(page.locator(".chip")).to_have_count(1)


@pytest.mark.parametrize("language", ["en", "ko"])
def test_another_column_is_chosen_for_a_field_and_the_preview_follows(new_page: NewPage, language: str) -> None:
    page = compose(new_page(), language)
    paste(page, "Name\tE-mail\t별명\n홍길동\thong@example.com\t길동이\nMina\tmina@example.com\tMin\n")
    said(page, language, 2)
    facts = page.frame_locator("iframe[name=preview]").locator("#facts")
    expect(facts).to_contain_text("홍길동")
    expect(page.locator("#unused")).to_contain_text("별명")
    expect(page.locator("#keeping [role=status]")).to_contain_text({"en": "Draft saved", "ko": "임시 저장"}[language])
    with page.expect_response("**/drafts"):
        page.locator("[id='columns.name']").select_option("별명")
    expect(facts).to_contain_text("길동이")
    expect(page.locator("#unused")).to_have_count(0)
    page.reload()
    expect(page.locator("[id='columns.name']")).to_have_value("별명")


@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize("language", ["en", "ko"])
def test_nothing_jumps_away_when_people_are_counted(new_page: NewPage, language: str, width: int) -> None:
    page = compose(new_page(width=width), language)
    held: list[Route] = []
    page.route("**/compose*", lambda route: held.append(route))
    places = "() => ['#file', '#template'].map(each => document.querySelector(each).offsetTop)"
    page.locator("#adding").fill("a@example.com,")
    expect(page.locator(".chip")).to_have_count(1)
    expect(page.locator("#counted")).to_contain_text({"en": "Nobody yet", "ko": "아직 없습니다"}[language])
    before = page.evaluate(places)
    page.unroute_all()
    for route in held:
        route.continue_()
    expect(page.locator("#counted b")).to_have_text(re.compile("1"))
    assert page.evaluate(places) == before
