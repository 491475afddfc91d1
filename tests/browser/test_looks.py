"""Every page, in both languages, light and dark, wide and narrow: no fault for axe, no sideways scroll, a picture."""

import os
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, StorageState, expect

from tests.browser.conftest import OUT, ROOT, NewPage, Site

WAYS = [(language, width, dark) for language in ("en", "ko") for width in (1180, 390) for dark in (False, True)]
FORMS = ["compose", "later", "mistakes"]
PAGES = [*FORMS, "history", "nothing", "task", "waiting", "mailbox", "mail", "missing", "sign-in"]


@pytest.fixture(scope="module", autouse=True)
def filled(browser: Browser, site: Site, signed_in: StorageState) -> Iterator[None]:
    """Something to look at."""
    page = browser.new_context(base_url=site.url, storage_state=signed_in).new_page()
    send(page, "mina.kim@example.com", name="Mina")
    send(page, "홍길동 <hong@example.com>\nben@example.com\nclara@a-rather-long-domain-name.example", name="모두")
    send(page, "j.park@example.com", at="2027-12-08T09:00", name="Park", subject="Monday's plan for {{ name }}")
    page.goto("/history")
    expect(page.locator("tr[data-status=finished]").first).to_be_visible(timeout=20_000)
    yield
    page.context.close()


def send(page: Page, to: str, at: str = "", subject: str = "", **values: str) -> None:
    page.goto("/compose?lang=en&template=email/welcome")
    page.locator("#recipients").fill(to)
    page.locator("#subject").fill(subject)
    for name, value in values.items():
        page.locator(f"[name='variables.{name}']").fill(value)
    if at:
        page.get_by_text("Later", exact=True).click()
        page.locator("#scheduled_at").fill(at)
    page.locator("#send").click()
    page.wait_for_url("**/history")


def show(page: Page, name: str, language: str) -> None:
    """Bring the page into the state of that name."""
    page.goto(f"/history?lang={language}")
    ways = {"nothing": "/history?q=nobody", "missing": "/tasks/999999", "mailbox": "/mailbox", "sign-in": "/sign-in"}
    if name in ways:
        page.goto(ways[name])
    elif name in FORMS:
        compose(page, name)
    elif name in ("task", "waiting"):
        page.locator(f"tr[data-status={'finished' if name == 'task' else 'scheduled'}] a").first.click()
        if name == "waiting":
            page.locator("summary.button").click()
    elif name == "mail":
        page.goto("/mailbox")
        page.locator("tbody a").first.click()
        page.frame_locator("iframe").get_by_role("heading").first.wait_for()
    page.wait_for_load_state("networkidle" if name in ("missing", "sign-in") else "load")


def compose(page: Page, name: str) -> None:
    page.goto("/compose?template=email/reminder")
    page.locator("#recipients").fill("anna@example.com\n홍길동 <hong@example.com>")
    page.locator("[name='variables.event']").fill("봄 워크숍")
    if name != "compose":
        page.locator("label", has=page.locator("#when-later")).click()
        page.locator("#scheduled_at").fill("2027-12-08T09:00")
    if name == "mistakes":
        page.locator("#recipients").fill("anna@example.com\nbob@@example\nnobody")
        page.locator("#zone").select_option("Europe/London")
        page.locator("#scheduled_at").fill("2027-10-31T01:30")
        page.locator("#send").click()
        page.get_by_role("alert").wait_for()


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(("language", "width", "dark"), WAYS)
def test_a_page_is_without_fault(new_page: NewPage, name: str, language: str, width: int, dark: bool) -> None:
    page = new_page(language, width=width, dark=dark)
    show(page, name, language)
    OUT.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=OUT / f"{name}-{width}-{'dark' if dark else 'light'}-{language}.png", full_page=True)
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.locator("html").get_attribute("lang") == language
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("language", ["en", "ko"])
def test_nothing_scrolls_sideways_at_320_pixels(new_page: NewPage, name: str, language: str) -> None:
    page = new_page(language, width=320)
    show(page, name, language)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.skipif(os.environ.get("UPDATE_SCREENSHOT") != "1", reason="UPDATE_SCREENSHOT=1 writes docs/screenshot.png")
def test_the_picture_in_the_readme_is_new(new_page: NewPage) -> None:
    page = new_page("en")
    show(page, "later", "en")
    (ROOT / "docs").mkdir(exist_ok=True)
    page.screenshot(path=ROOT / "docs" / "screenshot.png")
