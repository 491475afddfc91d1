"""Undo after sending: the button counts down; it, or one press of a key, brings the mail back."""

import re
from collections.abc import Callable, Iterator
from itertools import count

import pytest
from playwright.sync_api import Browser, Page, StorageState, expect

from tests.browser.conftest import Site, serving, sign_in

numbers = count(1)


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site on which there is time to undo."""
    with serving(tmp_path_factory.mktemp("patient"), UNDO_SECONDS="60") as started:
        yield started


@pytest.fixture(scope="module")
def cookies(browser: Browser, patient: Site) -> StorageState:
    return sign_in(browser, patient)


@pytest.fixture
def sent(browser: Browser, patient: Site, cookies: StorageState) -> Iterator[Callable[..., Page]]:
    """The history right after a mail was sent to an address of its own."""
    contexts = []

    def send(script: bool = True) -> Page:
        context = browser.new_context(base_url=patient.url, storage_state=cookies, java_script_enabled=script)
        context.set_default_timeout(10_000)
        contexts.append(context)
        page = context.new_page()
        page.goto("/compose?lang=en&template=email/welcome")
        page.locator("#recipients").fill(f"undo{next(numbers)}@example.com")
        page.locator("[name='variables.name']").fill("Anna")
        page.locator("#send").click()
        page.wait_for_url("**/history")
        return page

    yield send
    for context in contexts:
        context.close()


def expect_undone(page: Page) -> None:
    page.wait_for_url(re.compile(r"/compose\?from=\d+&to=all$"))
    expect(page.locator("[name='variables.name']")).to_have_value("Anna")
    expect(page.locator("#recipients")).to_have_value(re.compile(r"undo\d+@example.com"))
    task = page.url.partition("=")[2].partition("&")[0]
    page.goto(f"/tasks/{task}")
    expect(page.locator("#head")).to_have_attribute("data-status", "cancelled")


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_the_button_beside_the_message_brings_it_back(sent: Callable[..., Page], script: bool) -> None:
    page = sent(script)
    page.locator(".flash").get_by_role("button", name="Undo").click()
    expect_undone(page)


def test_the_button_in_the_row_is_a_button_of_its_own(sent: Callable[..., Page]) -> None:
    page = sent()
    page.locator("tbody tr").first.get_by_role("button", name="Undo").click()
    expect_undone(page)


def test_the_key_z_undoes_and_typing_it_does_not(sent: Callable[..., Page]) -> None:
    page = sent()
    page.locator("#q").press("z")
    expect(page.locator("#q")).to_have_value("z")
    expect(page).to_have_url(re.compile("/history$"))
    page.locator("#q").blur()
    page.keyboard.press("Control+z")
    page.keyboard.press("Escape")
    expect(page).to_have_url(re.compile("/history$"))
    page.keyboard.press("z")
    expect_undone(page)


def test_the_key_z_leaves_the_mails_of_a_list_alone_but_for_the_row_with_the_focus(sent: Callable[..., Page]) -> None:
    page = sent()
    page.goto("/history")
    expect(page.locator(".flash")).to_have_count(0)
    page.keyboard.press("z")
    expect(page).to_have_url(re.compile("/history$"))
    page.locator("tbody tr").first.locator("a.cover").focus()
    page.keyboard.press("z")
    expect_undone(page)


def test_it_counts_down_and_goes_when_it_is_too_late(sent: Callable[..., Page]) -> None:
    page = sent()
    page.clock.install()
    page.reload()
    button = page.locator("tbody tr").first.get_by_role("button", name="Undo")
    expect(button).to_have_text(re.compile(r"Undo \((60|5\d) s\)"))
    page.context.set_offline(True)  # the server's clock is behind: its next answer would bring the button back
    page.clock.run_for(10_000)
    expect(button).to_have_text(re.compile(r"Undo \((50|4\d) s\)"))
    page.clock.run_for(60_000)
    expect(button).to_have_count(0)
