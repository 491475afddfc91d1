"""The page of one's own account: its password, signing out everywhere, and the programs' tokens."""

import re

from quart import Quart
from quart.typing import TestClientProtocol as Client

from app.config import Settings
from app.db import Database
from app.web.accounts import new_token, sign_in_link

OUR_PAGE = {"Sec-Fetch-Site": "same-origin"}
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
