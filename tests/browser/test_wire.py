"""How many bytes the first page of a lively history takes over the wire, script and all, and on the next visit."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from playwright.sync_api import Browser, Page, StorageState, expect

from app.db import Database
from app.mail.addresses import parse
from app.tasks.queries import PAGE
from app.tasks.request import Recipient, Request
from app.tasks.submit import new_deliveries, new_task
from tests.browser.conftest import Site, serving, sign_in
from tests.parts import answer, note_figure

FIRST, AGAIN = 30_000, 10_000
FAMILIES = ["김", "이", "박", "최", "정", "강", "조", "윤", "Smith", "Kowalski", "Nguyen", "García", "Müller", "Okafor"]
GIVEN = [
    "민준",
    "서연",
    "도윤",
    "하은",
    "지호",
    "수아",
    "Anna",
    "Ben",
    "Clara",
    "David",
    "Emma",
    "Felix",
    "Grace",
    "Hugo",
]
ABOUT = [
    "{month}월 회원 소식",
    "Invoice {n} for {month}",
    "봄 워크숍 안내",
    "Your order {n} has left",
    "Welcome, {name}",
]
SAID = ["550 5.1.1 <{}>: Recipient address rejected: User unknown in virtual mailbox table",
        "552 5.2.2 <{}>: The email account that you tried to reach is over quota"]  # fmt: skip


@pytest.fixture(scope="module")
def lively(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server of its own: nobody else's mail is among its history."""
    with serving(tmp_path_factory.mktemp("wire")) as site:
        fill(Database(f"sqlite:///{site.folder / 'var' / 'postdate.db'}"))
        yield site


@pytest.fixture(scope="module")
def somebody(browser: Browser, lively: Site) -> StorageState:
    return sign_in(browser, lively)


def fill(database: Database) -> None:
    chance = Random(7)
    for n in range(PAGE + 10):
        people = [person(chance) for _ in range(chance.choice([1, 1, 1, 2, 3, 12]))]
        name = chance.choice(GIVEN)
        title = chance.choice(ABOUT).format(n=chance.randrange(10_000), month=chance.randrange(1, 13), name=name)
        later = datetime.now(UTC) + timedelta(minutes=chance.randrange(2_000, 20_000)) if n % 3 == 0 else None
        request = Request(
            chance.choice(["email/welcome", "email/reminder"]), people, "mina.kim@example.com", {"name": name},
            subject=title, title=title, scheduled_at=later, zone="Asia/Seoul",
        )  # fmt: skip
        with database.writing() as db:
            task_id = db.execute(new_task(request)).scalar_one()
            db.execute(new_deliveries(request, task_id, "example.com"))
        if later is None:  # no ring was sent for it: nobody else is there yet
            refused = people[0].mailbox.address
            answer(database, task_id, {refused: chance.choice(SAID).format(refused)} if n % 4 == 0 else {})
    database.close()


def person(chance: Random) -> Recipient:
    word = (
        "".join(chance.choices("abcdefghijklmnopqrstuvwxyz.", k=chance.randrange(5, 14))).strip(".").replace("..", ".")
    )
    domain = chance.choice(["example.com", "mail.example.org", "a-rather-long-company-name.example"])
    return Recipient(parse(f"{chance.choice(FAMILIES)} {chance.choice(GIVEN)} <{word}{chance.randrange(99)}@{domain}>"))


def bytes_over_the_wire(page: Page, address: str) -> int:
    """All that came, heads included, until the page was there."""
    came: list[float] = []
    devtools = page.context.new_cdp_session(page)
    devtools.send("Network.enable")
    devtools.on("Network.loadingFinished", lambda event: came.append(event["encodedDataLength"]))
    page.goto(address, wait_until="networkidle")
    expect(page.locator("tbody tr")).to_have_count(PAGE)
    devtools.detach()
    return int(sum(came))


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_first_page_of_the_history_is_small(
    browser: Browser, lively: Site, somebody: StorageState, language: str
) -> None:
    with browser.new_context(base_url=lively.url, locale=language, storage_state=somebody) as context:
        first = bytes_over_the_wire(context.new_page(), "/history")
        again = bytes_over_the_wire(context.new_page(), "/history")
    note_figure(f"history over the wire ({language}): {first} bytes at first, {again} on the second visit")
    assert 8_000 < first < FIRST, "what came was counted, and was little"
    assert 1_000 < again < AGAIN
