"""A form is its writer's: it comes back in another language wherever it stands, and no other account sends it."""

import re

import pytest
from quart.typing import TestClientProtocol as Client

from app.db import Database
from tests.integration.conftest import OUR_PAGE
from tests.integration.test_pages_compose import GOOD, stored
from tests.integration.test_pages_history import page_of, store
from tests.integration.test_pages_trial import KEYS, trial

LANGUAGE = re.compile(r'formaction="([^"]+)" formnovalidate name="do" value="language" lang="ko"')


async def test_after_a_test_was_sent_the_language_changes_and_no_second_one_goes_out(
    person: Client, database: Database
) -> None:
    page = await trial(person)
    (to,) = LANGUAGE.findall(page)
    answer = await person.post(to, form=GOOD | {"test_to": "me@example.com", "do": "language"}, headers=OUR_PAGE)
    assert "새 메일" in await answer.get_data(as_text=True)
    assert stored(database) == 1


async def test_the_page_that_edits_a_mail_changes_its_language(person: Client, database: Database) -> None:
    store(database)
    page = await page_of(person, "/tasks/1/edit")
    (to,) = LANGUAGE.findall(page)
    typed = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page))
    answer = await person.post(to, form=GOOD | typed | {"subject": "Mine", "do": "language"}, headers=OUR_PAGE)
    korean = await answer.get_data(as_text=True)
    assert (answer.status_code, "메일 고치기" in korean) == (200, True)
    assert 'name="task" value="1"' in korean
    assert 'value="Mine"' in korean


@pytest.mark.parametrize("path", ["/compose", "/compose?lang=en", "/compose/test", "/drafts"])
@pytest.mark.parametrize("wish", ["", "look"])
async def test_what_another_account_wrote_is_neither_sent_nor_shown(
    person: Client, database: Database, path: str, wish: str
) -> None:
    form = GOOD | {"by": "777", "subject": "Secret", "test_to": "me@example.com", "test_key": KEYS[0]}
    answer = await person.post(path, form=form | ({"do": wish} if wish else {}), headers=OUR_PAGE)
    page = await answer.get_data(as_text=True)
    assert (answer.status_code, stored(database)) == (403, 0)
    assert "This was written by another account" in page
    assert "Secret" not in page
