"""What goes wrong looks like something: a page for people in their language, a problem for programs."""

from dataclasses import replace
from pathlib import Path

import pytest
from quart import Quart
from quart.typing import TestClientProtocol as Client

from app.config import Settings
from app.web import create_app

OUR_PAGE = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def broken(settings: Settings, tmp_path: Path) -> Quart:
    """An app whose database has no tables."""
    return create_app(replace(settings, database_url=f"sqlite:///{tmp_path}/empty.db"))


async def test_a_database_that_is_away_is_a_problem_to_programs_that_tells_nothing_of_the_inside(broken: Quart) -> None:
    async with broken.test_app():
        answer = await broken.test_client().get("/api/tasks", headers={"Authorization": "Bearer pd_x"})
    assert (answer.status_code, answer.content_type) == (503, "application/problem+json")
    problem = await answer.get_json(force=True)
    assert problem["title"] == "Service Unavailable"
    assert "sqlite" not in str(problem).lower()
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_database_that_is_away_is_a_page_to_people(broken: Quart) -> None:
    async with broken.test_app():
        client = broken.test_client()
        async with client.session_transaction() as session:
            session.update({"user": 1, "epoch": 1})
        answer = await client.get("/history")
        page = await answer.get_data(as_text=True)
    assert (answer.status_code, answer.mimetype) == (503, "text/html")
    assert "so nothing was stored" in page
    assert "sqlite" not in page.lower()


async def test_what_is_not_there_is_a_page_with_a_way_back(person: Client) -> None:
    for path in ("/nothing", "/tasks/7", "/tasks/" + "9" * 19, "/tasks/" + "9" * 5000, "/mailbox/x"):
        answer = await person.get(path)
        assert (answer.status_code, answer.mimetype) == (404, "text/html"), path
        assert 'href="/"' in await answer.get_data(as_text=True)


async def test_errors_speak_the_language_of_the_page(person: Client) -> None:
    page = await (await person.get("/nothing?lang=ko")).get_data(as_text=True)
    assert '<html lang="ko">' in page


async def test_where_mail_leaves_this_machine_there_is_no_mailbox(settings: Settings) -> None:
    app = create_app(replace(settings, mail_stays_here=False))
    assert not any(rule.rule.startswith("/mailbox") for rule in app.url_map.iter_rules())
    async with app.test_app():
        assert (await app.test_client().get("/sign-in")).status_code == 200


@pytest.mark.parametrize("host", ["a..b", ".", "a" * 70 + ".com", "exa mple.com", "a.b:99999"])
async def test_a_name_that_no_host_could_have_is_no_error_of_ours(person: Client, host: str) -> None:
    assert (await person.get("/history?status=failed", headers={"Host": host})).status_code == 200
    assert (await person.get("/nothing", headers={"Host": host})).status_code == 404


async def test_a_crowd_of_fields_is_refused_before_anybody_reads_it(settings: Settings) -> None:
    app = create_app(settings)
    async with app.test_app():
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        sent = "recipients=x" + "&a" * 1000
        answer = await app.test_client().post("/compose", data=sent, headers=OUR_PAGE | form)
        page = await answer.get_data(as_text=True)
    assert answer.status_code == 413
    assert len(page) < 20_000


@pytest.mark.parametrize("path", ["/drafts", "/account/people", "/account/password", "/compose/test"])
async def test_what_another_site_sends_is_refused_where_visits_are_counted_too(settings: Settings, path: str) -> None:
    app = create_app(settings)
    async with app.test_app():
        answer = await app.test_client().post(path, form={"a": "b"}, headers={"Sec-Fetch-Site": "cross-site"})
        large = await app.test_client().post(path, data="a" * 2_000_001, headers=OUR_PAGE)
    assert (answer.status_code, large.status_code) == (403, 413)
