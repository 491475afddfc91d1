"""Fields that a template can do without: `note` of email/reminder, which asks `{% if note %}`."""

import re

import pytest
from quart.typing import TestClientProtocol as Client

from app.db import Database
from tests.integration.test_pages_compose import post, the_task
from tests.integration.test_pages_history import page_of
from tests.integration.test_pages_preview import facts, seen

FILLED = {f"variables__{name}": name.upper() for name in ("name", "event", "date", "place")}


@pytest.mark.parametrize(("language", "marked"), [("en", "(optional)"), ("ko", "(선택)")])
async def test_the_form_marks_them(person: Client, language: str, marked: str) -> None:
    page = await page_of(person, f"/compose?template=email/reminder&lang={language}")
    labels = dict(re.findall(r'<label for="variables\.(\w+)">(.*?)</label>', page))
    assert [name for name in labels if marked in labels[name]] == ["note"]


async def test_left_empty_it_is_sent_without_and_filled_in_with(person: Client, database: Database) -> None:
    code, page, _ = await post(person, template="email/reminder", variables__note=" ", **FILLED)
    assert code == 303, page
    assert "note" not in the_task(database).variables
    without = await seen(person, "part=text", template="email/reminder", **FILLED)
    given = await seen(person, "part=text", template="email/reminder", variables__note="Bring a pen.", **FILLED)
    assert "EVENT" in without
    assert "Bring a pen." in given
    assert "No value yet" not in facts(without)


async def test_a_column_may_have_holes_in_it(person: Client) -> None:
    table = "email,note\nanna@example.com,Bring a pen.\nben@example.com,"
    code, page, _ = await post(person, template="email/reminder", recipients=table, **FILLED)
    assert code == 303, page


async def test_what_is_needed_is_still_asked_for(person: Client) -> None:
    code, page, _ = await post(person, template="email/reminder", **FILLED | {"variables__place": ""})
    assert code == 422
    assert 'id="variables.place-wrong"' in page
    assert 'id="variables.note-wrong"' not in page


async def test_a_program_may_leave_them_out_or_say_null(stranger: Client, bearer: dict[str, str]) -> None:
    values = {name: "x" for name in ("name", "event", "date", "place")}
    asked = {"template": "email/reminder", "recipients": ["anna@example.com"]}
    for variables in (values, {**values, "note": None}):
        answer = await stranger.post("/api/tasks", json={**asked, "variables": variables}, headers=bearer)
        assert answer.status_code == 201, await answer.get_data()
    answer = await stranger.post("/api/tasks", json={**asked, "variables": {"note": "x"}}, headers=bearer)
    assert answer.status_code == 422
