"""Closed by default: who is let in where, from which site, how often, and what browsers are told."""

import re
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from quart import Quart, Response, url_for
from quart.typing import TestClientProtocol as Client

from app.config import Settings
from app.web import STATIC, create_app
from app.web.limits import MOST_REMEMBERED, Remembered, address
from app.web.security import own_path

OUR_PAGE = {"Sec-Fetch-Site": "same-origin"}

# What a stranger, a signed-in person and a program get: + served, s sent to the sign-in page, 4 refused.
WHO_MAY = {
    "GET /static/<path:filename>": "+++",
    "GET /sign-in": "+++",
    "POST /sign-in": "+++",
    "GET /sign-in/<token>": "+++",
    "GET /healthz": "+++",
    "GET /readyz": "+++",
    "GET /metrics": "4++",
    "GET /api/openapi.json": "4++",
    "POST /sign-out": "s+s",
    "GET /account": "s+s",
    "POST /account/password": "s+s",
    "POST /account/people": "s+s",
    "POST /account/people/<int:user_id>/shut-out": "s+s",
    "POST /account/tokens/<int:token_id>/revoke": "s+s",
    "GET /": "s+s",
    "GET /compose": "s+s",
    "POST /compose": "s+s",
    "POST /compose/test": "s+s",
    "POST /drafts": "s+s",
    "POST /drafts/<uuid:key>/discard": "s+s",
    "POST /drafts/discard": "s+s",
    "POST /drafts/<uuid:mark>/back": "s+s",
    "GET /compose/preview": "s+s",
    "POST /compose/preview": "s+s",
    "GET /history": "s+s",
    "GET /export.csv": "s++",
    "GET /export.ndjson": "s++",
    "GET /live": "s+s",
    "GET /tasks/<int:task_id>": "s+s",
    "GET /tasks/<int:task_id>/edit": "s+s",
    "GET /tasks/<int:task_id>/message": "s+s",
    "GET /tasks/<int:task_id>/message/html": "s+s",
    "GET /tasks/<int:task_id>/message/eml": "s+s",
    "POST /tasks/<int:task_id>/now": "s+s",
    "POST /tasks/<int:task_id>/decide": "s+s",
    "POST /tasks/<int:task_id>/restore": "s+s",
    "POST /tasks/<int:task_id>/cancel": "s+s",
    "POST /tasks/<int:task_id>/undo": "s+s",
    "POST /tasks/<int:task_id>/retry": "s+s",
    "POST /tasks/<int:task_id>/reschedule": "s+s",
    "POST /bulk": "s+s",
    "POST /bulk/start": "s+s",
    "GET /bulk/<int:bulk_id>": "s+s",
    "POST /bulk/<int:bulk_id>/stop": "s+s",
    "GET /charts": "s+s",
    "GET /failures": "s+s",
    "GET /mailbox": "s+s",
    "GET /mailbox/<name>": "s+s",
    "GET /mailbox/<name>/html": "s+s",
    "POST /api/tasks": "44+",
    "GET /api/tasks": "44+",
    "GET /api/tasks/<int:id>": "44+",
    "GET /api/tasks/<int:id>/deliveries": "44+",
    "GET /api/tasks/<int:id>/events": "44+",
    "POST /api/tasks/<int:id>/cancel": "44+",
    "POST /api/tasks/<int:id>/retry": "44+",
    "POST /api/tasks/<int:id>/reschedule": "44+",
}


async def test_every_route_is_in_the_table_and_lets_in_whom_it_names_and_nobody_else(
    app: Quart, stranger: Client, person: Client, bearer: dict[str, str]
) -> None:
    rules = [(rule.rule, (rule.methods or set()) - {"HEAD", "OPTIONS"}) for rule in app.url_map.iter_rules()]
    routes = {f"{method} {rule}" for rule, methods in rules for method in methods}
    assert routes == set(WHO_MAY), "a new route: say in WHO_MAY who may use it"
    for route in sorted(routes, key=lambda route: "sign-out" in route):  # signing out comes last
        askers = ((stranger, {}), (person, {}), (stranger, bearer))
        got = [await outcome(client, route, headers) for client, headers in askers]
        assert "".join(got) == WHO_MAY[route], route


async def outcome(client: Client, route: str, headers: dict[str, str]) -> str:
    method, path = route.split(" ")
    path = re.sub("<int:.*?>", "7", re.sub("<(path:)?[a-z]+>", "x", path))
    async with client.request(path, method=method, headers={**OUR_PAGE, **headers}) as connection:
        await connection.send_complete()
        await connection.receive()
        await connection.disconnect()  # a stream would not end by itself
    assert connection.headers is not None
    if connection.status_code == 303 and connection.headers["Location"].startswith("/sign-in?next="):
        return "s"
    return "4" if connection.status_code in (401, 403) else "+"


async def test_an_address_that_does_not_exist_is_closed_as_well(stranger: Client, person: Client) -> None:
    assert (await stranger.get("/nothing")).headers["Location"] == "/sign-in?next=/nothing"
    assert (await stranger.get("/api/nothing")).status_code == 401
    assert (await person.get("/nothing")).status_code == 404


async def test_a_program_without_a_token_is_told_how_to_send_one(stranger: Client) -> None:
    answer = await stranger.get("/api/tasks")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.content_type == "application/problem+json"
    assert "Authorization: Bearer" in (await answer.get_json(force=True))["detail"]


@pytest.mark.parametrize("sent", ["Bearer pd_wrong", "Bearer", "Bearer ", "Basic cGQ6", "bearer \0", "Bearer 홍"])
async def test_a_wrong_token_is_refused_as_such(stranger: Client, sent: str) -> None:
    answer = await stranger.get("/api/tasks", headers={"Authorization": sent.encode().decode("latin-1")})
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, 'Bearer error="invalid_token"')


async def test_a_session_opens_no_json_call_and_a_token_no_page(
    person: Client, stranger: Client, bearer: dict[str, str]
) -> None:
    assert (await person.get("/api/tasks")).status_code == 401
    assert (await stranger.get("/history", headers=bearer)).status_code == 303


OTHER_SITES = [
    ({}, 303),
    ({"Sec-Fetch-Site": "same-origin"}, 303),
    ({"Sec-Fetch-Site": "none"}, 303),
    ({"Sec-Fetch-Site": "cross-site"}, 403),
    ({"Sec-Fetch-Site": "same-site"}, 403),
    ({"Sec-Fetch-Site": ""}, 403),
    ({"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"}, 403),
    ({"Origin": "http://localhost"}, 303),
    ({"Origin": "http://localhost:80"}, 303),
    ({"Origin": "http://127.0.0.1:8000"}, 303),
    ({"Origin": "https://localhost"}, 403),
    ({"Origin": "http://localhost:8001"}, 403),
    ({"Origin": "http://localhost.evil.example"}, 403),
    ({"Origin": "https://evil.example"}, 403),
    ({"Origin": "null"}, 403),
    ({"Origin": ""}, 403),
    ({"Origin": "http://["}, 403),
]


@pytest.mark.parametrize(("headers", "status"), OTHER_SITES)
async def test_what_another_site_makes_a_browser_post_is_not_carried_out(
    person: Client, headers: dict[str, str], status: int
) -> None:
    answer = await person.post("/sign-out", headers=headers)
    assert answer.status_code == status
    if status == 403:
        assert "came from another site" in await answer.get_data(as_text=True)
        assert (await person.get("/history")).status_code == 200, "still signed in"


@pytest.mark.parametrize(
    ("path", "followed"),
    [
        ("/tasks/7?x=1", "/tasks/7?x=1"),
        ("/", "/"),
        *((path, "/") for path in (None, "", "history", "//evil.example", "/\\evil.example", "\\\\evil.example")),
        *((path, "/") for path in ("/\t/evil.example", "https://evil.example", "/a\r\nSet-Cookie: a=b", "/" * 3)),
        ("javascript:alert(1)", "/"),
        ("/a\\b", "/"),
    ],
)
def test_after_signing_in_one_goes_on_to_a_page_of_ours_only(path: str | None, followed: str) -> None:
    assert own_path(path) == followed


async def test_every_answer_tells_browsers_what_to_refuse(
    stranger: Client, person: Client, bearer: dict[str, str]
) -> None:
    for client, path, headers in (
        (stranger, "/sign-in", {}),
        (person, "/nothing", {}),
        (stranger, "/api/tasks", bearer),
    ):
        answer = await client.get(path, headers=headers)
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'")
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Strict-Transport-Security" not in answer.headers


async def test_with_an_https_address_cookies_and_browsers_stay_on_https(settings: Settings) -> None:
    app = create_app(replace(settings, public_url="https://mail.example.com"))
    async with app.test_app():
        answer = await app.test_client().get("/sign-in?lang=ko")
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("postdate=")
    assert {"Secure", "HttpOnly", "SameSite=Lax"} <= set(cookie.split("; "))


async def try_until_refused(client: Client, limit: int, who: Callable[[int], tuple[str, str]]) -> list[Response]:
    """Sign in wrongly as `who` says (address, from where), until that is too often.

    After `limit` tries in a minute, and one more for each share of it that the tries have taken; no sooner, no later.
    """
    began, tries = time.monotonic(), []
    while not tries or tries[-1].status_code == 422:
        email, place = who(len(tries))
        headers = {**OUR_PAGE, "X-Forwarded-For": place}
        tries.append(await client.post("/sign-in", headers=headers, form={"email": email}))
    assert tries[-1].status_code == 429
    assert limit <= len(tries) - 1 <= limit + (time.monotonic() - began) * limit / 60
    return tries


async def test_the_eleventh_sign_in_within_a_minute_is_too_often(stranger: Client) -> None:
    tries = await try_until_refused(stranger, 10, lambda n: (f"{n}@a.example", "192.0.2.1"))
    assert 0 < int(tries[-1].headers["Retry-After"]) <= 60
    assert tries[-1].mimetype == "text/html"


async def test_the_sixth_sign_in_to_one_account_from_one_place_is_too_often(stranger: Client) -> None:
    await try_until_refused(stranger, 5, lambda n: (" A@a.example" if n % 2 else "a@a.example", "192.0.2.1"))


async def test_the_thirty_first_sign_in_to_one_account_is_too_often_from_wherever_it_comes(stranger: Client) -> None:
    await try_until_refused(stranger, 30, lambda n: (" A@a.example" if n % 2 else "a@a.example", f"192.0.2.{n}"))


async def test_what_a_proxy_calls_an_address_and_is_none_is_not_believed(stranger: Client) -> None:
    await try_until_refused(stranger, 10, lambda n: (f"{n}@a.example", f"no address {n}"))


async def test_what_a_stranger_writes_before_the_proxy_does_not_make_them_another_one(stranger: Client) -> None:
    await try_until_refused(stranger, 10, lambda n: (f"{n}@a.example", f"192.0.2.{n}, 198.51.100.7"))


async def test_those_who_may_come_again_are_forgotten() -> None:
    remembered, now = Remembered(), datetime.now(UTC)
    for n in range(MOST_REMEMBERED):
        await remembered.set(str(n), now - timedelta(seconds=1) if n else now + timedelta(minutes=1))
    await remembered.set("new", now + timedelta(minutes=1))
    assert await remembered.get("0", now) > now
    assert await remembered.get("1", now) == now


async def test_a_page_that_is_too_large_or_asked_wrongly_says_so(person: Client) -> None:
    large = await person.post("/compose", headers=OUR_PAGE, form={"subject": "x" * 2_000_001})
    assert (large.status_code, large.mimetype) == (413, "text/html")
    wrong = await person.post("/history", headers=OUR_PAGE)
    assert (wrong.status_code, wrong.mimetype) == (405, "text/html")
    assert "GET" in wrong.headers["Allow"]


async def test_a_static_file_is_kept_for_ever_under_the_hash_of_its_content(app: Quart, stranger: Client) -> None:
    name = next(file.name for file in STATIC.iterdir() if file.is_file())
    async with app.test_request_context("/"):
        address = url_for("static", filename=name)
    assert re.fullmatch(r"/static/[\w.-]+\?v=[0-9a-f]{12}", address)
    assert "immutable" in (await stranger.get(address)).headers["Cache-Control"]
    assert (await stranger.get(f"/static/{name}")).headers["Cache-Control"] == "no-cache"
    assert (await stranger.get(f"/static/{name}?v=0123456789ab")).headers["Cache-Control"] == "no-cache"


async def test_a_program_gets_the_files_and_a_wrong_token_is_told_so(stranger: Client, bearer: dict[str, str]) -> None:
    answer = await stranger.get("/export.csv", headers=bearer)
    assert (answer.status_code, answer.content_type.partition(";")[0]) == (200, "text/csv")
    refused = await stranger.get("/export.ndjson", headers={"Authorization": "Bearer pd_wrong"})
    assert (refused.status_code, refused.content_type) == (401, "application/problem+json")


@pytest.mark.parametrize(
    ("peer", "forwarded", "counted"),
    [
        ("8.8.8.8", "198.51.100.1", "8.8.8.8"),
        ("127.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.3", "192.0.2.7, 198.51.100.1", "198.51.100.1"),
        ("127.0.0.1", "nonsense", "127.0.0.1"),
    ],
)
async def test_only_a_neighbour_is_believed_about_where_requests_come_from(
    app: Quart, peer: str, forwarded: str, counted: str
) -> None:
    headers = {"X-Forwarded-For": forwarded, "Remote-Addr": peer}  # as Quart puts it there
    async with app.test_request_context("/", headers=headers):
        assert await address() == counted
