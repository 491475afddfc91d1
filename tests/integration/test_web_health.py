"""What machines ask: alive, ready, how much."""

from dataclasses import replace
from pathlib import Path

import pytest
from quart import Quart
from quart.typing import TestClientProtocol as Client
from redis import Redis
from sqlalchemy import insert, text

from app.config import Settings
from app.db import Database, now
from app.ring import Rings
from app.tasks.books import Worker
from app.tasks.model import Task
from app.web import create_app


@pytest.fixture
def worker(database: Database) -> None:
    with database.writing() as db:
        db.execute(insert(Worker).values(name="w1"))


async def ask(settings: Settings) -> tuple[int, list[str], dict[str, str]]:
    app = create_app(settings)
    async with app.test_app():
        answer = await app.test_client().get("/readyz")
    body = await answer.get_json()
    assert body["ready"] is (answer.status_code == 200)
    return answer.status_code, body["missing"], body["checks"]


@pytest.mark.usefixtures("worker")
async def test_with_everything_there_it_is_ready(settings: Settings) -> None:
    everything = {"database": "ok", "redis": "ok", "schema": "ok", "worker": "ok"}
    assert await ask(settings) == (200, [], everything)


async def test_without_a_worker_it_says_that_mail_will_wait(settings: Settings) -> None:
    status, missing, checks = await ask(settings)
    assert (status, missing) == (503, ["worker"])
    assert checks["worker"] == "No worker is running: mail will wait."


async def test_a_worker_that_gave_no_sign_of_life_for_long_is_none(settings: Settings, database: Database) -> None:
    with database.writing() as db:
        db.execute(insert(Worker).values(name="w1", seen_at=now(-16)))
    assert (await ask(settings))[1] == ["worker"]


@pytest.mark.usefixtures("worker")
async def test_without_redis_it_says_so_within_a_second(settings: Settings, tmp_path: Path) -> None:
    assert (await ask(replace(settings, redis_url=f"unix://{tmp_path}/nobody")))[:2] == (503, ["redis"])


@pytest.mark.usefixtures("worker")
async def test_an_older_schema_is_missing(settings: Settings, database: Database) -> None:
    with database.writing() as db:
        db.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    assert (await ask(settings))[:2] == (503, ["schema"])


async def test_without_a_database_everything_in_it_is_missing(settings: Settings, tmp_path: Path) -> None:
    nowhere = replace(settings, database_url=f"sqlite:///{tmp_path}/no/such.db")
    assert (await ask(nowhere))[:2] == (503, ["database", "schema", "worker"])


async def test_alive_touches_nothing(settings: Settings, tmp_path: Path) -> None:
    app = create_app(replace(settings, database_url=f"sqlite:///{tmp_path}/no/such.db", redis_url="redis://192.0.2.1"))
    async with app.test_app():
        answer = await app.test_client().get("/healthz")
    assert (answer.status_code, await answer.get_data()) == (200, b"ok")


@pytest.fixture
def tasks(database: Database, redis: Redis) -> None:
    row = {"template": "email/welcome", "queue": "high", "due_at": now(), "recipients": 1, "who": "tests"}
    with database.writing() as db:
        for status in ("queued", "queued", "failed"):
            db.execute(insert(Task).values(status=status, **row))
    Rings(redis).ring([(1, 0, "high"), (2, 0, "high")])


@pytest.mark.usefixtures("tasks", "worker")
async def test_metrics_are_counted_when_they_are_asked_for(stranger: Client, bearer: dict[str, str]) -> None:
    answer = await stranger.get("/metrics", headers=bearer)
    assert answer.content_type.startswith("text/plain")
    lines = (await answer.get_data(as_text=True)).splitlines()
    for line in ('postdate_tasks{status="queued"} 2.0', 'postdate_tasks{status="failed"} 1.0', "postdate_workers 1.0",
                 'postdate_tasks{status="cancelled"} 0.0', 'postdate_rings_waiting{queue="high"} 2.0'):  # fmt: skip
        assert line in lines


async def test_without_redis_there_are_metrics_of_everything_else(
    settings: Settings, bearer: dict[str, str], tmp_path: Path
) -> None:
    app: Quart = create_app(replace(settings, redis_url=f"unix://{tmp_path}/nobody"))
    async with app.test_app():
        answer = await app.test_client().get("/metrics", headers=bearer)
    found = await answer.get_data(as_text=True)
    assert "postdate_workers 0.0" in found
    assert "postdate_rings_waiting" not in found
