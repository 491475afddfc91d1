"""The overview: the strip, the charts and their tables, the workers, the queues against Redis, the repairs."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from quart.typing import TestClientProtocol as Client
from redis import Redis
from sqlalchemy import insert, text, update

from app.config import Settings
from app.db import Database, now
from app.ring import Rings
from app.tasks import lifecycle, limits, line, overview, sender
from app.tasks.books import Hour, Worker
from app.tasks.limit import Limit
from app.tasks.reconcile import note_repair
from app.web import create_app
from app.web.people.accounts import keep_admin, sign_in_link
from tests.integration.test_pages_history import page_of, store
from tests.parts import answer

WELL = "Workers, mail server and Redis are in order"
NO_WORKER = "No worker is running: mail will wait."


def text_of(page: str, id: str) -> str:
    """What the page says from the part of that id on, to the end of its section or figure, without tags."""
    part = re.split("</section>|</figure>|<section", page.split(f' id="{id}"', 1)[1].partition(">")[2])[0]
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", part)).split())


def numbers(page: str) -> list[list[str]]:
    """The cells of the table behind the charts."""
    table = page.split('<table id="numbers"')[1].split("<tbody>")[1].split("</tbody>")[0]
    return [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in table.split("</tr>") if "<td" in row]


@pytest.fixture
def worker(database: Database) -> None:
    with database.writing() as db:
        db.execute(insert(Worker).values(name="worker here:1"))


async def test_without_a_worker_the_page_says_that_mail_will_wait(person: Client, database: Database) -> None:
    assert NO_WORKER in await page_of(person, "/charts")
    with database.writing() as db:
        db.execute(insert(Worker).values(name="worker here:1", seen_at=now(-14)))
    assert NO_WORKER not in await page_of(person, "/charts")
    with database.writing() as db:
        db.execute(update(Worker).values(seen_at=now(-16)))
    page = await page_of(person, "/charts")
    assert NO_WORKER in page
    assert "here:1 no sign of life; last seen 16 seconds ago" in text_of(page, "workers")


@pytest.mark.usefixtures("worker")
async def test_when_everything_works_the_page_says_so_and_nothing_else(person: Client) -> None:
    page = await page_of(person, "/charts")
    assert WELL in page
    assert 'class="note"' not in page
    assert "here:1 running since" in text_of(page, "workers")
    assert "Nothing to do right now." in page
    assert "Nothing had to be repaired so far." in page


@pytest.mark.usefixtures("worker")
async def test_a_limit_that_is_reached_is_named_until_there_is_room(person: Client, database: Database) -> None:
    hourly, quick = Limit("gmail.com", 2, 3600), Limit("", 3, 1)
    with database.writing() as db:
        limits.agree(db, [hourly, quick])
    for _ in range(2):
        assert WELL in await page_of(person, "/charts")
        with database.writing() as db:
            assert line.ask(db, [hourly, quick], line.Asker(1, in_line=True)) is None
    page = await page_of(person, "/charts")
    assert WELL not in page
    assert "The limit gmail.com=2/hour is reached: mail waits for its turn, and goes on by itself." in page
    assert "3/second" not in page
    until = datetime.fromisoformat(re.findall(r'New mail to gmail.com waits until: <time datetime="([^"]*)"', page)[0])
    assert timedelta(minutes=59) < until - datetime.now(UTC) < timedelta(minutes=63)
    assert "발송 한도 gmail.com=2/hour에 닿았습니다." in await page_of(person, "/charts?lang=ko")
    with database.writing() as db:
        limits.agree(db, [quick])
    assert WELL in await page_of(person, "/charts?lang=en")


@pytest.mark.usefixtures("worker")
async def test_a_pause_says_why_what_that_means_and_until_when(person: Client, database: Database) -> None:
    with database.writing() as db:
        db.execute(sender.pause("535 5.7.8 Not accepted", 600))
    page = await page_of(person, "/charts")
    assert WELL not in page
    notices = text_of(page, "notices")
    assert "tried again: 535 5.7.8 Not accepted" in notices
    assert "The server refused the sign-in." in notices
    assert re.search(r"Next attempt: .* in 9 minutes", notices)


@pytest.mark.usefixtures("worker")
async def test_a_server_that_asked_to_slow_down_is_named_with_the_gap(person: Client, database: Database) -> None:
    with database.writing() as db:
        db.execute(sender.slow_down("450 too fast"))
    notices = text_of(await page_of(person, "/charts"), "notices")
    assert "0.1 seconds are left between two messages: 450 too fast" in notices
    assert WELL not in notices


@pytest.mark.usefixtures("worker")
async def test_what_a_worker_is_doing_is_beside_it_with_its_progress(person: Client, database: Database) -> None:
    task_id = store(database, "anna@example.com", "ben@example.com")
    with database.writing() as db:
        db.execute(lifecycle.claim(task_id, 0, "token", "worker here:1"))
        db.execute(lifecycle.keep(task_id, "token", sent=1))
    page = await page_of(person, "/charts")
    assert f'href="/tasks/{task_id}"' in page
    assert '<progress max="2" value="1"' in page
    assert "1 of 2" in text_of(page, "workers")


async def test_queues_are_counted_in_the_rows_and_in_redis(person: Client, database: Database, redis: Redis) -> None:
    for queue in ("high", "low", "low"):
        store(database, queue=queue)
    store(database, scheduled_at=datetime.now(UTC) + timedelta(days=1), zone="UTC")
    Rings(redis).ring([(1, 0, "high"), (2, 0, "low")])
    page = await page_of(person, "/charts")
    assert "High 1 1 1 Default 0 0 0 Low 2 2 1" in text_of(page, "queues")
    assert "Redis has fewer wake-ups" in page
    Rings(redis).ring([(3, 0, "low")])
    assert "Redis has fewer wake-ups" not in await page_of(person, "/charts")


def test_more_queued_tasks_than_are_looked_at_are_cut_off(database: Database) -> None:
    for queue in ("high", "low", "low", "low"):
        store(database, queue=queue)
    with database.reading() as db:
        assert [tuple(row) for row in db.execute(overview.waiting(limit=2))] == [("high", 1, 1), ("low", 2, 2)]


@pytest.mark.usefixtures("worker")
async def test_without_redis_the_page_is_there_and_says_so(settings: Settings, database: Database) -> None:
    app = create_app(replace(settings, redis_url=f"unix://{Path(settings.var)}/nobody"))
    await keep_admin(app.config["POSTDATE"].database, settings)
    async with app.test_app():
        client = app.test_client()
        link = sign_in_link(database, settings)
        assert link
        await client.get(link.removeprefix(settings.public_url))
        page = await page_of(client, "/charts")
    assert "Redis does not answer: mail goes out later than it could." in text_of(page, "notices")
    assert "High 0 0 not known" in text_of(page, "queues")


async def test_repairs_are_said_in_words(person: Client, database: Database) -> None:
    with database.writing() as db:
        db.execute(note_repair("released", 2))
        db.execute(note_repair("condemned", 1))
    repairs = text_of(await page_of(person, "/charts"), "repairs")
    last = r"Last: [^:]*:\d\d UTC (now|\d+ seconds? ago)"
    assert re.search(f"Tasks taken over from a worker that was gone: 2 {last}", repairs)
    assert "Tasks given up after three workers were lost over them: 1" in repairs
    assert "rung again" not in repairs


async def test_the_charts_count_what_ended_and_the_table_says_the_same(person: Client, database: Database) -> None:
    task_id = store(database, "anna@example.com", "ben@example.com", "cho@example.com")
    answer(database, task_id, {"ben@example.com": "550 5.1.1 nobody"})
    for query in ("", "?span=days"):
        page = await page_of(person, f"/charts{query}")
        assert "2 messages that the mail server took, or that arrived" in text_of(page, "sent-sum")
        assert "1 failed 0 unknown" in text_of(page, "refused-sum")
        rows = numbers(page)
        assert [row[:4] for row in rows] == [["2", "1", "0", "1"]]
        assert rows[0][4].endswith(("ms", "sec"))
        plots = page.split('id="plot-')[1:]
        kinds = [re.findall('<rect class="([^t]\\w*)"', plot.split("</div>")[0]) for plot in plots]
        assert kinds == [["sent"], ["failed"], ["worst", "mean"]]


async def test_the_span_decides_which_hours_are_seen(person: Client, database: Database) -> None:
    this = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    zeros = dict.fromkeys(("failed", "unknown", "started", "late_ms", "latest_ms"), 0)
    with database.writing() as db:
        for back, sent in ((0, 1), (47, 10), (49, 100), (24 * 31, 1000)):
            for shard in (0, 1):
                values = {"hour": this - timedelta(hours=back), "shard": shard, "sent": sent, **zeros}
                db.execute(insert(Hour).values(**values))
    assert [row[0] for row in numbers(await page_of(person, "/charts"))] == ["2", "20"]
    assert sum(int(row[0]) for row in numbers(await page_of(person, "/charts?span=days"))) == 222
    assert "지난" not in (korean := await page_of(person, "/charts?span=days&lang=ko"))
    assert "최근 30일" in korean


async def test_with_nothing_sent_yet_the_charts_say_so(person: Client) -> None:
    page = await page_of(person, "/charts?span=nonsense")
    assert page.count("Nothing in this time.") == 3
    assert "Nothing was sent in this time." in page
    assert "No task began in this time." in page


async def test_every_chart_has_a_name_and_a_description_and_no_style_of_its_own(person: Client) -> None:
    page = await page_of(person, "/charts")
    for chart in ("sent", "refused", "late"):
        assert f'role="img" aria-labelledby="{chart}-title {chart}-said"' in page
        assert f'<title id="{chart}-title">' in page
        assert f'<desc id="{chart}-said">' in page
    assert "style=" not in page


@pytest.mark.parametrize(
    "statement",
    [overview.waiting(), overview.at_work(), overview.tasks_of([1, 2])],
    ids=["waiting", "at work", "tasks of causes"],
)
def test_no_question_looks_through_a_whole_table(database: Database, statement: Any) -> None:
    asked = statement.compile(database.engine, compile_kwargs={"literal_binds": True})
    with database.reading() as db:
        plan = [row[3] for row in db.execute(text(f"EXPLAIN QUERY PLAN {asked}".replace(":", r"\:")))]
    assert any("USING" in step for step in plan)
    assert [step for step in plan if re.match(r"SCAN (tasks|deliveries)|.*TEMP B-TREE FOR ORDER", step)] == []
