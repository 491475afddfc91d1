"""A mail to many is asked about once more, in figures; nothing is stored until the very number was confirmed."""

import html
import re
from datetime import UTC, datetime, timedelta

import pytest
from quart.typing import TestClientProtocol as Client
from sqlalchemy import update

from app.db import Database
from app.tasks.model import Task
from tests.integration.conftest import OUR_PAGE
from tests.integration.test_pages_compose import GOOD, at_field, key_in, later, post, stored, the_task
from tests.integration.test_pages_history import store


def people(n: int, domain: str = "example.com") -> str:
    return "\n".join(f"person{number}@{domain}" for number in range(n))


def words(page: str) -> str:
    main = page.partition('<main id="main"')[2]
    return " ".join(html.unescape(re.sub("<[^>]*>", " ", main)).split())


async def test_twenty_are_sent_to_without_a_question(person: Client, database: Database) -> None:
    assert (await post(person, recipients=people(20)))[0] == 303
    assert stored(database) == 1


async def test_more_are_asked_about_in_figures_and_nothing_is_stored(person: Client, database: Database) -> None:
    many = "\n".join(people(n, f"d{n}.example") for n in range(1, 8)) + "\nPERSON0@d1.example"
    code, page, _ = await post(person, recipients=many, template="email/welcome", variables__name="Mina")
    assert (code, stored(database)) == (200, 0)
    said = words(page)
    assert "Send this to 28 people?" in said
    assert "Nothing has been stored or sent yet." in said
    assert "Welcome, Mina as the first person gets it" in said
    assert "person0@d1.example, person0@d2.example, person1@d2.example and 25 more" in said
    assert "1 duplicate left out (PERSON0@d1.example)" in said
    assert "d7.example 7 d6.example 6 d5.example 5 d4.example 4 d3.example 3 and 2 other domains" in said
    assert "At once." in said
    assert "About 3 seconds, if the mail server takes 10 a second." in said
    assert "Send 28 mails" in said


async def test_the_time_is_said_in_words(person: Client) -> None:
    _, page, _ = await post(person, recipients=people(21), **later("2027-12-08T09:00", "Asia/Seoul"))
    assert "Sends Wednesday 8 December 2027 at 09:00 Asia/Seoul, in" in words(page)
    assert "In UTC, that is Wed 8 Dec 2027 00:00." in words(page)
    assert "Schedule 21 mails for Wed 8 Dec 2027 09:00" in words(page)


async def test_it_is_asked_in_korean(person: Client) -> None:
    _, page, _ = await post(person, language="ko", recipients=people(120))
    assert "120명에게 보낼까요?" in words(page)
    assert "외 117명" in words(page)


async def test_the_pace_is_that_of_the_last_large_one(person: Client, database: Database) -> None:
    store(database, *people(40).split())
    ended = datetime.now(UTC)
    with database.writing() as db:
        values = {"status": "finished", "sent": 40, "started_at": ended - timedelta(seconds=2), "ended_at": ended}
        db.execute(update(Task).values(values))
    _, page, _ = await post(person, recipients=people(60))
    assert "About 3 seconds, at the pace of the last large one: 20 a second." in words(page)


async def confirm(client: Client, page: str, **more: str) -> tuple[int, str]:
    """Press the button on that page, with what it carries and what was typed."""
    form = {
        name: html.unescape(value) for name, value in re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', page)
    }
    confirmed = re.search(r'<button class="main" name="confirmed" value="(\d+)"', page)
    assert confirmed
    answer = await client.post("/compose", form=form | {"confirmed": confirmed[1]} | more, headers=OUR_PAGE)
    return answer.status_code, await answer.get_data(as_text=True)


async def test_confirmed_it_is_sent_once_with_everything_in_it(person: Client, database: Database) -> None:
    _, page, _ = await post(person, recipients=people(21), subject="Hi {{ name }}", queue="low")
    assert [(await confirm(person, page))[0] for _ in range(2)] == [303, 303]
    task = the_task(database)
    assert (task.recipients, task.subject, task.queue, task.variables) == (21, "Hi {{ name }}", "low", {"name": "Anna"})


async def test_another_number_than_the_confirmed_one_is_asked_about_again(person: Client, database: Database) -> None:
    _, page, _ = await post(person, recipients=people(21))
    code, page = await confirm(person, page, recipients=people(22))
    assert (code, stored(database)) == (200, 0)
    assert "Send this to 22 people?" in words(page)


async def test_the_way_back_leads_to_the_form_as_it_was_typed(person: Client, database: Database) -> None:
    _, page, _ = await post(person, recipients=people(21), subject="Kept", key="0" * 36)
    code, form = await confirm(person, page, do="back")
    assert (code, stored(database)) == (200, 0)
    assert people(21) in form
    assert 'name="subject" value="Kept"' in form
    assert key_in(form) == "0" * 36
    assert 'name="confirmed"' not in form


@pytest.mark.parametrize(("typed", "code"), [("", 422), ("500", 422), ("501", 303), (" 501 ", 303), ("5,01", 303)])
async def test_more_than_five_hundred_are_confirmed_by_typing_their_number(
    person: Client, database: Database, typed: str, code: int
) -> None:
    _, page, _ = await post(person, recipients=people(501))
    got, page = await confirm(person, page, typed=typed)
    assert (got, stored(database)) == (code, int(code == 303))
    if code == 422:
        assert "Type 501 to confirm." in at_field(page, "typed")
        assert "<title>Error: " in page


async def test_the_languages_buttons_confirm_nothing(person: Client, database: Database) -> None:
    _, page, _ = await post(person, recipients=people(21))
    buttons = re.findall(r'<button class="quiet" form="confirm"[^>]*>', page)
    assert len(buttons) == 2
    assert not any("name=" in button for button in buttons)


async def test_mistakes_belong_to_the_form_and_not_behind_the_question(person: Client, database: Database) -> None:
    code, page, _ = await post(person, recipients=people(21), variables__name="")
    assert (code, stored(database)) == (422, 0)
    assert at_field(page, "variables.name")


async def test_programs_are_not_asked(stranger: Client, bearer: dict[str, str]) -> None:
    body = {"template": GOOD["template"], "recipients": people(600).split(), "variables": {"name": "Anna"}}
    assert (await stranger.post("/api/tasks", json=body, headers=bearer)).status_code == 201
