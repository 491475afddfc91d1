"""What crosses the wire is short where that is asked for, the same in content, and never taken for the long form."""

import gzip

import pytest
from quart.typing import TestClientProtocol as Client

from app.db import Database
from app.web import STATIC
from tests.integration.test_pages_history import page_of, store

GZIP = {"Accept-Encoding": "gzip, deflate, br, zstd"}
CSS = "/static/postdate.css"


async def test_a_page_is_the_same_page_but_shorter(person: Client, database: Database) -> None:
    for _ in range(9):
        store(database)
    plain = await person.get("/history")
    short = await person.get("/history", headers=GZIP)
    assert "Content-Encoding" not in plain.headers
    assert short.headers["Content-Encoding"] == "gzip"
    body = await short.get_data(as_text=False)
    assert int(short.headers["Content-Length"]) == len(body)
    assert b'<tr id="task-9"' in gzip.decompress(body)
    assert len(body) * 3 < len(await plain.get_data(as_text=False))
    assert all("Accept-Encoding" in answer.headers["Vary"] for answer in (plain, short))


@pytest.mark.parametrize("name", [file.name for file in STATIC.iterdir() if file.stat().st_size >= 1000])
async def test_a_static_file_is_short_and_found_unchanged_by_its_weak_tag(stranger: Client, name: str) -> None:
    short = await stranger.get(f"/static/{name}", headers=GZIP)
    assert gzip.decompress(await short.get_data(as_text=False)) == (STATIC / name).read_bytes()
    assert short.headers["ETag"].startswith('W/"')
    assert "Accept-Ranges" not in short.headers
    again = await stranger.get(f"/static/{name}", headers=GZIP | {"If-None-Match": short.headers["ETag"]})
    assert (again.status_code, await again.get_data(as_text=False)) == (304, b"")
    plain = await stranger.get(f"/static/{name}")
    assert plain.headers["ETag"] == short.headers["ETag"].removeprefix("W/")


@pytest.mark.parametrize("said", ["", "gzip;q=0", "identity", "br", "*;q=0"])
async def test_who_does_not_take_gzip_gets_none(stranger: Client, said: str) -> None:
    answer = await stranger.get(CSS, headers={"Accept-Encoding": said})
    assert "Content-Encoding" not in answer.headers
    assert await answer.get_data(as_text=False) == (STATIC / "postdate.css").read_bytes()


async def test_what_is_short_streams_or_has_no_body_stays_as_it_is(person: Client, database: Database) -> None:
    store(database)
    for path in ("/static/favicon.svg", "/healthz", "/export.csv", "/export.ndjson"):
        answer = await person.get(path, headers=GZIP)
        assert (answer.status_code, "Content-Encoding" in answer.headers) == (200, False), path
    head = await person.head("/history", headers=GZIP)
    assert "Content-Encoding" not in head.headers
    some = await person.get(CSS, headers=GZIP | {"Range": "bytes=0-99"})
    assert "Content-Encoding" not in some.headers


@pytest.mark.parametrize("site", ["cross-site", "same-site", ""])
async def test_another_site_learns_nothing_from_a_pages_length(person: Client, site: str) -> None:
    answer = await person.get("/history?q=guess", headers=GZIP | {"Sec-Fetch-Site": site})
    assert answer.status_code == 200
    assert "Content-Encoding" not in answer.headers
    assert "Content-Encoding" in (await person.get("/history", headers=GZIP | {"Sec-Fetch-Site": "none"})).headers


async def test_json_and_errors_are_short_too(person: Client, stranger: Client, bearer: dict[str, str]) -> None:
    answer = await stranger.get("/api/openapi.json", headers=bearer | GZIP)
    assert answer.headers["Content-Encoding"] == "gzip"
    assert (await person.get("/nothing", headers=GZIP)).headers["Content-Encoding"] == "gzip"
    assert "<main" in await page_of(person, "/nothing", 404)
