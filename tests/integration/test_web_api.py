"""The JSON calls, as programs use them: what they give, what they do, and what they say to what is wrong."""

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from quart import Quart
from quart.typing import TestClientProtocol as Client
from redis import Redis
from sqlalchemy import func, select, update

from app.db import Database
from app.tasks.model import Delivery, Task
from app.web.people.tokens import new_token

SOON = (datetime.now(UTC) + timedelta(hours=1)).replace(microsecond=0)
WELCOME = {"template": "email/welcome", "recipients": ["a@example.com"], "variables": {"name": "A"}}


class Program:
    """A client with a token, which reads every answer as JSON."""

    def __init__(self, client: Client, headers: dict[str, str]) -> None:
        self.client = client
        self.headers = headers

    async def get(self, path: str) -> tuple[int, Any]:
        answer = await self.client.get(path, headers=self.headers)
        return answer.status_code, await answer.get_json(force=True)

    async def post(self, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = await self.client.post(path, data=data, headers={**self.headers, **headers})
        if answer.status_code >= 400:
            assert answer.content_type == "application/problem+json"
        return answer.status_code, await answer.get_json(force=True)

    async def create(self, **changes: Any) -> dict[str, Any]:
        status, task = await self.post("/api/tasks", {**WELCOME, **changes})
        assert status == 201, task
        made: dict[str, Any] = task
        return made


@pytest.fixture
def program(stranger: Client, bearer: dict[str, str]) -> Program:
    return Program(stranger, bearer)


def rows(database: Database) -> int:
    with database.reading() as db:
        return db.scalar(select(func.count()).select_from(Task)) or 0


async def test_a_task_for_now_is_stored_queued_and_rung_for(app: Quart, program: Program, redis: Redis) -> None:
    task = await program.create(subject="Hello {{ name }}", queue="high")
    assert task == {
        "id": task["id"], "status": "queued", "template": "email/welcome", "subject": "Hello {{ name }}",
        "queue": "high", "scheduled_at": None, "created_at": task["created_at"], "started_at": None, "ended_at": None,
        "attempt": 0, "recipients": 1, "sent": 0, "failed": 0, "unknown": 0, "error": None,
    }  # fmt: skip
    assert task["created_at"].endswith("+00:00")
    assert await program.get(f"/api/tasks/{task['id']}") == (200, task)
    await app.config["POSTDATE"].actions.close()
    assert redis.lrange("rq:queue:high", 0, -1) == [f"task-{task['id']}-0".encode()]


async def test_the_answer_says_where_the_task_is(stranger: Client, bearer: dict[str, str]) -> None:
    answer = await stranger.post("/api/tasks", headers=bearer, json=WELCOME)
    assert answer.headers["Location"] == f"/api/tasks/{(await answer.get_json())['id']}"


async def test_a_task_for_later_is_stored_as_scheduled_for_that_instant(program: Program) -> None:
    in_seoul = SOON.astimezone().isoformat()
    task = await program.create(scheduled_at=in_seoul)
    assert (task["status"], task["scheduled_at"]) == ("scheduled", SOON.isoformat())


async def test_recipients_are_strings_or_objects_and_each_is_written_to_once(program: Program) -> None:
    task = await program.create(
        recipients=[
            "a@example.com",
            "홍길동 <hong@example.com>",
            {"address": "b@example.com", "name": "  B,  the  second ", "variables": {"name": "B"}},
            {"address": "Name <c@example.com>", "name": "Another"},
            "A@EXAMPLE.com",
            {"address": "b@example.com"},
        ]
    )
    assert task["recipients"] == 4
    _, found = await program.get(f"/api/tasks/{task['id']}/deliveries")
    assert {each["address"]: each["name"] for each in found["deliveries"]} == {
        "a@example.com": "", "b@example.com": "B, the second", "c@example.com": "Another", "hong@example.com": "홍길동",
    }  # fmt: skip
    first = found["deliveries"][0]
    assert set(first) == {"address", "name", "status", "attempt", "message_id", "reply", "updated_at"}
    assert (first["status"], first["attempt"], first["reply"]) == ("queued", 0, None)
    assert found["next"] is None


MISTAKES: list[tuple[dict[str, Any], str, str]] = [
    ({"template": None}, "template", "Input should be a valid string."),
    ({"template": "email/nothing"}, "template", "There is no template named email/nothing."),
    ({"template": "../secret"}, "template", "There is no template named ../secret."),
    ({"template": "a" * 129}, "template", "String should have at most 128 characters."),
    ({"recipients": "a@example.com"}, "recipients", "Input should be a valid list."),
    ({"recipients": []}, "recipients", "Give at least one address."),
    ({"recipients": ["a@example.com"] * 10_001}, "recipients", "at most 10000 items"),
    ({"recipients": ["a@example.com", "b"]}, "recipients.1.address", "“b” is not an email address"),
    ({"recipients": ["a@example.com\r\nBcc: b@example.com"]}, "recipients.0.address", "line break"),
    ({"recipients": ["a@example.com, b@example.com"]}, "recipients.0.address", "is not an email address"),
    ({"recipients": [7]}, "recipients.0", "valid dictionary"),
    ({"recipients": [{"name": "A"}]}, "recipients.0.address", "This field is needed."),
    ({"recipients": [{"address": 7}]}, "recipients.0.address", "valid string"),
    ({"recipients": ["a" * 1000 + "@example.com"]}, "recipients.0.address", "too long"),
    ({"recipients": [{"address": "a@example.com", "name": "A\nB"}]}, "recipients.0.name", "line break"),
    ({"recipients": [{"address": "a@example.com", "name": "A" * 129}]}, "recipients.0.name", "at most 128"),
    ({"recipients": [{"address": "a@example.com", "email": ""}]}, "recipients.0.email", "There is no such field."),
    ({"variables": {}}, "variables.name", "Give a value: the message needs it."),
    ({"variables": {"name": "x" * 10_001}}, "variables.name", "Keep this under 10000 characters."),
    ({"variables": []}, "variables", "valid dictionary"),
    ({"subject": ""}, "subject", "Please write a subject."),
    ({"subject": "{{ name"}, "subject", ""),
    ({"subject": "x" * 256}, "subject", "at most 255 characters"),
    ({"subject": "a\r\nBcc: b@example.com"}, "subject", "line break"),
    ({"queue": "fast"}, "queue", "'high', 'default' or 'low'"),
    ({"scheduled_at": "2026-12-08T09:00:00"}, "scheduled_at", "This time has no offset"),
    ({"scheduled_at": "2026-12-08"}, "scheduled_at", "not a time of RFC 3339"),
    ({"scheduled_at": 1796688000}, "scheduled_at", "not a time of RFC 3339"),
    ({"scheduled_at": ""}, "scheduled_at", "not a time of RFC 3339"),
    ({"scheduled_at": "2026-02-30T09:00:00Z"}, "scheduled_at", "no such time in the calendar"),
    ({"scheduled_at": "2026-12-31T23:59:60Z"}, "scheduled_at", "no such time in the calendar"),
    ({"scheduled_at": "0001-01-01T00:00:00+23:59"}, "scheduled_at", "no such time in the calendar"),
    ({"scheduled_at": "2020-01-01T00:00:00Z"}, "scheduled_at", "This moment has passed."),
    ({"scheduled_at": "9000-01-01T00:00:00Z"}, "scheduled_at", "more than ten years away"),
    ({"sheduled_at": None}, "sheduled_at", "There is no such field."),
]


@pytest.mark.parametrize(("changes", "field", "message"), MISTAKES)
async def test_what_is_wrong_is_said_at_its_field_and_nothing_is_stored(
    program: Program, database: Database, changes: dict[str, Any], field: str, message: str
) -> None:
    status, problem = await program.post("/api/tasks", {**WELCOME, **changes})
    assert status == 422
    assert field in {each["field"] for each in problem["errors"]}
    assert message in next(each["message"] for each in problem["errors"] if each["field"] == field)
    assert (problem["type"], problem["title"], problem["status"]) == ("about:blank", "Unprocessable Content", 422)
    assert rows(database) == 0


async def test_every_mistake_is_told_at_once(program: Program) -> None:
    _, problem = await program.post("/api/tasks", {"recipients": ["a", "b"], "queue": "fast", "more": 1})
    fields = {each["field"] for each in problem["errors"]}
    assert fields == {"template", "recipients.0.address", "recipients.1.address", "queue", "more"}
    assert problem["detail"] == "Nothing was done: 5 fields are not right."


async def test_a_moment_that_has_passed_is_told_beside_what_else_is_wrong(program: Program) -> None:
    asked = {**WELCOME, "template": "email/none", "scheduled_at": "2020-01-01T00:00:00Z"}
    status, problem = await program.post("/api/tasks", asked)
    assert (status, {each["field"] for each in problem["errors"]}) == (422, {"scheduled_at", "template"})


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff", b'{"a": NaN}', b'{"a": 1e999}', b'{"a": "\\ud800"}', b'{"a": "\\u0000"}', b"[" * 100_000,
     b"9" * 5000],
)  # fmt: skip
async def test_what_is_not_json_is_refused_as_a_whole(program: Program, body: bytes) -> None:
    assert (await program.post("/api/tasks", body))[0] == 400


async def test_what_is_not_an_object_is_refused(program: Program) -> None:
    for body in ([], "text", 7, None):
        assert (await program.post("/api/tasks", body))[0] == 422


async def test_a_body_that_is_too_large_is_refused_as_a_problem(program: Program) -> None:
    status, problem = await program.post("/api/tasks", b'"' + b"x" * 16_000_000 + b'"')
    assert (status, problem["status"]) == (413, 413)


async def test_the_same_key_and_body_give_the_same_task(program: Program, database: Database) -> None:
    key = {"Idempotency-Key": "order 7"}
    first = await program.post("/api/tasks", WELCOME, **key)
    again = await program.post("/api/tasks", dict(reversed(WELCOME.items())), **key)
    assert first == again
    assert first[0] == 201
    assert rows(database) == 1


async def test_the_same_key_works_after_its_moment_has_passed(program: Program) -> None:
    asked = {**WELCOME, "scheduled_at": (datetime.now(UTC) + timedelta(seconds=0.5)).isoformat()}
    first = await program.post("/api/tasks", asked, **{"Idempotency-Key": "k"})
    await asyncio.sleep(0.6)
    assert await program.post("/api/tasks", asked, **{"Idempotency-Key": "k"}) == first


async def test_the_same_key_with_another_body_is_refused(program: Program, database: Database) -> None:
    await program.post("/api/tasks", WELCOME, **{"Idempotency-Key": "k"})
    status, problem = await program.post("/api/tasks", {**WELCOME, "subject": "Another"}, **{"Idempotency-Key": "k"})
    assert status == 422
    assert problem["errors"][0]["field"] == "Idempotency-Key"
    assert rows(database) == 1


async def test_each_token_has_keys_of_its_own(program: Program, database: Database) -> None:
    other = Program(program.client, {"Authorization": f"Bearer {new_token(database, 'another')}"})
    for each in (program, other):
        assert (await each.post("/api/tasks", WELCOME, **{"Idempotency-Key": "k"}))[0] == 201
    assert rows(database) == 2


@pytest.mark.parametrize("key", ["", "x" * 256, "caf\u00e9"])
async def test_a_key_is_printable_ascii(program: Program, key: str) -> None:
    status, problem = await program.post("/api/tasks", WELCOME, **{"Idempotency-Key": key})
    assert (status, problem["errors"][0]["field"]) == (422, "Idempotency-Key")


async def test_the_list_goes_from_the_newest_to_the_oldest_in_parts_with_exact_counts(program: Program) -> None:
    made = [(await program.create())["id"] for _ in range(5)]
    await program.create(scheduled_at=SOON.isoformat(), recipients=["z@example.com"])
    _, found = await program.get("/api/tasks?status=queued&limit=2")
    assert found["counts"] == {"scheduled": 1, "queued": 5, "started": 0, "finished": 0, "failed": 0, "cancelled": 0}
    seen = [task["id"] for task in found["tasks"]]
    while found["next"]:
        _, found = await program.get(f"/api/tasks?status=queued&limit=2&cursor={found['next']}")
        seen += [task["id"] for task in found["tasks"]]
    assert seen == made[::-1]


async def test_the_list_is_narrowed_by_everything_that_is_given(program: Program) -> None:
    one = await program.create(recipients=["one@example.com"])
    two = await program.create(recipients=["two@example.com"], scheduled_at=SOON.isoformat())
    asked = {
        "": [two, one],
        "status=&template=&q=&since=&until=&cursor=": [two, one],
        "status=scheduled": [two],
        "q=one": [one],
        "q=one&status=scheduled": [],
        "template=email/reminder": [],
        "since=2020-01-01T00:00:00Z": [two, one],
        "until=2020-01-01T00:00:00%2B09:00": [],
    }
    for query, tasks in asked.items():
        assert (await program.get(f"/api/tasks?{query}"))[1]["tasks"] == tasks, query


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("status=sent", "status"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=many", "limit"),
        ("since=yesterday", "since"),
        ("until=2026-01-01T00:00:00", "until"),
        ("q=%00", "q"),
        ("cursor=!", "cursor"),
        ("cursor=LTE", "cursor"),
        ("cursor=AA", "cursor"),
        ("cursor=" + "OTk5" * 8, "cursor"),
        ("page=2", "page"),
        ("status=queued&status=failed", "status"),
    ],
)
async def test_a_question_that_can_not_be_answered_says_why(program: Program, query: str, field: str) -> None:
    status, problem = await program.get(f"/api/tasks?{query}")
    assert status == 422
    assert field in {each["field"] for each in problem["errors"]}


async def test_deliveries_come_in_parts_too(program: Program) -> None:
    addresses = [f"{n}@example.com" for n in range(5)]
    path = f"/api/tasks/{(await program.create(recipients=addresses))['id']}/deliveries?limit=2"
    _, found = await program.get(path)
    seen = [each["address"] for each in found["deliveries"]]
    while found["next"]:
        _, found = await program.get(f"{path}&cursor={found['next']}")
        seen += [each["address"] for each in found["deliveries"]]
    assert seen == addresses


@pytest.mark.parametrize(
    "id", ["0", "7", "9223372036854775807", "9223372036854775808", "9" * 30, "9" * 5000, "-1", "x"]
)
async def test_an_id_that_nobody_has_is_not_found(program: Program, id: str) -> None:
    for method, rest in (
        ("get", ""),
        ("get", "/deliveries"),
        ("get", "/events"),
        ("post", "/cancel"),
        ("post", "/retry"),
    ):
        assert (await getattr(program, method)(f"/api/tasks/{id}{rest}"))[0] == 404


async def test_what_waits_can_be_cancelled_and_what_is_over_cannot(program: Program) -> None:
    path = f"/api/tasks/{(await program.create(scheduled_at=SOON.isoformat()))['id']}"
    status, task = await program.post(f"{path}/cancel")
    assert (status, task["status"]) == (200, "cancelled")
    status, problem = await program.post(f"{path}/cancel")
    assert (status, problem["detail"]) == (409, "This task has ended already and can no longer be cancelled.")
    _, found = await program.get(f"{path}/events")
    assert [(event["from"], event["to"], event["who"], event["address"]) for event in found["events"]] == [
        (None, "scheduled", "token tests", None),
        ("scheduled", "cancelled", "token tests", None),
    ]
    assert set(found["events"][0]) == {"at", "from", "to", "who", "why", "address"}


async def test_what_has_started_is_not_cancelled_and_not_rescheduled(program: Program, database: Database) -> None:
    path = f"/api/tasks/{(await program.create())['id']}"
    with database.writing() as db:
        db.execute(update(Task).values(status="started"))
    cancelled = await program.post(f"{path}/cancel")
    assert cancelled[0] == 409
    assert cancelled[1]["detail"] == "This task has started already and can no longer be cancelled."
    moved = await program.post(f"{path}/reschedule", {"scheduled_at": SOON.isoformat()})
    assert moved[0] == 409
    assert moved[1]["detail"] == "This task has started already and can no longer be rescheduled."
    retried = await program.post(f"{path}/retry")
    assert (retried[0], retried[1]["detail"].startswith("This task has not ended yet.")) == (409, True)


async def test_what_failed_can_be_retried_once(program: Program, database: Database) -> None:
    path = f"/api/tasks/{(await program.create())['id']}"
    with database.writing() as db:
        db.execute(update(Delivery).values(status="failed", reply="550 No such user"))
        db.execute(update(Task).values(status="failed", failed=1))
    status, task = await program.post(f"{path}/retry")
    assert (status, task["status"], task["failed"]) == (200, "queued", 0)
    assert (await program.post(f"{path}/retry"))[0] == 409


async def test_where_nothing_failed_there_is_nothing_to_retry(program: Program, database: Database) -> None:
    path = f"/api/tasks/{(await program.create())['id']}"
    with database.writing() as db:
        db.execute(update(Task).values(status="finished"))
    status, problem = await program.post(f"{path}/retry")
    assert (status, problem["detail"]) == (409, "No delivery of this task has failed, so there is nothing to retry.")


async def test_what_waits_can_be_rescheduled(program: Program) -> None:
    path = f"/api/tasks/{(await program.create())['id']}"
    status, task = await program.post(f"{path}/reschedule", {"scheduled_at": SOON.isoformat()})
    assert (status, task["status"], task["scheduled_at"]) == (200, "scheduled", SOON.isoformat())


@pytest.mark.parametrize(
    "body", [{}, {"scheduled_at": None}, {"scheduled_at": "2020-01-01T00:00:00Z"}, {"scheduled_at": "2026-12-08T09:00"}]
)
async def test_a_task_is_rescheduled_to_a_moment_to_come_only(program: Program, body: dict[str, Any]) -> None:
    path = f"/api/tasks/{(await program.create())['id']}/reschedule"
    status, problem = await program.post(path, body)
    assert (status, problem["errors"][0]["field"]) == (422, "scheduled_at")


async def test_an_address_or_a_method_that_is_none_is_a_problem_as_well(program: Program) -> None:
    assert (await program.get("/api/nothing"))[1]["status"] == 404
    assert (await program.post("/api/tasks/7"))[0] == 405


async def test_a_program_in_too_much_of_a_hurry_is_told_when_to_come_again(app: Quart, program: Program) -> None:
    # All at once; but a machine that is slow enough is in no hurry even so.
    asked = (program.client.post("/api/tasks", headers=program.headers, data=b"{") for _ in range(400))
    began = time.monotonic()
    late = [answer for answer in await asyncio.gather(*asked) if answer.status_code == 429]
    if not late:
        assert time.monotonic() - began > 2.9, "a hundred at once, and then a hundred a second, are possible"
        return
    assert late[0].headers["Retry-After"] == "1"
    assert late[0].content_type == "application/problem+json"


async def test_everyones_own_values_are_tried_before_anything_is_stored(
    stranger: Client, bearer: dict[str, str]
) -> None:
    people = [
        {"address": "a@example.com", "variables": {"name": "A"}},
        {"address": "b@example.com", "variables": {"name": "b" * 999}},
    ]
    answer = await stranger.post("/api/tasks", json={"template": "email/welcome", "recipients": people}, headers=bearer)
    assert answer.status_code == 422


@pytest.mark.parametrize("blank", ["", "  ", None])
async def test_a_needed_place_is_not_left_blank(program: Program, database: Database, blank: str | None) -> None:
    status, problem = await program.post("/api/tasks", {**WELCOME, "variables": {"name": blank}})
    assert (status, [each["field"] for each in problem["errors"]]) == (422, ["variables.name"])
    assert rows(database) == 0


@pytest.mark.parametrize("person", ["Mina <m@example.com>", {"address": "m@example.com", "name": "Mina"}])
async def test_the_name_beside_an_address_fills_the_variable_that_nothing_else_fills(
    program: Program, database: Database, person: object
) -> None:
    for variables in ({}, {"name": ""}, {"name": "Everybody"}):
        await program.create(recipients=[person], variables=variables)
    with database.reading() as db:
        own = [*db.scalars(select(Delivery.variables).order_by(Delivery.id))]
    assert own == [{"name": "Mina"}, {"name": "Mina"}, {}]
