"""A recipient's page: what the server said, in plain words as well, and the message exactly as it was sent."""

from itertools import count

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import OUT, NewPage

numbers = count(1)
WORDS = {
    "en": ("The mail server took it.", "This is, byte for byte, what the mail server took."),
    "ko": ("메일 서버가 받았습니다.", "메일 서버가 받은 것과 한 바이트도 다르지 않습니다."),
}


def sent(page: Page, language: str) -> str:
    """Send a mail to two people, and open its page once it is sent; one of their addresses."""
    address = f"exact{next(numbers)}@example.com"
    page.goto(f"/compose?lang={language}&template=email/welcome")
    page.locator("#recipients").fill(f"홍길동 <{address}>, second@example.com")
    page.locator("[name='variables.name']").fill("길동")
    page.locator("#send").click()
    page.wait_for_url("**/history")
    page.get_by_role("row").filter(has_text=address).get_by_role("link").first.click()
    page.wait_for_url("**/tasks/*")
    task = page.url
    for _ in range(100):
        if page.locator("#head").get_attribute("data-status") == "finished":
            return address
        page.wait_for_timeout(100)  # between two looks, where no script looks by itself
        page.goto(task)
    raise AssertionError("not sent within 10 s")


@pytest.mark.parametrize(
    ("language", "script", "width", "dark"),
    [("en", True, 1180, False), ("ko", True, 390, True), ("en", False, 390, False), ("ko", False, 1180, True)],
)
def test_a_recipients_message_is_read_as_it_was_sent(
    new_page: NewPage, language: str, script: bool, width: int, dark: bool
) -> None:
    page = new_page(language, script=script, width=width, dark=dark)
    address = sent(page, language)
    OUT.mkdir(parents=True, exist_ok=True)
    name = f"{width}-{'dark' if dark else 'light'}-{language}.png"
    page.screenshot(path=OUT / f"task-sent-{name}", full_page=True)
    page.locator("#deliveries").get_by_role("link", name=address).click()
    took, exact = WORDS[language]
    expect(page.locator("#attempts")).to_contain_text(took)
    expect(page.locator("#proof")).to_have_text(exact)
    expect(page.frame_locator("iframe.letter").get_by_role("heading", level=1)).to_contain_text("길동")
    page.screenshot(path=OUT / f"message-{name}", full_page=True)
    if script:
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    with page.expect_download() as download:
        page.locator("a[download]").click()
    source = download.value.path().read_bytes()
    page.locator(".tabs a[href$='view=source']").click()
    assert page.locator("pre.letter").text_content() == source.decode().replace("\r\n", "\n")
