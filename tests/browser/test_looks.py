"""Every page, in both languages, light and dark, wide and narrow: no fault for axe, no sideways scroll, a picture."""

from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT, AxeResults
from playwright.sync_api import Browser, Page, StorageState, expect
from sqlalchemy import insert, update

from app.db import Database
from app.mail.addresses import parse
from app.tasks.books import Bulk
from app.tasks.model import Delivery, Task
from app.tasks.request import Recipient, Request
from app.tasks.submit import new_deliveries, new_task
from tests.browser.conftest import OUT, NewPage, Site
from tests.parts import answer

WAYS = [(width, theme) for width in (1180, 390) for theme in ("light", "dark")]
FORMS = ["compose", "later", "mistakes", "confirm"]
ADDRESSES = {
    "history": "/history",
    "nothing": "/history?q=nobody",
    "chips": "/history?status=queued&q=mina&subject=a&template=email/welcome&by=somebody&since=2026-01-01&fault=2",
    "filter": "/history",
    "attention": "/history?status=attention",
    "overview": "/charts",
    "overview-days": "/charts?span=days",
    "failures": "/failures",
    "bulk-ask": "/history?status=scheduled",
    "bulk": "/bulk/1",
    "mailbox": "/mailbox",
    "account": "/account",
    "missing": "/tasks/999999",
    "sign-in": "/sign-in",
}
PAGES = [*FORMS, *ADDRESSES, "task", "waiting", "edit", "mail"]


@pytest.fixture(scope="module", autouse=True)
def filled(browser: Browser, site: Site, signed_in: StorageState) -> Iterator[None]:
    """Something to look at."""
    page = browser.new_context(base_url=site.url, storage_state=signed_in).new_page()
    send(page, "mina.kim@example.com", name="Mina")
    send(page, "홍길동 <hong@example.com>\nben@example.com\nclara@a-rather-long-domain-name.example", name="모두")
    send(page, "j.park@example.com", at="2027-12-08T09:00", name="Park", subject="Monday's plan for {{ name }}")
    trouble(Database(f"sqlite:///{site.folder / 'var' / 'postdate.db'}"))
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


def trouble(database: Database) -> None:
    """Refused, out of attempts, unknown and held: what needs a person, or did."""
    store(database, {"gone@example.com": "550 5.1.1 <gone@example.com>: Recipient address rejected: User unknown"})
    changes: list[dict[str, Any]] = [{"reply": "451 4.3.0 Try again later"}, {"status": "unknown"}]
    for change, tally in zip(changes, ({}, {"failed": 0, "unknown": 1}), strict=True):
        task_id = store(database, {"gone@example.com": "554 5.7.1 Blocked"})
        with database.writing() as db:
            db.execute(update(Delivery).where(Delivery.task_id == task_id).values(**change))
            db.execute(update(Task).where(Task.id == task_id).values(attention=True, **tally))
    with database.writing() as db:
        db.execute(insert(Bulk).values(action="cancel", asked={}, who="admin@postdate.local", total=3, seen=3, moved=2))
        db.execute(update(Task).where(Task.status == "scheduled").values(held=True, attention=True))
    database.close()


def store(database: Database, replies: dict[str, str]) -> int:
    """A mail to Mina and to those whom the mail server answers so."""
    people = [Recipient(parse(each)) for each in ("Mina <mina@example.com>", *replies)]
    request = Request("email/welcome", people, "admin@postdate.local", {"name": "Mina"}, title="봄 워크숍에 초대합니다")
    with database.writing() as db:
        task_id: int = db.execute(new_task(request)).scalar_one()
        db.execute(new_deliveries(request, task_id, "example.com"))
    answer(database, task_id, replies)  # nobody was rung for it, so no worker is faster
    return task_id


def show(page: Page, name: str, language: str) -> None:
    """Bring the page into the state of that name."""
    page.goto(f"/history?lang={language}")
    if name in FORMS:
        compose(page, name)
        return
    if address := ADDRESSES.get(name):
        page.goto(address)
    match name:
        case "filter":
            page.locator("#filter summary").click()
        case "bulk-ask":
            page.locator("#bulk input[name=all]").check()
            page.locator("#bulk button[value=cancel]").click()
            page.locator("#ask").wait_for()
        case "task" | "waiting" | "edit":
            page.locator(f"tr[data-status={'finished' if name == 'task' else 'scheduled'}] a").first.click()
            if name == "waiting":
                page.locator("summary.button").click()
            if name == "edit":
                page.locator("a[href$='/edit']").click()
                page.locator("input[name=task]").wait_for(state="attached")
        case "mail":
            page.goto("/mailbox")
            page.locator("tbody a").first.click()
            page.frame_locator("iframe").get_by_role("heading").first.wait_for()


def compose(page: Page, name: str) -> None:
    page.goto("/compose?template=email/reminder")
    page.locator("#recipients").fill("anna@example.com\n홍길동 <hong@example.com>")
    for field, value in (("event", "봄 워크숍"), ("date", "12월 8일"), ("place", "서울"), ("name", "Mina")):
        page.locator(f"[name='variables.{field}']").fill(value)
    if name == "confirm":
        page.locator("#recipients").fill("\n".join(f"r{n}@example{n % 3}.com" for n in range(30)))
        for field in page.locator("[name^='variables.']").all():
            field.fill("봄")
        page.locator("#counted", has_text="30").wait_for()
        page.locator("#send").click()
        page.locator(".confirm").wait_for()
        return
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
@pytest.mark.parametrize("language", ["en", "ko"])
def test_a_page_is_without_fault(new_page: NewPage, name: str, language: str) -> None:
    """Opened once, and then looked at in every way: that is what takes long."""
    page = new_page(language)
    show(page, name, language)
    assert page.locator("html").get_attribute("lang") == language
    page.evaluate(AXE_SCRIPT)
    OUT.mkdir(parents=True, exist_ok=True)
    for width, theme in WAYS:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
        page.screenshot(path=OUT / f"{name}-{width}-{theme}-{language}.png", full_page=True)
        found = AxeResults(page.evaluate("axe.run({ resultTypes: ['violations'] })"))
        assert found.violations_count == 0, f"{width}, {theme}: {found.generate_report()}"
        assert not scrolls_sideways(page), (width, theme)
    page.set_viewport_size({"width": 320, "height": 900})
    assert not scrolls_sideways(page)


def scrolls_sideways(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > innerWidth"))
