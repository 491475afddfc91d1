"""Every page as a person sees it, for a person to look at: python -m tests.browser.pictures FOLDER.

With the word `readme` behind it, only those four of them that the README shows.

Starts the real thing on a folder that is thrown away, with mail in every state: sent, refused, unknown and put off by a
mail server that does as told. Only the hours before now are made up. Writes PAGE-LANGUAGE-THEME-WIDTH.png.
"""

import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from random import Random
from typing import Any
from urllib.request import Request, urlopen

from playwright.sync_api import Browser, Page, StorageState, sync_playwright
from sqlalchemy import insert, select, update

from app.db import Database, now
from app.tasks.books import Hour, Repair, Worker
from app.tasks.model import Task
from tests.browser.conftest import CHROMIUM, QUIET, Site, serving, sign_in
from tests.browser.test_looks import FORMS, compose
from tests.parts import bare_environment, wait_until
from tests.sink import HANG_UP, Sink

PAGES = {
    "account": "/account",
    "history": "/history",
    "history-failed": "/history?status=failed",
    "history-nothing": "/history?q=nobody",
    "task-sent": "/tasks/1",
    "task-refused": "/tasks/2",
    "task-unknown": "/tasks/4",
    "task-put-off": "/tasks/5",
    "task-scheduled": "/tasks/6",
    "edit": "/tasks/6/edit",
    "task-held": "/tasks/7",
    "task-cancelled": "/tasks/8",
    "task-half-done": "/tasks/9",
    "recipient": "/tasks/2/message?address=gone0@example.com",
    "message": "/tasks/1/message?address=hong@example.com",
    "bulk-ask": "/history?status=scheduled",
    "overview": "/charts",
    "overview-days": "/charts?span=days",
    "failures": "/failures",
    "mailbox": "/mailbox",
    "missing": "/tasks/999999",
}
README = [("later", "en", "light", 1440), ("history", "en", "light", 1180),
          ("task-half-done", "ko", "light", 1180), ("overview", "en", "dark", 1180)]  # fmt: skip
WAYS = list(product(("ko", "en"), ("light", "dark"), (390, 1180)))
LARGE = 900

NAMES = ["Mina Kim <mina@example.com>", "홍길동 <hong@example.com>", "Clara <clara@a-rather-long-domain.example>"]


def as_told(step: str, address: str) -> "str | float | None":
    """What the mail server does, by how the address begins."""
    told: dict[tuple[str, str], str | float] = {
        ("rcpt", "gone"): f"550 5.1.1 <{address}>: Recipient address rejected: User unknown",
        ("rcpt", "spam"): "554 5.7.1 Service unavailable; Client host [192.0.2.7] blocked using zen.example.org",
        ("rcpt", "grey"): f"450 4.2.0 <{address}>: Recipient address rejected: Greylisted, try again in 5 minutes",
        ("taken", "lost"): HANG_UP,
        ("end", "many"): 0.3,
    }
    return told.get((step, address[:4]))


class Example:
    """The tasks that the pictures show, each stored by a JSON call as a program would."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.database = Database(f"sqlite:///{site.folder / 'var' / 'postdate.db'}")
        said = subprocess.run(
            [sys.executable, "-m", "app", "token", "billing"],
            cwd=site.folder, env=bare_environment(), check=True, capture_output=True, text=True,
        )  # fmt: skip
        self.token = said.stdout.split()[-1]

    def call(self, path: str, body: dict[str, Any] | None = None) -> Any:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        with urlopen(Request(self.site.url + path, json.dumps(body or {}).encode(), headers)) as answer:
            return json.load(answer)

    def submit(self, recipients: list[str], template: str = "email/welcome", at: str = "", **more: Any) -> int:
        variables = {"name": "Mina", "event": "봄 워크숍", "date": "12월 8일", "place": "서울"}
        body = {"template": template, "recipients": recipients, "variables": variables, "scheduled_at": at or None}
        task_id: int = self.call("/api/tasks", {**body, **more})["id"]
        return task_id

    def fill(self) -> None:
        """In the order of their ids; see PAGES."""
        later = (datetime.now(UTC) + timedelta(days=3)).isoformat()
        self.submit(NAMES)
        self.submit([*NAMES, *(f"gone{n}@example.com" for n in range(4))])
        self.submit(["spam@example.com", "spam2@example.com", "gone@example.com"], subject="Our spring catalogue")
        self.submit(["lost@example.com", *NAMES])
        self.submit(["grey@example.com", *NAMES])
        self.submit(NAMES, at=later, queue="low", subject="Monday's plan for {{ name }}")
        held = self.submit(NAMES, at=later, late_limit=60, subject="오늘 점심 안내")
        self.call(f"/api/tasks/{self.submit(NAMES[:1], at=later)}/cancel")
        self.wait_for(5, Task.sent == 3)
        self.submit([f"many{n}@example.com" for n in range(LARGE)], subject="회원 여러분께 드리는 소식")
        with self.database.writing() as db:  # as if nothing had run when it was due
            db.execute(update(Task).where(Task.id == held).values(hold_after=now(-1)))
            self.make_up_the_past(db)
        self.wait_for(held, Task.held)
        self.wait_for(9, Task.sent >= 20)

    def make_up_the_past(self, db: Any) -> None:
        """Thirty days of work, two of them with trouble, and a worker that was killed."""
        chance, this = Random(7), datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        for back in range(1, 30 * 24):
            began = chance.randrange(40) if (this.hour - back) % 24 < 12 else chance.randrange(3)
            sent, bad = began * chance.randrange(1, 40), back in (9, 30, 31, 170)
            values = {"hour": this - timedelta(hours=back), "shard": 0, "started": began, "late_ms": began * 14,
                      "sent": sent, "failed": sent // (6 if bad else 90), "unknown": sent // 30 if bad else 0,
                      "latest_ms": (1_400_000 if bad else 90) if began else 0}  # fmt: skip
            db.execute(insert(Hour).values(**values))
        db.execute(update(Repair).where(Repair.name.in_(["rung", "released"])).values(n=3, last_at=now(-7200)))
        db.execute(insert(Worker).values(name="worker mail-2:4711", started_at=now(-90_000), seen_at=now(-540)))

    def wait_for(self, task_id: int, *conditions: Any) -> None:
        def holds() -> bool:
            with self.database.reading() as db:
                return db.scalar(select(Task.id).where(Task.id == task_id, *conditions)) is not None

        wait_until(holds, 60, f"task {task_id} is as it is to be shown")


def into_mailbox(sink: Sink, folder: Path) -> None:
    """What the mail server took, as the built-in mailbox keeps it."""
    folder.mkdir(parents=True, exist_ok=True)
    for n, taken in enumerate(sink.taken[:12]):
        head = f"X-Envelope-From: postdate@example.com\r\nX-Envelope-To: {taken.address}\r\n".encode()
        (folder / f"{int(taken.at * 1e9):020d}-{n}.eml").write_bytes(head + taken.body)


def take_all(browser: Browser, site: Site, out: Path) -> int:
    """Every page in every way; how many pictures that makes."""
    signed_in = sign_in(browser, site)
    for language, theme, width in WAYS:
        for stranger in (False, True):
            page = open_page(browser, site, language, theme, width, None if stranger else signed_in)
            for name in ["sign-in"] if stranger else [*FORMS, *PAGES]:
                bring(page, name)
                page.screenshot(path=out / f"{name}-{language}-{theme}-{width}.png", full_page=True)
            page.context.close()
    return len(WAYS) * (len(FORMS) + len(PAGES) + 1)


def take_best(browser: Browser, site: Site, out: Path) -> int:
    """What the README shows, as far as a screen shows it at once."""
    signed_in = sign_in(browser, site)
    for name, language, theme, width in README:
        page = open_page(browser, site, language, theme, width, signed_in)
        bring(page, name)
        page.screenshot(path=out / f"{name}.png")
        page.context.close()
    return len(README)


def bring(page: Page, name: str) -> None:
    """Bring the page into the state of that name."""
    if name in FORMS:
        compose(page, name)
        page.wait_for_timeout(1500)  # until the preview has followed: it has no sign of its own
        return
    page.goto(PAGES.get(name, f"/{name}"))
    if name == "mailbox":
        page.locator("tbody a").first.wait_for()
    if name == "bulk-ask":
        page.locator("#bulk input[name=all]").check()
        page.locator("#bulk button[value=cancel]").click()
        page.locator("#ask").wait_for()


def open_page(
    browser: Browser, site: Site, language: str, theme: Any, width: int, signed_in: StorageState | None
) -> Page:
    return browser.new_context(
        base_url=site.url, locale=language, timezone_id="Asia/Seoul", color_scheme=theme,
        viewport={"width": width, "height": 900}, storage_state=signed_in,
    ).new_page()  # fmt: skip


def main(out: Path, readme: bool) -> None:
    out.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="pd-") as folder,
        Sink(as_told) as sink,
        # The path says that mail stays here, so that there is a mailbox to show.
        serving(Path(folder), SMTP_URL=f"{sink.url}/mailbox", WORKERS="2") as site,
        sync_playwright() as playwright,
    ):
        Example(site).fill()
        into_mailbox(sink, site.folder / "var" / "mailbox")
        began = time.monotonic()
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        n = (take_best if readme else take_all)(browser, site, out)
        browser.close()
    print(f"{n} pictures in {out}, in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[2:] not in ([], ["readme"]):
        sys.exit("usage: python -m tests.browser.pictures FOLDER [readme]")
    main(Path(sys.argv[1]).resolve(), readme=sys.argv[2:] == ["readme"])
