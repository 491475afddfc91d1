"""A mail of which a part is over: what is left of it, whom it missed, and a cancelled one that comes back."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from urllib.parse import quote

import pytest
from quart.typing import TestClientProtocol as Client
from sqlalchemy import insert, update

from app.db import Database
from app.mail.outcome import CUT_OFF, NO_REPLY
from app.mail.people import read_people
from app.tasks.lifecycle.due import LOST
from app.tasks.model import Delivery, Task, TaskEvent
from tests.integration.test_pages_compose import post
from tests.integration.test_pages_history import page_of, store
from tests.integration.test_pages_task import do, set_status, task
from tests.parts import answer

SOON = datetime.now(UTC) + timedelta(days=2)


def set_statuses(database: Database, **statuses: str) -> None:
    """Of people by the first letters of their addresses."""
    with database.writing() as db:
        for name, status in statuses.items():
            db.execute(
                update(Delivery)
                .where(Delivery.address.startswith(name))
                .values(status=status, attempt=1, reply="550 No such user" if status == "failed" else None)
            )


async def test_the_buttons_of_a_partly_sent_mail_speak_of_what_is_left(person: Client, database: Database) -> None:
    store(database, "anna@example.com", "bo@example.com", "cy@example.com")
    assert "Cancel this mail" in await page_of(person, "/tasks/1")
    set_statuses(database, anna="sent")
    set_status(database, "queued", sent=1, attempt=1)
    page = await page_of(person, "/tasks/1")
    assert "Cancel the 2 that are left" in page
    assert "Reschedule the rest" in page
    assert "남은 2통 취소" in await page_of(person, "/tasks/1?lang=ko")


async def test_a_cancelled_mail_comes_back_from_its_page_long_after(person: Client, database: Database) -> None:
    store(database, "anna@example.com", scheduled_at=SOON, zone="Asia/Seoul")
    await do(person, "/tasks/1/cancel")
    set_status(database, "cancelled", ended_at=datetime.now(UTC) - timedelta(days=1))
    assert "Bring this mail back" in await page_of(person, "/tasks/1")
    code, page = await do(person, "/tasks/1/restore")
    assert (code, task(database).status) == (303, "scheduled")
    assert "Undone. It will be sent" in page
    assert "Bring this mail back" not in page


async def test_one_whose_time_has_passed_comes_back_only_after_a_second_word(
    person: Client, database: Database
) -> None:
    store(database, "anna@example.com", scheduled_at=SOON)
    await do(person, "/tasks/1/cancel")
    set_status(database, "cancelled", due_at=datetime.now(UTC) - timedelta(hours=1))
    _, page = await do(person, "/tasks/1/restore")
    assert "Nothing was done yet." in page
    assert task(database).status == "cancelled"
    (token,) = re.findall(r'name="token" value="([^"]+)"', page)
    await do(person, "/tasks/1/restore", token=token, at_once="yes")
    assert task(database).status == "scheduled"


@pytest.mark.parametrize("status", ["scheduled", "finished", "failed"])
async def test_what_is_not_cancelled_does_not_come_back(person: Client, database: Database, status: str) -> None:
    store(database, scheduled_at=SOON)
    set_status(database, status, ended_at=datetime.now(UTC))
    assert "Bring this mail back" not in await page_of(person, "/tasks/1")
    await do(person, "/tasks/1/restore")
    assert task(database).status == status


async def test_what_is_unknown_is_decided_about_in_a_cancelled_mail_too(person: Client, database: Database) -> None:
    store(database, "anna@example.com", "bo@example.com")
    set_statuses(database, anna="unknown")
    set_status(database, "queued", unknown=1, attempt=1, attention=True)
    _, page = await do(person, "/tasks/1/cancel")
    assert "It arrived" in page
    assert 'id="task-1"' in await page_of(person, "/history?status=attention")
    _, page = await do(person, "/tasks/1/decide", decision="arrived", address="anna@example.com")
    assert "Noted: it arrived." in page


async def test_who_was_refused_can_be_written_to_at_another_address(person: Client, database: Database) -> None:
    store(database, "anna@example.com", "Bo <bo@exmaple.com>")
    answer(database, 1, {"bo@exmaple.com": "550 5.1.1 No such user"})
    link = "/compose?from=1&amp;to=bo%40exmaple.com"
    for page in ("/tasks/1", "/tasks/1/message?address=bo@exmaple.com"):
        assert (await page_of(person, page)).count(link) == 1, page
    form = await page_of(person, link.replace("&amp;", "&"))
    assert "Bo &lt;bo@exmaple.com&gt;</textarea>" in form
    assert "anna@example.com" not in form
    assert "anna@example.com" not in await page_of(person, "/compose?from=1&to=anna@example.com"), "she has it"


async def test_one_person_of_a_table_comes_back_with_fields_and_no_table(person: Client, database: Database) -> None:
    await post(person, recipients="email,name\nanna@example.com,Anna\nBo <bo@exmaple.com>,Mr. Bo", variables__name="")
    answer(database, 1, {"bo@exmaple.com": "550 5.1.1 No such user"})
    form = await page_of(person, "/compose?from=1&to=bo@exmaple.com")
    assert "Mr. Bo &lt;bo@exmaple.com&gt;</textarea>" in form
    assert 'name="variables.name" value="Mr. Bo"' in form


async def test_what_is_put_off_days_after_the_mail_began_has_further_attempts(
    person: Client, database: Database
) -> None:
    store(database, "anna@example.com", "bo@example.com")
    with database.writing() as db:
        db.execute(update(Task).values(started_at=datetime.now(UTC) - timedelta(days=3)))
    answer(database, 1, {"bo@example.com": "451 4.7.1 greylisted, try again in 5 minutes"})
    assert task(database).status == "queued"
    assert "Next attempt" in await page_of(person, "/tasks/1")


async def test_those_who_need_a_look_come_first_and_the_others_as_they_were_given(
    person: Client, database: Database
) -> None:
    store(database, "zoe@example.com", "anna@example.com", "bo@example.com", "cy@example.com")
    set_statuses(database, zoe="sent", anna="sent", bo="unknown", cy="failed")
    set_status(database, "failed", sent=2, unknown=1, failed=1)
    page = await page_of(person, "/tasks/1")
    assert re.findall(r'class="whom"><a href="[^"]+">(\w+)@', page) == ["cy", "bo", "zoe", "anna"]


async def test_a_mail_that_nobody_rang_for_in_time_waits(person: Client, database: Database) -> None:
    store(database, scheduled_at=SOON)
    for late, badge in ((-60, "scheduled"), (60, "waiting")):
        set_status(database, "scheduled", due_at=datetime.now(UTC) - timedelta(seconds=late))
        for page in ("/history", "/tasks/1"):
            assert f'class="badge" data-status="{badge}"' in await page_of(person, page), page


async def test_our_own_words_are_no_servers_and_are_korean(person: Client, database: Database) -> None:
    store(database, "anna@example.com", "bo@example.com")
    with database.writing() as db:
        words = CUT_OFF.format(where="127.0.0.1:25")
        db.execute(update(Delivery).values(status="failed", attempt=1, reply=words, updated_at=datetime.now(UTC)))
        db.execute(update(Delivery).where(Delivery.address < "b").values(reply="550 5.1.1 No such user"))
        db.execute(update(Task).values(status="failed", failed=2, ended_at=datetime.now(UTC)))
    page = await page_of(person, "/tasks/1?lang=ko")
    assert "<code>550 5.1.1 No such user</code>" in page
    assert "메일을 넘기기 전에 127.0.0.1:25 서버와의 연결이 끊겼습니다." in page
    assert words not in page


async def test_a_search_that_finds_nothing_says_where_it_looked(person: Client, database: Database) -> None:
    store(database, title="Welcome, Anna")
    page = await page_of(person, "/history?q=Welcome")
    assert "Only addresses that begin with “Welcome” were looked for." in page
    assert 'href="/history?subject=Welcome"' in page
    assert 'id="task-1"' in await page_of(person, "/history?subject=Welcome")


async def test_tries_without_end_are_told_once_with_how_often(person: Client, database: Database) -> None:
    store(database)
    began = datetime.now(UTC) - timedelta(hours=1)
    moves = [("queued", "started", None), ("started", "queued", "It is tried again.")] * 20
    with database.writing() as db:
        for n, (before, after, why) in enumerate(moves):
            at = began + timedelta(minutes=n)
            values = {"task_id": 1, "at": at, "from_status": before, "to_status": after, "who": "worker", "why": why}
            db.execute(insert(TaskEvent).values(values))
    page = await page_of(person, "/tasks/1")
    assert page.count("Queued → <b>Sending</b>") == 1
    assert page.count("20 times, for the first time:") == 2


async def test_a_mail_is_named_after_whom_the_form_named_first(person: Client, database: Database) -> None:
    store(database, "zoe@example.com", "anna@example.com")
    assert "zoe@example.com and 1 more" in await page_of(person)
    with database.writing() as db:
        db.execute(update(Task).values(first_address=None))  # as an older version stored it
    assert "anna@example.com and 1 more" in await page_of(person)


async def test_a_held_mail_does_not_look_again_since_only_a_person_moves_it(person: Client, database: Database) -> None:
    store(database, scheduled_at=SOON)
    assert "data-look-again" in await page_of(person, "/tasks/1")
    set_status(database, "scheduled", held=True, due_at=datetime.now(UTC) - timedelta(hours=1))
    assert "data-look-again" not in await page_of(person, "/tasks/1")


async def test_the_words_of_a_server_are_kept_though_they_look_like_ours(person: Client, database: Database) -> None:
    store(database)
    said = "421 4.7.0 too many messages (bulk mail)"
    with database.writing() as db:
        db.execute(update(Task).values(status="failed", who="worker", why=said))
    assert said in await page_of(person, "/tasks/1")


async def test_a_recipient_of_a_large_mail_is_found_whatever_the_letters(person: Client, database: Database) -> None:
    store(database, "Émile@example.com", "anna@example.com")
    for typed in ("Émile", "ÉMILE@Example", "mile"):
        page = await page_of(person, f"/tasks/1?q={quote(typed)}")
        assert ("mile@example.com</a>" in page) == ("É" in typed or typed == "mile"), typed
        assert "anna@example.com</a>" not in page


async def test_a_name_that_looks_like_a_list_comes_back_as_one_name(person: Client, database: Database) -> None:
    for number, name in enumerate(("Kim，Lee", "1. Kim", "- Kim", "Kim; Lee"), 1):
        store(database, f'"{name}" <a@example.com>')
        page = await page_of(person, f"/compose?from={number}")
        (typed,) = re.findall(r'<textarea id="recipients".*?>\n(.*?)</textarea>', page, re.DOTALL)
        (found,) = read_people(unescape(typed)).found
        assert (found.mailbox.address, found.mailbox.name) == ("a@example.com", name)
        assert 'class="wrong"' not in page


async def test_only_what_was_sent_now_counts_down_in_a_list(person: Client, database: Database) -> None:
    store(database, undo_seconds=60)
    assert re.search(r'data-undo="[0-9]+"', await page_of(person))
    set_status(database, "scheduled", scheduled_at=SOON, due_at=SOON)
    assert "data-undo" not in await page_of(person)


async def test_what_could_not_be_written_is_said_in_korean_and_not_blamed_on_a_server(
    person: Client, database: Database
) -> None:
    store(database, "anna@example.com", "bo@example.com")
    with database.writing() as db:
        db.execute(
            update(Delivery).values(status="failed", attempt=1, reply="The message would be larger than 512 KB.")
        )
        needs = "The template needs a value for name."
        db.execute(update(Delivery).where(Delivery.address < "b").values(reply=needs))
        db.execute(update(Task).values(status="failed", failed=2, ended_at=datetime.now(UTC)))
    page = await page_of(person, "/tasks/1")
    assert "larger than the server takes" not in page
    page = await page_of(person, "/tasks/1?lang=ko")
    assert "The template needs" not in page
    assert "The message would" not in page


async def test_the_page_of_a_cancelled_recipient_does_not_say_that_the_mail_will_leave(
    person: Client, database: Database
) -> None:
    store(database, "anna@example.com", scheduled_at=SOON)
    page = await page_of(person, "/tasks/1/message?address=anna@example.com")
    assert 'href="/tasks/1/edit"' in page
    assert "data-live-after" in page
    await do(person, "/tasks/1/cancel")
    page = await page_of(person, "/tasks/1/message?address=anna@example.com")
    assert "It was never written" in page
    assert "/edit" not in page


async def test_the_values_of_programs_are_shown_as_they_gave_them(person: Client, database: Database) -> None:
    store(database, variables={"name": "Anna", "items": ["a", None, True], "n": 7})
    page = await page_of(person, "/tasks/1")
    assert "<dd>[&#34;a&#34;, null, true]</dd>" in page
    assert "<dd>7</dd>" in page


@pytest.mark.parametrize("nothing", [None, False])
async def test_what_a_program_left_out_is_not_sent_as_a_word_by_whoever_duplicates_it(
    person: Client, database: Database, nothing: object
) -> None:
    values = {"name": "Anna", "event": "E", "date": "D", "place": "P", "note": nothing}
    store(database, template="email/reminder", variables=values)
    page = await page_of(person, "/compose?from=1")
    assert 'name="variables.note" value=""' in page


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ("unknown", "No reply."),
        ("queued", NO_REPLY),
        ("queued", LOST),
        ("queued", "The message was handed over, but no answer of the mail server was heard."),  # as 0.1 wrote it
    ],
)
@pytest.mark.parametrize("ended", ["cancelled", "failed"])
async def test_who_may_have_it_is_not_called_one_who_did_not_get_it(
    person: Client, database: Database, status: str, why: str, ended: str
) -> None:
    store(database, "anna@example.com", "bo@example.com", "cy@example.com")
    set_statuses(database, anna="sent", bo=ended, cy=ended)
    set_status(database, ended, sent=1, failed=2 if ended == "failed" else 0, ended_at=datetime.now(UTC))
    with database.writing() as db:
        moved = {"task_id": 1, "at": datetime.now(UTC), "from_status": "sending", "who": "worker"}
        db.execute(insert(TaskEvent).values(to_status=status, why=why, address="bo@example.com", **moved))
    assert "Write to the 1 who did not get it" in await page_of(person, "/tasks/1")
    links = {name: f"/compose?from=1&amp;to={name}%40example.com" for name in ("bo", "cy")}
    for name, link in links.items():
        offered = ended == "failed" and name == "cy"
        assert (link in await page_of(person, "/tasks/1")) == offered
        assert (link in await page_of(person, f"/tasks/1/message?address={name}@example.com")) == offered
    form = await page_of(person, "/compose?from=1&to=missed")
    assert "cy@example.com</textarea>" in form
    assert "bo@example.com" not in form


async def test_a_second_click_decides_nothing_about_what_came_of_the_first(person: Client, database: Database) -> None:
    store(database, "anna@example.com", "bo@example.com")
    set_statuses(database, anna="unknown", bo="sent")
    set_status(database, "failed", unknown=1, sent=1, attempt=1, attention=True, ended_at=datetime.now(UTC))
    (seen, *_) = re.findall(r'name="seen" value="([^"]+)"', await page_of(person, "/tasks/1"))
    again = {"decision": "again", "address": "anna@example.com", "seen": seen}
    _, page = await do(person, "/tasks/1/decide", **again)
    assert "It is being sent again" in page
    set_statuses(database, anna="unknown")  # it was handed over once more, and again there was no reply
    set_status(database, "failed", unknown=1, attempt=2)
    with database.writing() as db:
        db.execute(update(Delivery).values(updated_at=datetime.now(UTC) + timedelta(seconds=1)))
    _, page = await do(person, "/tasks/1/decide", **again)
    assert "There is nothing here to decide any more." in page
    assert task(database).status == "failed"
