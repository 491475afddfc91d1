"""Signing in with a password and with a one-time link, signing out here and everywhere, and tokens."""

import re
import time
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from quart import Quart
from quart.typing import TestClientProtocol as Client
from sqlalchemy import func, select, update

from app.config import Settings
from app.db import Database, now
from app.web import postdate
from app.web.people.accounts import SignInLink, User, keep_admin, sign_in_link
from app.web.people.tokens import new_token, token_name

OUR_PAGE = {"Sec-Fetch-Site": "same-origin"}
EMAIL, PASSWORD = "Me@Example.com", "a long enough password"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, admin_email=EMAIL, admin_password=PASSWORD)


async def sign_in(
    client: Client, email: str = EMAIL, password: str = PASSWORD, path: str = "/sign-in"
) -> tuple[int, str, str]:
    answer = await client.post(path, headers=OUR_PAGE, form={"email": email, "password": password})
    return answer.status_code, answer.headers.get("Location", ""), await answer.get_data(as_text=True)


async def signed_in(client: Client) -> bool:
    return (await client.get("/history")).status_code == 200


async def test_the_first_account_signs_in_and_goes_on_to_where_it_wanted(stranger: Client) -> None:
    asked = (await stranger.get("/tasks/7?x=1")).headers["Location"]
    page = await (await stranger.get(asked)).get_data(as_text=True)
    action = re.search('action="(/sign-in?[^"]*)"', page)
    assert action is not None
    followed = await sign_in(stranger, email=" me@example.COM ", path=action[1])
    assert followed[:2] == (303, "/tasks/7?x=1")
    assert await signed_in(stranger)


async def test_signing_in_never_leads_to_another_site(stranger: Client) -> None:
    assert (await sign_in(stranger, path="/sign-in?next=//evil.example"))[:2] == (303, "/")


async def test_a_wrong_password_and_an_unknown_e_mail_are_told_alike_in_words_and_in_time(stranger: Client) -> None:
    await sign_in(stranger, "warm@up.example", "x")
    said, took = [], []
    for email in (EMAIL, "nobody@example.com", "nul\0@example.com", ""):
        began = time.perf_counter()
        status, _, page = await sign_in(stranger, email, "wrong password")
        took.append(time.perf_counter() - began)
        said.append((status, "do not belong together" in page))
    assert said == [(422, True)] * 4
    assert max(took) < 5 * min(took), took
    assert not await signed_in(stranger)


async def test_what_was_typed_as_e_mail_comes_back_as_text(stranger: Client) -> None:
    _, _, page = await sign_in(stranger, '"><script>x@example.com', "wrong password")
    assert "&#34;&gt;&lt;script&gt;x@example.com" in page


async def test_starting_again_leaves_sessions_alone_and_a_new_password_ends_them(
    app: Quart, stranger: Client, settings: Settings, database: Database
) -> None:
    await sign_in(stranger)
    async with app.app_context():
        await keep_admin(postdate().database, settings)
        assert await signed_in(stranger)
        await keep_admin(postdate().database, replace(settings, admin_password="another password"))
        assert not await signed_in(stranger)
    assert (await sign_in(stranger))[0] == 422
    assert (await sign_in(stranger, password="another password"))[0] == 303
    with database.reading() as db:
        assert db.scalar(select(func.count()).select_from(User)) == 1


async def test_signing_out_ends_this_session_only(app: Quart, stranger: Client) -> None:
    other = app.test_client()
    await sign_in(stranger)
    await sign_in(other)
    answer = await stranger.post("/sign-out", headers=OUR_PAGE)
    assert answer.headers["Location"] == "/sign-in"
    assert not await signed_in(stranger)
    assert await signed_in(other)


async def test_signing_out_everywhere_ends_every_session_of_the_account(app: Quart, stranger: Client) -> None:
    other = app.test_client()
    await sign_in(stranger)
    await sign_in(other)
    await stranger.post("/sign-out", headers=OUR_PAGE, form={"everywhere": "1"})
    assert not await signed_in(other)


async def test_a_session_made_up_by_somebody_else_is_none(stranger: Client) -> None:
    await sign_in(stranger)
    cookie = next(cookie for cookie in stranger.cookie_jar if cookie.name == "postdate")
    cookie.value = (cookie.value or "")[:-3] + "abc"
    assert not await signed_in(stranger)


async def test_signing_in_starts_from_an_empty_session_but_keeps_the_language(stranger: Client) -> None:
    await stranger.get("/sign-in?lang=ko")
    async with stranger.session_transaction() as session:
        session["last"] = "somebody else's"
    await sign_in(stranger)
    async with stranger.session_transaction() as session:
        assert "last" not in session
        assert session["lang"] == "ko"


def test_there_is_no_link_where_the_first_account_has_a_password(database: Database, settings: Settings) -> None:
    assert sign_in_link(database, settings) is None


@pytest.fixture
def link(database: Database, settings: Settings) -> str:
    made = sign_in_link(database, replace(settings, admin_email=""))
    assert made is not None
    assert made.startswith(f"{settings.public_url}/sign-in/")
    return urlsplit(made).path


async def test_a_link_signs_in_once(stranger: Client, link: str) -> None:
    answer = await stranger.get(link)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert await signed_in(stranger)


@pytest.mark.parametrize(("password", "told"), [(None, True), ("a hash", False)])
async def test_who_has_no_password_is_told_by_the_link_how_to_come_back_without_one(
    stranger: Client, database: Database, link: str, password: str | None, told: bool
) -> None:
    with database.writing() as db:
        db.execute(update(User).values(password_hash=password))
    await stranger.get(link)
    page = await (await stranger.get("/compose")).get_data(as_text=True)
    assert ('works once only. <a href="/account">Set a password</a>' in page) == told


async def test_opening_the_used_link_again_leads_on_where_one_is_signed_in(stranger: Client, link: str) -> None:
    await stranger.get(link)
    assert (await stranger.get(link)).headers["Location"] == "/"


async def test_a_used_an_old_and_an_invented_link_say_how_to_get_a_new_one(
    app: Quart, stranger: Client, link: str, database: Database, settings: Settings
) -> None:
    await stranger.get(link)
    old = sign_in_link(database, replace(settings, admin_email=""))
    assert old is not None
    with database.writing() as db:
        db.execute(update(SignInLink).values(until=now(-1)))
    other = app.test_client()
    for path in (link, urlsplit(old).path, "/sign-in/x", "/sign-in/%00"):
        answer = await other.get(path)
        assert answer.status_code == 410
        assert "./run sign-in-link" in await answer.get_data(as_text=True)
    assert not await signed_in(other)


def test_links_do_not_add_accounts(database: Database, settings: Settings) -> None:
    links = {sign_in_link(database, replace(settings, admin_email="")) for _ in range(3)}
    with database.reading() as db:
        assert list(db.scalars(select(User.email))) == ["admin@postdate.local"]
    assert len(links) == 3


async def test_a_token_is_known_by_its_hash_and_found_by_itself(app: Quart, database: Database) -> None:
    token = new_token(database, "the shop")
    assert token.startswith("pd_")
    assert len(token) == 46
    async with app.app_context():
        assert await token_name(postdate().database, token) == "the shop"
        assert await token_name(postdate().database, token + "x") is None


def test_a_token_of_the_same_name_is_refused(database: Database) -> None:
    new_token(database, "the shop")
    with pytest.raises(ValueError, match="There is a token named the shop already"):
        new_token(database, " the shop ")


@pytest.mark.parametrize("name", ["", " ", "a\nb", "a" * 65, "\0"])
def test_a_token_needs_a_printable_name(database: Database, name: str) -> None:
    with pytest.raises(ValueError, match="1 to 64 printable characters"):
        new_token(database, name)


async def test_looking_at_a_link_before_it_is_followed_does_not_use_it_up(stranger: Client, link: str) -> None:
    assert (await stranger.head(link)).status_code == 204
    assert (await stranger.get(link, headers={"Sec-Purpose": "prefetch"})).status_code == 204
    assert not await signed_in(stranger)
    assert (await stranger.get(link)).status_code == 303


async def test_whoever_guesses_from_elsewhere_does_not_lock_the_owner_out(app: Quart) -> None:
    async def sign_in_from(place: str, password: str) -> int:
        form, headers = {"email": EMAIL, "password": password}, OUR_PAGE | {"X-Forwarded-For": place}
        return (await app.test_client().post("/sign-in", form=form, headers=headers)).status_code

    guesses = [await sign_in_from("203.0.113.7", "wrong") for _ in range(7)]
    assert (guesses[0], guesses[-1]) == (422, 429)
    assert await sign_in_from("203.0.113.8", PASSWORD) == 303


async def test_a_button_pressed_after_signing_out_says_that_nothing_was_done(stranger: Client) -> None:
    answer = await stranger.post("/tasks/1/cancel", headers=OUR_PAGE)
    page = await (await stranger.get(answer.headers["Location"])).get_data(as_text=True)
    assert "You are signed out, so nothing was done." in page


async def test_after_signing_out_the_browser_keeps_no_page(stranger: Client) -> None:
    await sign_in(stranger)
    answer = await stranger.post("/sign-out", headers=OUR_PAGE)
    assert answer.headers["Clear-Site-Data"] == '"cache"'
