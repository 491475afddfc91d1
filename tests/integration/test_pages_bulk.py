"""Many at once: what the page says beforehand, what is begun, and what is refused."""

import re
import uuid
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
from quart.typing import TestClientProtocol as Client
from sqlalchemy import func, select, update

from app.db import Database
from app.ring import Rings, connect
from app.tasks.books import Bulk, BulkTask
from app.tasks.model import Delivery, Task
from app.worker.bulks import Bulks
from tests.integration.conftest import OUR_PAGE
from tests.integration.test_pages_history import page_of, store

TOMORROW = datetime.now(UTC) + timedelta(days=1)


async def post(client: Client, path: str, **form: object) -> tuple[int, str]:
    """The status, and the page or where it leads."""
    headers = OUR_PAGE | {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await client.post(path, data=urlencode(form, doseq=True), headers=headers)
    text = await answer.get_data(as_text=True)
    return answer.status_code, answer.headers["Location"] if answer.status_code == 303 else text


def hidden(page: str) -> dict[str, str]:
    form = page[page.index('<form id="ask"') :]
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', form[: form.index("</form>")]))


def some(database: Database, *given: str) -> None:
    """Tasks with these statuses, by id from 1."""
    for status in given:
        task_id = store(database, f"a{status}@example.com")
        with database.writing() as db:
            db.execute(
                update(Task).where(Task.id == task_id).values(status=status, due_at=TOMORROW, scheduled_at=TOMORROW)
            )


def carry_out(database: Database, redis_url: str) -> None:
    """What the worker's thread does, until there is nothing more to do."""
    with connect(redis_url) as redis:
        bulks = Bulks(database, Rings(redis), lambda: True)
        while bulks.bite():
            pass


def statuses(database: Database) -> list[str]:
    with database.reading() as db:
        return list(db.scalars(select(Task.status).order_by(Task.id)))


async def test_the_page_says_how_many_which_and_why_others_are_left_alone(person: Client, database: Database) -> None:
    some(database, "scheduled", "queued", "started", "finished", "finished", "failed", "cancelled")
    code, page = await post(person, "/bulk", action="cancel")
    assert code == 200
    assert "Cancel 2 mails?" in page
    assert "Nothing has been done yet." in page
    for words in ("Being sent right now: <b>1</b>", "Sent already: <b>2</b>", "Cancelled already: <b>1</b>"):
        assert words in page
    assert "Everything in the history" in page
    assert '<a class="cover" href="/tasks/2">' in page
    assert statuses(database) == ["scheduled", "queued", "started", "finished", "finished", "failed", "cancelled"]


async def test_it_is_begun_frozen_carried_out_and_told(person: Client, database: Database, redis_url: str) -> None:
    some(database, "scheduled", "scheduled", "finished")
    _, page = await post(person, "/bulk", action="cancel", status="scheduled")
    assert '<span class="tag">Scheduled</span>' in page
    fields = hidden(page)
    assert (fields["highest"], fields["total"], fields["status"]) == ("3", "2", "scheduled")
    some(database, "scheduled")
    code, where = await post(person, "/bulk/start", **fields)
    assert (code, where) == (303, "/bulk/1")
    page = await page_of(person, where)
    assert "0 of 2" in page
    assert "data-look-again" in page
    assert "No worker is running, so this waits." in page
    carry_out(database, redis_url)
    page = await page_of(person, where)
    assert "2 of 2 · Done" in page
    assert "data-look-again" not in page
    assert statuses(database) == ["cancelled", "cancelled", "finished", "scheduled"]
    timeline = await page_of(person, "/tasks/1")
    assert "admin@postdate.local" in timeline


async def test_a_selection_is_meant_and_nothing_else(person: Client, database: Database, redis_url: str) -> None:
    some(database, "scheduled", "scheduled", "scheduled")
    _, page = await post(person, "/bulk", action="now", boxes="1", ids=["1", "3"])
    assert "Send 2 mails now?" in page
    assert "2 mails that you chose" in page
    await post(person, "/bulk/start", **hidden(page))
    carry_out(database, redis_url)
    with database.reading() as db:
        due = list(db.scalars(select(Task.due_at).order_by(Task.id)))
    assert [at < datetime.now(UTC) + timedelta(seconds=1) for at in due] == [True, False, True]


async def test_ids_may_come_in_one_field(person: Client, database: Database) -> None:
    some(database, "scheduled", "scheduled", "scheduled")
    _, page = await post(person, "/bulk", action="cancel", ids="3, 1,x,,999")
    assert "Cancel 2 mails?" in page


async def test_nothing_chosen_is_told_and_does_not_mean_everything(person: Client, database: Database) -> None:
    some(database, "scheduled")
    code, where = await post(person, "/bulk", action="cancel", boxes="1", status="scheduled")
    assert (code, where) == (303, "/history?status=scheduled")
    assert "Choose one or more mails first." in await page_of(person, where)
    _, page = await post(person, "/bulk", action="cancel", boxes="1", status="scheduled", all="1", ids="7")
    assert "Cancel 1 mail?" in page


async def test_what_grew_meanwhile_is_shown_once_more(person: Client, database: Database) -> None:
    some(database, "scheduled", "queued")
    _, page = await post(person, "/bulk", action="cancel", status="queued")
    with database.writing() as db:
        db.execute(update(Task).values(status="queued"))
    code, page = await post(person, "/bulk/start", **hidden(page))
    assert code == 200
    assert "More of them can be moved now than when you looked" in page
    with database.reading() as db:
        assert db.scalar(select(func.count()).select_from(Bulk)) == 0
    code, where = await post(person, "/bulk/start", **hidden(page))
    assert (code, where) == (303, "/bulk/1")


async def test_a_double_click_begins_one(person: Client, database: Database) -> None:
    some(database, "scheduled")
    _, page = await post(person, "/bulk", action="cancel")
    fields = hidden(page)
    assert await post(person, "/bulk/start", **fields) == await post(person, "/bulk/start", **fields)
    with database.reading() as db:
        assert db.scalar(select(func.count()).select_from(Bulk)) == 1
        assert db.scalar(select(func.count()).select_from(BulkTask)) == 1


async def test_a_cancelling_of_many_is_undone_by_a_button(person: Client, database: Database, redis_url: str) -> None:
    some(database, "scheduled", "scheduled")
    _, page = await post(person, "/bulk", action="cancel")
    await post(person, "/bulk/start", **hidden(page))
    carry_out(database, redis_url)
    with database.writing() as db:
        db.execute(update(Task).where(Task.id == 1).values(due_at=datetime.now(UTC) - timedelta(minutes=1)))
    assert "Undo …" in await page_of(person, "/bulk/1")
    _, page = await post(person, "/bulk", action="restore", bulk="1")
    assert "Let 2 mails go out after all?" in page
    assert "The time of 1 of them has passed: those go out at once." in page
    _, where = await post(person, "/bulk/start", **hidden(page))
    carry_out(database, redis_url)
    assert statuses(database) == ["scheduled", "scheduled"]
    with database.reading() as db:
        assert set(db.scalars(select(Delivery.status))) == {"queued"}
    page = await page_of(person, where)
    assert "Brought back" in page
    assert "Undo …" not in page


async def test_one_under_way_can_be_stopped_where_it_is(person: Client, database: Database, redis_url: str) -> None:
    some(database, "scheduled", "scheduled")
    _, page = await post(person, "/bulk", action="cancel")
    _, where = await post(person, "/bulk/start", **hidden(page))
    assert 'action="/bulk/1/stop"' in await page_of(person, where)
    assert await post(person, "/bulk/1/stop") == (303, "/bulk/1")
    carry_out(database, redis_url)
    page = await page_of(person, where)
    assert "0 of 2 · Stopped" in page
    assert "Not reached" in page
    assert statuses(database) == ["scheduled", "scheduled"]


async def test_an_event_says_that_many_were_moved_in_the_readers_language(
    person: Client, database: Database, redis_url: str
) -> None:
    some(database, "scheduled")
    _, page = await post(person, "/bulk", action="cancel")
    await post(person, "/bulk/start", **hidden(page))
    carry_out(database, redis_url)
    assert "Cancelled. (many at once, no. 1)" in await page_of(person, "/tasks/1")
    assert "취소했습니다. (한꺼번에 처리 1번)" in await page_of(person, "/tasks/1?lang=ko")


async def test_retry_leaves_what_is_only_unknown_to_a_person(person: Client, database: Database) -> None:
    some(database, "failed", "failed")
    with database.writing() as db:
        db.execute(update(Delivery).where(Delivery.task_id == 1).values(status="failed"))
        db.execute(update(Delivery).where(Delivery.task_id == 2).values(status="unknown"))
    _, page = await post(person, "/bulk", action="retry")
    assert "Retry what failed of 1 mail?" in page
    assert "Nothing failed: what is unknown is another decision: <b>1</b>" in page


@pytest.mark.parametrize("path", ["/bulk", "/bulk/start"])
@pytest.mark.parametrize("action", ["", "delete", "claim"])
async def test_there_are_no_other_actions(person: Client, path: str, action: str) -> None:
    assert (await post(person, path, action=action, key=str(uuid.uuid4())))[0] == 400


async def test_without_a_key_nothing_is_begun(person: Client, database: Database) -> None:
    some(database, "scheduled")
    assert (await post(person, "/bulk/start", action="cancel", total="1"))[0] == 400
    assert (await person.get("/bulk/77")).status_code == 404


async def test_it_speaks_korean_and_the_language_can_be_changed_in_the_middle(
    person: Client, database: Database
) -> None:
    some(database, "scheduled")
    _, page = await post(person, "/bulk?lang=ko", action="cancel", status="scheduled")
    assert "메일 1건을 취소할까요?" in page
    assert 'formaction="/bulk?lang=en"' in page
    fields = hidden(page)
    _, page = await post(person, "/bulk?lang=en", **fields)
    assert "Cancel 1 mail?" in page
    assert '<span class="tag">Scheduled</span>' in page


async def test_the_history_has_a_box_for_each_row_and_the_bar_keeps_the_filter(
    person: Client, database: Database
) -> None:
    some(database, "scheduled", "finished")
    page = await page_of(person, "/history?status=scheduled&q=a")
    assert page.count('form="bulk" name="ids"') == 1
    bar = page[page.index('id="bulk"') :]
    assert '<input type="hidden" name="status" value="scheduled">' in bar
    assert '<input type="hidden" name="q" value="a">' in bar


TABS = ["scheduled", "sending", "finished", "failed", "attention", "cancelled"]


@pytest.mark.parametrize("tab", ["", *TABS])
async def test_a_tab_offers_what_can_be_done_to_its_mails(person: Client, database: Database, tab: str) -> None:
    some(database, "scheduled", "queued", "started", "finished", "cancelled")
    for status in ("failed", "unknown"):
        task_id = store(database, "anna@example.com")
        with database.writing() as db:
            db.execute(update(Delivery).where(Delivery.task_id == task_id).values(status=status))
            db.execute(update(Task).where(Task.id == task_id).values(status="failed", attention=True, **{status: 1}))
    with database.writing() as db:
        db.execute(update(Task).where(Task.status == "scheduled").values(held=True, attention=True))
    offered = set(re.findall(r'name="action" value="(\w+)"', await page_of(person, f"/history?status={tab}")))
    possible = set()
    for action in ("cancel", "retry", "now", "arrived", "again"):
        _, page = await post(person, "/bulk", status=tab, action=action, all=1)
        possible |= {action} if int(hidden(page)["total"]) else set()
    # Of everything at once, nobody knows what became of all that is unknown.
    assert offered == (possible if tab else possible - {"arrived", "again"})
