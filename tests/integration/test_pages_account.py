"""The page of an account: its password, signing out everywhere, other people, and the programs' tokens."""

import re

import pytest
from quart import Quart
from quart.typing import TestClientProtocol as Client
from sqlalchemy import insert, select

from app.config import Settings
from app.db import Database, now
from app.web.people.accounts import SignInLink, User, digest, sign_in_link
from app.web.people.tokens import new_token
from tests.integration.conftest import OUR_PAGE

FIRST, SECOND = "the first password", "the second password"


async def by_link(app: Quart, database: Database, settings: Settings) -> Client:
    client, link = app.test_client(), sign_in_link(database, settings)
    assert link is not None
    await client.get("/sign-in/" + link.rpartition("/")[2])
    return client


async def save(client: Client, new: str, current: str = "") -> int:
    answer = await client.post("/account/password", headers=OUR_PAGE, form={"new": new, "current": current})
    return answer.status_code


async def signed_in(client: Client) -> bool:
    return (await client.get("/history")).status_code == 200


async def test_a_first_password_is_set_and_ends_the_other_sessions_only(
    app: Quart, database: Database, settings: Settings
) -> None:
    here, elsewhere = await by_link(app, database, settings), await by_link(app, database, settings)
    assert await signed_in(elsewhere)
    assert await save(here, FIRST) == 303
    assert (await signed_in(here), await signed_in(elsewhere)) == (True, False)
    assert "Current password" in await (await here.get("/account")).get_data(as_text=True)
    form = {"email": "admin@postdate.local", "password": FIRST}
    await elsewhere.post("/sign-in", headers=OUR_PAGE, form=form)
    assert await signed_in(elsewhere)


async def test_a_password_is_changed_only_by_who_knows_it(app: Quart, database: Database, settings: Settings) -> None:
    here = await by_link(app, database, settings)
    assert [await save(here, FIRST), await save(here, SECOND, "a wrong one"), await save(here, SECOND, FIRST)] == [
        303,
        422,
        303,
    ]


async def test_a_short_password_is_refused(app: Quart, database: Database, settings: Settings) -> None:
    here = await by_link(app, database, settings)
    assert await save(here, "x" * 9) == 422
    assert "Set a password" in await (await here.get("/account")).get_data(as_text=True)


async def test_a_revoked_token_is_refused_and_the_others_are_not(
    person: Client, stranger: Client, database: Database
) -> None:
    billing, shop = ({"Authorization": f"Bearer {new_token(database, name)}"} for name in ("billing", "shop"))
    page = await (await person.get("/account")).get_data(as_text=True)
    path = re.findall('action="(/account/tokens/[0-9]+/revoke)"', page)[0]  # by name: billing is the first
    answers = [await person.post(path, headers=OUR_PAGE) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [303, 303]
    got = [(await stranger.get("/api/tasks", headers=token)).status_code for token in (billing, shop)]
    assert got == [401, 200]


async def test_who_is_invited_signs_in_once_and_sets_a_password(person: Client, app: Quart) -> None:
    answer = await person.post("/account/people", headers=OUR_PAGE, form={"email": "Mina@Example.com"})
    assert answer.status_code == 303
    page = await (await person.get("/account")).get_data(as_text=True)
    (link,) = re.findall("<code>http[^<]*(/sign-in/[^<]+)</code>", page)
    assert "mina@example.com</b> <small>" in page
    assert link not in await (await person.get("/account")).get_data(as_text=True), "it is shown once"
    mina, late = app.test_client(), app.test_client()
    await mina.get(link)
    await late.get(link)
    assert (await signed_in(mina), await signed_in(late)) == (True, False)
    assert await save(mina, FIRST) == 303
    again = await person.post("/account/people", headers=OUR_PAGE, form={"email": "mina@example.com"})
    assert again.status_code == 422
    assert "has an account already" in await again.get_data(as_text=True)


async def test_a_bad_address_is_told_at_its_field_and_makes_nobody(person: Client) -> None:
    answer = await person.post("/account/people", headers=OUR_PAGE, form={"email": "mina@example"})
    page = await answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert 'id="email-wrong"' in page
    assert 'value="mina@example"' in page
    assert page.count("End the access of") == 0


async def test_whose_access_is_ended_is_out_at_once_and_can_be_invited_anew(person: Client, app: Quart) -> None:
    async def invite() -> str:
        await person.post("/account/people", headers=OUR_PAGE, form={"email": "mina@example.com"})
        page = await (await person.get("/account")).get_data(as_text=True)
        return re.findall("(/sign-in/[^<]+)</code>", page)[0]

    mina = app.test_client()
    await mina.get(await invite())
    await save(mina, FIRST)
    page = await (await person.get("/account")).get_data(as_text=True)
    (path,) = re.findall('action="(/account/people/[0-9]+/shut-out)"', page)
    assert (await person.post(path, headers=OUR_PAGE)).status_code == 303
    assert not await signed_in(mina)
    await mina.post("/sign-in", headers=OUR_PAGE, form={"email": "mina@example.com", "password": FIRST})
    assert not await signed_in(mina)
    await mina.get(await invite())
    assert await signed_in(mina)


async def test_a_link_is_good_no_more_once_access_was_ended(person: Client, app: Quart) -> None:
    await person.post("/account/people", headers=OUR_PAGE, form={"email": "mina@example.com"})
    page = await (await person.get("/account")).get_data(as_text=True)
    link = re.findall("(/sign-in/[^<]+)</code>", page)[0]
    (path,) = re.findall('action="(/account/people/[0-9]+/shut-out)"', page)
    await person.post(path, headers=OUR_PAGE)
    mina = app.test_client()
    await mina.get(link)
    assert not await signed_in(mina)


async def test_nobody_ends_their_own_access_by_it(person: Client) -> None:
    assert (await person.post("/account/people/1/shut-out", headers=OUR_PAGE)).status_code == 400
    assert await signed_in(person)


@pytest.mark.parametrize("settings", [{"ADMIN_EMAIL": "Boss@example.com", "ADMIN_PASSWORD": FIRST}], indirect=True)
async def test_the_account_of_the_settings_stays_as_they_say(app: Quart, database: Database) -> None:
    boss, mina = app.test_client(), app.test_client()
    await boss.post("/sign-in", headers=OUR_PAGE, form={"email": "boss@example.com", "password": FIRST})
    assert await save(boss, SECOND, FIRST) == 303
    await boss.post("/account/people", headers=OUR_PAGE, form={"email": "mina@example.com"})
    page = await (await boss.get("/account")).get_data(as_text=True)
    assert "is the setting ADMIN_PASSWORD" in page
    await mina.get(re.findall("(/sign-in/[^<]+)</code>", page)[0])
    assert "/shut-out" not in await (await mina.get("/account")).get_data(as_text=True)
    assert (await mina.post("/account/people/1/shut-out", headers=OUR_PAGE)).status_code == 404
    assert await signed_in(boss)


async def test_a_link_for_an_account_without_a_password_signs_out_whoever_was_in_it(person: Client, app: Quart) -> None:
    async def invite() -> str:
        await person.post("/account/people", headers=OUR_PAGE, form={"email": "mina@example.com"})
        page = await (await person.get("/account")).get_data(as_text=True)
        return re.findall("(/sign-in/[^<]+)</code>", page)[0]

    mina, other = app.test_client(), app.test_client()
    await mina.get(await invite())
    assert await signed_in(mina)
    await other.get(await invite())
    assert (await signed_in(mina), await signed_in(other)) == (False, True)


async def test_nobody_invites_themselves(person: Client) -> None:
    answer = await person.post("/account/people", headers=OUR_PAGE, form={"email": "Admin@postdate.local"})
    assert answer.status_code == 422
    assert await signed_in(person)


async def test_passwords_are_not_guessed_at_without_end(app: Quart, database: Database, settings: Settings) -> None:
    here = await by_link(app, database, settings)
    await save(here, FIRST)
    assert [await save(here, SECOND, f"a guess {n}") for n in range(5)] == [422] * 4 + [429]


@pytest.mark.parametrize(
    ("one", "other", "are_two"),
    [("straße@example.com", "strasse@example.com", True), ("kim@한국.kr", "KIM@xn--3e0b707e.kr", False)],
)
async def test_people_are_told_apart_as_their_mails_are(person: Client, one: str, other: str, are_two: bool) -> None:
    for email in (one, other):
        await person.post("/account/people", headers=OUR_PAGE, form={"email": email})
    page = await (await person.get("/account")).get_data(as_text=True)
    assert page.count("/shut-out") == (2 if are_two else 1)


async def test_who_was_invited_by_a_korean_domain_signs_in_by_it(person: Client, app: Quart) -> None:
    answer = await person.post("/account/people", headers=OUR_PAGE, form={"email": "kim@한국.kr"})
    page = await (await person.get(answer.headers["Location"])).get_data(as_text=True)
    (link,) = re.findall(r"/sign-in/[\w-]{20,}", page)
    kim = app.test_client()
    await kim.get(link)
    assert await save(kim, FIRST) == 303
    for typed in ("kim@한국.kr", "Kim@한국.KR", "kim@xn--3e0b707e.kr"):
        again = app.test_client()
        await again.post("/sign-in", headers=OUR_PAGE, form={"email": typed, "password": FIRST})
        assert await signed_in(again), typed


def link_to(database: Database, email: str) -> str:
    """One that was given out before."""
    with database.writing() as db:
        user_id = db.scalar(select(User.id).where(User.email == email))
        db.execute(insert(SignInLink).values(digest=digest("an older link"), user_id=user_id, until=now(3600)))
    return "/sign-in/an older link"


@pytest.mark.parametrize("ended_by", ["password", "sign-out", "invitation"])
async def test_no_older_link_is_left_as_another_way_in(
    person: Client, app: Quart, database: Database, ended_by: str
) -> None:
    async def invited() -> str:
        answer = await person.post("/account/people", headers=OUR_PAGE, form={"email": "bob@example.com"})
        page = await (await person.get(answer.headers["Location"])).get_data(as_text=True)
        return re.findall(r"/sign-in/[\w-]{20,}", page)[0]

    bob, stranger = app.test_client(), app.test_client()
    old = await invited()
    if ended_by == "invitation":
        assert await invited() != old
    else:
        await bob.get(old)
        old = link_to(database, "bob@example.com")
        if ended_by == "password":
            assert await save(bob, FIRST) == 303
        else:
            await bob.post("/sign-out", headers=OUR_PAGE, form={"everywhere": "yes"})
    assert (await stranger.get(old)).status_code == 410
