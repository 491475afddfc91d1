"""A test goes to the address that was given, as the preview shows it, and leaves no trace in lists and figures."""

import re
from typing import Any

import pytest
from quart.typing import TestClientProtocol as Client
from sqlalchemy import select

from app.config import TEMPLATES
from app.db import Database
from app.mail.templates import SUBJECT_LIMIT, Templates
from app.tasks import queries
from app.tasks.books import Hour
from app.tasks.model import Delivery
from tests.integration.conftest import OUR_PAGE
from tests.integration.test_pages_compose import GOOD, at_field, stored, the_task
from tests.integration.test_pages_history import page_of
from tests.parts import answer as worker_answers

KEYS = [f"{n}2345678-1234-4234-8234-123456789012" for n in range(10)]
TABLE = "email,name\na@example.com,Anna\nb@example.com,홍길동"


async def trial(client: Client, status: int = 200, **changed: str) -> str:
    form = GOOD | {"test_to": "me@example.com", "test_key": KEYS[0]} | changed
    sent = {name.replace("__", "."): value for name, value in form.items()}
    answer = await client.post("/compose/test", form=sent, headers=OUR_PAGE)
    page = await answer.get_data(as_text=True)
    assert answer.status_code == status, page
    return page


def message(database: Database) -> tuple[str, str, str]:
    """To whom the only mail goes, and its subject and text as the worker makes them."""
    with database.reading() as db:
        delivery, task = db.scalars(select(Delivery)).one(), the_task(database)
    content = Templates(TEMPLATES).get(task.template).render({**task.variables, **delivery.variables}, task.subject)
    return delivery.address, content.subject, content.text


async def test_it_has_the_values_of_the_recipient_in_the_preview_and_goes_to_nobody_else(
    person: Client, database: Database
) -> None:
    page = await trial(person, recipients=TABLE, variables__name="", person="2")
    address, subject, text = message(database)
    assert (address, subject) == ("me@example.com", "[TEST] Welcome, 홍길동")
    assert "홍길동" in text
    task = the_task(database)
    assert (task.test, task.status, task.recipients) == (True, "queued", 1), "at once: there is nothing to undo"
    assert "The test to me@example.com" in page
    assert f'href="/tasks/{task.id}"' in page
    assert "This is a test" in await (await person.get(f"/tasks/{task.id}")).get_data(as_text=True)


async def test_changed_and_sent_once_more_by_way_of_the_back_button_it_is_another_test(
    person: Client, database: Database
) -> None:
    await trial(person)
    await trial(person)
    assert stored(database) == 1, "a double click is one"
    page = await trial(person, test_to="you@example.com")
    assert "The test to you@example.com" in page
    assert stored(database) == 2


async def test_the_form_is_not_sent_and_stays_as_it_was_typed(person: Client, database: Database) -> None:
    page = await trial(
        person, recipients=TABLE, subject="Hi {{ name }}", when="later", scheduled_at="soon", key=KEYS[5]
    )
    assert stored(database) == 1
    assert message(database)[1] == "[TEST] Hi Anna"
    assert 'name="subject" value="Hi {{ name }}"' in page
    assert f'name="key" value="{KEYS[5]}"' in page
    assert 'name="scheduled_at" type="text" value="soon"' in page
    assert 'name="test_to" type="email" value="me@example.com"' in page
    sent = await person.post("/compose", form=GOOD | {"key": KEYS[5]}, headers=OUR_PAGE)
    assert (sent.status_code, stored(database)) == (303, 2)


async def test_the_same_page_again_sends_no_second_one(person: Client, database: Database) -> None:
    await trial(person)
    page = await trial(person)
    assert stored(database) == 1
    again = re.search('name="test_key" value="([^"]+)"', page)
    assert again
    await trial(person, test_key=again[1])
    assert stored(database) == 2


async def test_nobody_in_the_to_field_is_no_hindrance(person: Client, database: Database) -> None:
    await trial(person, recipients="", when="later", scheduled_at="")
    assert message(database)[:2] == ("me@example.com", "[TEST] Welcome, Anna")


@pytest.mark.parametrize(
    ("form", "field", "said"),
    [
        ({"test_to": "nobody"}, "test_to", "is not an email address"),
        ({"test_to": ""}, "test_to", "Give at least one address."),
        ({"template": ""}, "template", "Choose a template."),
        ({"variables__name": ""}, "variables.name", "Give a value"),
        ({"subject": "{{ name"}, "subject", "plain fields only"),
        ({"subject": "x" * 256}, "subject", "Keep this under"),
        ({"queue": "fast"}, "queue", "no queue named"),
    ],
)
async def test_what_is_wrong_is_told_at_its_field_and_nothing_is_sent(
    person: Client, database: Database, form: dict[str, str], field: str, said: str
) -> None:
    assert said in at_field(await trial(person, 422, **form), field)
    assert stored(database) == 0


@pytest.mark.parametrize("subject", ["x" * 250, "{{ name }}" + "x" * 240, "x" * 249 + " { {"])
async def test_a_long_subject_is_cut_off_to_make_room_for_the_mark(
    person: Client, database: Database, subject: str
) -> None:
    await trial(person, subject=subject, variables__name="A" * 14)
    made = message(database)[1]
    assert made.startswith("[TEST] ")
    assert len(made) <= SUBJECT_LIMIT


@pytest.mark.parametrize("reply", ["250 2.0.0 taken", "550 5.1.1 no such user"])
async def test_it_is_in_no_list_and_no_figure_whatever_becomes_of_it(
    person: Client, database: Database, bearer: dict[str, str], reply: str
) -> None:
    await trial(person)
    worker_answers(database, the_task(database).id, {"me@example.com": reply})
    assert the_task(database).status == ("finished" if reply.startswith("2") else "failed")
    with database.reading() as db:
        assert sum(int(n) for _, n in db.execute(queries.counts())) == 0
        assert db.scalars(select(Hour)).all() == []
    listed: Any = await (await person.get("/api/tasks", headers=bearer)).get_json()
    assert listed["tasks"] == []
    for page in ("/history", "/history?q=me@example.com", "/failures"):
        assert "/tasks/1" not in await (await person.get(page)).get_data(as_text=True)


async def test_too_many_within_a_minute_are_too_often(person: Client) -> None:
    codes: list[int] = []
    while 429 not in codes and len(codes) < 60:  # a slow machine is let in more often: one more every three seconds
        codes.append((await person.post("/compose/test", form=GOOD | {"test_to": ""}, headers=OUR_PAGE)).status_code)
    assert (codes[:20], codes[-1]) == ([422] * 20, 429)


async def test_the_address_of_the_last_test_is_there_again(person: Client) -> None:
    await trial(person, test_to="me@example.com")
    assert re.search(r'id="test_to"[^>]* value="me@example.com"', await page_of(person, "/compose"))
