"""Nothing typed is lost, and nothing is sent twice: drafts, and what comes from somebody whose sign-in has expired."""

import asyncio
import html
import re
from dataclasses import replace
from typing import Any

import pytest
from quart import Quart
from quart.typing import TestClientProtocol as Client
from sqlalchemy import insert, select, update

from app.config import Settings
from app.db import Database, now
from app.tasks import drafts
from app.tasks.books import Draft
from tests.integration.conftest import OUR_PAGE
from tests.integration.test_pages_compose import GOOD, stored, the_task
from tests.integration.test_web_signin import EMAIL, PASSWORD

KEY = "12345678-1234-4234-8234-123456789012"
SCRIPT = {**OUR_PAGE, "X-Refresh": "1"}
TYPED = GOOD | {
    "subject": "  <b>Mine",
    "key": KEY,
    "variables.event": "unseen",
    "when": "later",
    "scheduled_at": "soon",
}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, admin_email=EMAIL, admin_password=PASSWORD)


@pytest.fixture
async def person(app: Quart) -> Client:
    client = app.test_client()
    answer = await client.post("/sign-in", headers=OUR_PAGE, form={"email": EMAIL, "password": PASSWORD})
    assert answer.status_code == 303
    return client


async def save(client: Client, status: int = 200, **changed: str) -> dict[str, Any]:
    """As the script does."""
    answer = await client.post("/drafts", form=TYPED | changed, headers=SCRIPT)
    assert answer.status_code == status
    given: dict[str, Any] = await answer.get_json()
    return given


async def page_at(client: Client, address: str) -> str:
    answer = await client.get(address)
    assert answer.status_code == 200, address
    return await answer.get_data(as_text=True)


def typed_in(page: str) -> dict[str, str]:
    """What is in the form's fields."""
    inputs = re.findall(r'<input[^>]* name="([^"]+)"(?: type="[^"]*")?(?: step="60")? value="([^"]*)"', page)
    found = {html.unescape(name): html.unescape(value) for name, value in inputs}
    for name, value in re.findall(r'<textarea[^>]* name="([^"]+)"[^>]*>\n(.*?)</textarea>', page, re.DOTALL):
        found[html.unescape(name)] = html.unescape(value)
    return found


def kept(database: Database) -> list[Draft]:
    with database.reading() as db:
        return list(db.scalars(select(Draft).order_by(Draft.updated_at)))


async def test_a_draft_comes_back_as_it_was_typed(person: Client, database: Database) -> None:
    given = await save(person)
    assert given["here"] == f"/compose?draft={KEY}"
    page = await page_at(person, given["here"])
    there = typed_in(page)
    for name in ("recipients", "subject", "key", "variables.name", "variables.event", "scheduled_at"):
        assert there[name] == TYPED[name], name
    assert there["saved"] == given["saved"]
    assert 'value="later" checked' in page
    assert stored(database) == 0


async def test_without_the_script_a_button_saves_it(person: Client) -> None:
    answer = await person.post("/drafts", form=TYPED, headers=OUR_PAGE)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/compose?draft={KEY}")
    page = await page_at(person, answer.headers["Location"])
    assert "The draft is saved." in page
    assert '<button class="quiet" formaction="/drafts"' in page


async def test_drafts_are_listed_on_the_page_but_for_the_one_that_is_open(person: Client) -> None:
    await save(person)
    await save(person, key=KEY.replace("1", "2"), subject="", recipients="a@example.com\nb@example.com")
    page = await page_at(person, "/compose")
    assert "<summary>2 drafts</summary>" in page
    assert "  &lt;b&gt;Mine</a>" in page
    assert "a@example.com … ·" in page
    assert "<summary>1 draft</summary>" in await page_at(person, f"/compose?draft={KEY}")
    assert "<summary>임시 저장 2개</summary>" in await page_at(person, "/compose?lang=ko")


async def test_sending_ends_the_draft_and_a_late_save_does_not_bring_it_back(
    person: Client, database: Database
) -> None:
    await save(person)
    await person.post("/compose", form=GOOD | {"key": KEY}, headers=OUR_PAGE)
    assert the_task(database).idempotency_key == f"form:1:{KEY}"
    assert kept(database) == []
    told = await save(person)
    assert "sent already" in told["told"]
    assert "key" not in told
    assert kept(database) == []
    # One that slipped in at the same moment is not shown, and its address leads to the form that was sent.
    with database.writing() as db:
        db.execute(insert(Draft).values(key=KEY, user_id=1, content=GOOD | {"recipients": "late@example.com"}))
    assert "drafts</summary>" not in await page_at(person, "/compose")
    page = await page_at(person, f"/compose?draft={KEY}")
    assert "You have sent this mail already." in page
    assert (typed_in(page)["recipients"], typed_in(page)["key"]) == ("anna@example.com", KEY)
    again = await person.post("/compose", form=GOOD | {"key": KEY}, headers=OUR_PAGE)
    assert again.status_code == 303
    assert stored(database) == 1


async def test_what_another_page_has_changed_is_not_written_over_but_kept_beside_it(
    person: Client, database: Database
) -> None:
    first = await save(person, editor="one")
    other = await save(person, subject="Theirs", editor="two", saved=first["saved"])
    assert (other["key"], other["told"]) == (KEY, "")
    beside = await save(person, subject="Ours", editor="one", saved=first["saved"])
    assert beside["key"] != KEY
    assert "changed elsewhere" in beside["told"]
    assert sorted(draft.content["subject"] for draft in kept(database)) == ["Ours", "Theirs"]
    # The page goes on with that one, and an answer that it never heard does not make it a stranger to its own draft.
    unheard = await save(person, subject="Ours!", editor="one", key=beside["key"], saved=beside["saved"])
    assert (await save(person, subject="Ours!!", editor="one", key=beside["key"], saved=beside["saved"]))["told"] == ""
    assert unheard["key"] == beside["key"]
    assert len(kept(database)) == 2


async def test_the_same_text_again_is_no_change(person: Client) -> None:
    assert await save(person, editor="one") == await save(person, editor="two")


async def test_two_pages_that_save_at_once_lose_nothing(person: Client, database: Database) -> None:
    await asyncio.gather(*(save(person, subject=f"{n}", editor=f"{n}") for n in range(5)))
    assert sorted(draft.content["subject"] for draft in kept(database)) == ["0", "1", "2", "3", "4"]


async def test_a_discarded_draft_can_be_brought_back(person: Client, database: Database) -> None:
    await save(person)
    answer = await person.post(f"/drafts/{KEY}/discard", headers=OUR_PAGE)
    page = await page_at(person, answer.headers["Location"])
    assert "The draft was discarded." in page
    assert "drafts</summary>" not in page
    assert f'action="/drafts/{KEY}/back"' in page
    assert (await person.post(f"/drafts/{KEY}/discard", headers=OUR_PAGE)).status_code == 404
    back = await person.post(f"/drafts/{KEY}/back", headers=OUR_PAGE)
    assert typed_in(await page_at(person, back.headers["Location"]))["subject"] == TYPED["subject"]
    assert len(kept(database)) == 1


async def test_a_draft_comes_back_for_ten_minutes_only(person: Client, database: Database) -> None:
    await save(person)
    for seconds, status in ((-601, 404), (-590, 303)):
        await person.post(f"/drafts/{KEY}/discard", headers=OUR_PAGE)
        with database.writing() as db:
            db.execute(update(Draft).values(updated_at=now(seconds)))
        assert (await person.post(f"/drafts/{KEY}/back", headers=OUR_PAGE)).status_code == status


async def test_a_wrong_password_is_not_put_into_the_page_with_the_letter(stranger: Client) -> None:
    sent = TYPED | {"email": EMAIL, "password": "mistyped secret"}
    answer = await stranger.post("/sign-in", form=sent, headers=OUR_PAGE)
    page = await answer.get_data(as_text=True)
    assert (answer.status_code, typed_in(page)["subject"]) == (422, TYPED["subject"])
    assert "mistyped secret" not in page


async def test_all_but_the_one_being_written_are_discarded_and_brought_back_at_once(
    person: Client, database: Database
) -> None:
    keys = [f"{n}{KEY[1:]}" for n in range(4)]
    for n, key in enumerate(keys):
        await save(person, key=key, subject=f"Draft {n}", recipients=f"email,name\nperson{n}@example.com,P\nbo@example")
    page = await page_at(person, f"/compose?draft={keys[0]}")
    assert "3 drafts</summary>" in page
    assert "<small>person1@example.com … · " in page, "and no head of a table"
    answer = await person.post("/drafts/discard", form={"key": keys[0]}, headers=OUR_PAGE)
    page = await page_at(person, answer.headers["Location"])
    assert "3 drafts were discarded." in page
    assert "1 draft</summary>" in page
    (back,) = re.findall(r'action="(/drafts/[0-9a-f-]{36}/back)"', page)
    answer = await person.post(back, headers=OUR_PAGE)
    assert "3 drafts</summary>" in await page_at(person, answer.headers["Location"])
    assert len(kept(database)) == 4


async def test_drafts_of_somebody_else_are_not_there(person: Client, database: Database) -> None:
    await save(person)
    with database.writing() as db:
        db.execute(update(Draft).values(user_id=2))
    assert "draft</summary>" not in await page_at(person, "/compose")
    page = await page_at(person, f"/compose?draft={KEY}")
    assert "This draft is not there any more." in page
    assert "Mine" not in page
    for what in ("discard", "back"):
        assert (await person.post(f"/drafts/{KEY}/{what}", headers=OUR_PAGE)).status_code == 404
    assert (await save(person, saved=kept(database)[0].updated_at.isoformat()))["key"] != KEY
    assert [draft.user_id for draft in kept(database)] == [2, 1]


async def test_old_drafts_and_too_many_are_forgotten(person: Client, database: Database) -> None:
    with database.writing() as db:
        old = [{"key": f"old{n}", "user_id": n, "content": {}} for n in (1, 2)]
        db.execute(insert(Draft).values(updated_at=now(-drafts.KEPT - 60)), old)
        many = [{"key": f"{n}", "user_id": 1, "content": {"subject": f"{n}"}} for n in range(drafts.MOST)]
        for n, each in enumerate(many):
            db.execute(insert(Draft).values(updated_at=now(n - 1000.0), **each))
        thrown = {"key": "thrown", "user_id": 2, "content": {drafts.DISCARDED: "yes"}}
        db.execute(insert(Draft).values(updated_at=now(-drafts.KEPT_DISCARDED - 60), **thrown))
    assert "<summary>30 drafts</summary>" in await page_at(person, "/compose")
    await save(person)
    keys = [draft.key for draft in kept(database)]
    assert keys == [f"{n}" for n in range(1, drafts.MOST)] + [KEY]


async def test_a_form_from_somebody_whose_sign_in_expired_waits_on_the_sign_in_page(
    stranger: Client, database: Database
) -> None:
    for address in ("/compose", "/drafts"):
        answer = await stranger.post(address, form=TYPED | {"by": "1"}, headers=OUR_PAGE)
        page = await answer.get_data(as_text=True)
        assert answer.status_code == 403
        carried = typed_in(page)
        assert carried | {"by": "1"} == carried
        for name in TYPED:
            assert carried[name] == TYPED[name], name
    wrong = await stranger.post("/sign-in", form=carried | {"email": EMAIL, "password": "wrong"}, headers=OUR_PAGE)
    page = await wrong.get_data(as_text=True)
    assert "do not belong together" in page
    assert typed_in(page)["recipients"] == TYPED["recipients"]
    korean = await stranger.post("/sign-in?lang=ko", form=carried | {"do": "language"}, headers=OUR_PAGE)
    page = await korean.get_data(as_text=True)
    assert "로그아웃되어" in page
    assert typed_in(page)["subject"] == TYPED["subject"]
    assert (stored(database), kept(database)) == (0, [])
    there = await stranger.post("/sign-in?lang=en", form=carried | {"email": EMAIL, "password": PASSWORD},
                                headers=OUR_PAGE)  # fmt: skip
    assert (there.status_code, there.headers["Location"]) == (303, f"/compose?draft={KEY}")
    page = await page_at(stranger, there.headers["Location"])
    assert "Nothing was sent yet" in page
    for name in ("recipients", "subject", "variables.name", "variables.event", "scheduled_at"):
        assert typed_in(page)[name] == TYPED[name], name
    assert stored(database) == 0


async def test_what_one_account_wrote_is_not_given_to_another(stranger: Client, database: Database) -> None:
    sent = TYPED | {"by": "7", "email": EMAIL, "password": PASSWORD}
    answer = await stranger.post("/sign-in", form=sent, headers=OUR_PAGE)
    page = await answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert "belongs to another account" in page
    assert typed_in(page)["recipients"] == TYPED["recipients"]
    assert PASSWORD not in page
    assert kept(database) == []
    assert (await stranger.get("/history")).status_code == 303, "not signed in"


async def test_a_page_that_another_account_left_open_saves_nothing_in_this_one(
    person: Client, database: Database
) -> None:
    assert (await person.post("/drafts", form=TYPED | {"by": "7"}, headers=SCRIPT)).status_code == 403
    assert kept(database) == []
    await save(person, by="1")
    assert len(kept(database)) == 1


async def test_what_was_sent_before_and_is_changed_after_signing_in_is_another_draft(
    person: Client, database: Database
) -> None:
    await person.post("/compose", form=GOOD | {"key": KEY}, headers=OUR_PAGE)
    sent = TYPED | {"by": "1", "email": EMAIL, "password": PASSWORD}
    answer = await person.post("/sign-in", form=sent, headers=OUR_PAGE)
    [draft] = kept(database)
    assert draft.key != KEY
    assert answer.headers["Location"] == f"/compose?draft={draft.key}"
    assert "would be a second mail" in await page_at(person, answer.headers["Location"])


async def test_what_was_sent_before_just_so_is_not_sent_twice_by_signing_in(person: Client, database: Database) -> None:
    """The answer to the first click was lost, and the session with it."""
    await person.post("/compose", form=GOOD | {"key": KEY}, headers=OUR_PAGE)
    sent = GOOD | {"key": KEY, "by": "1", "email": EMAIL, "password": PASSWORD}
    answer = await person.post("/sign-in", form=sent, headers=OUR_PAGE)
    assert (answer.headers["Location"], kept(database), stored(database)) == ("/tasks/1", [], 1)
    assert "This mail had been sent already, just as you wrote it." in await page_at(person, "/tasks/1")


async def test_the_script_of_somebody_who_is_signed_out_is_sent_to_sign_in(stranger: Client) -> None:
    answer = await stranger.post("/drafts", form=TYPED, headers=SCRIPT)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/sign-in?next=/")


async def test_a_nul_in_what_is_typed_stops_nobody(person: Client, database: Database) -> None:
    """Postgres can hold none, not even in a draft's JSON; see sending/test_drafts.py."""
    await save(person, editor="me")
    await save(person, **{"editor": "me", "subject": "with \0 in it", "variables.\0name": "An\0na"})
    [draft] = kept(database)
    assert "\0" not in "".join([*draft.content, *draft.content.values()])
    assert draft.content["subject"] == "with  in it"
    assert draft.content["variables.name"] == "Anna"
    for path in ("/compose?draft=%00", "/compose?template=%00", "/history?q=%00&subject=%00"):
        assert (await person.get(path)).status_code == 200
    assert (await person.post("/drafts/%00/discard", headers=OUR_PAGE)).status_code == 404


async def test_an_older_save_of_the_same_page_that_comes_late_changes_nothing(
    person: Client, database: Database
) -> None:
    await save(person, editor="me", turn="2", subject="Newer")
    given = await save(person, editor="me", turn="1", subject="Older")
    assert [draft.content["subject"] for draft in kept(database)] == ["Newer"]
    await save(person, editor="me", turn="3", subject="Newest", saved=given["saved"])
    assert [draft.content["subject"] for draft in kept(database)] == ["Newest"]
