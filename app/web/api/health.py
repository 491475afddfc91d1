"""What machines ask: is it alive, is it ready, how much is there."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from quart import Blueprint, Response
from redis import RedisError
from sqlalchemy import literal, select, text
from sqlalchemy.exc import SQLAlchemyError

from app.migrate import head
from app.tasks import queries
from app.tasks.model import TaskStatus
from app.tasks.reconcile import repairs
from app.web import postdate

blueprint = Blueprint("health", __name__)

PATIENCE = 1.0
"""Seconds after which something that does not answer counts as away."""

OK = "ok"
AWAY = (SQLAlchemyError, RedisError, OSError)  # TimeoutError is an OSError


@blueprint.get("/healthz")
async def healthz() -> Response:
    """The process answers. It asks nobody else, so that nobody else's trouble gets it restarted."""
    return Response("ok", content_type="text/plain")


@blueprint.get("/readyz")
async def readyz() -> Response:
    """Everything that mail needs is there; else 503, and what is missing in words."""
    said = await asyncio.gather(*(_ask(check, sentence) for check, sentence in CHECKS.values()))
    checks = dict(zip(CHECKS, said, strict=True))
    missing = [name for name, words in checks.items() if words != OK]
    body = {"ready": not missing, "missing": missing, "checks": checks, "repairs": await _repairs()}
    return Response(json.dumps(body), 503 if missing else 200, content_type="application/json")


async def _ask(check: Callable[[], Awaitable[bool]], sentence: str) -> str:
    try:
        async with asyncio.timeout(PATIENCE):
            return OK if await check() else sentence
    except AWAY:
        return sentence


async def _database() -> bool:
    async with postdate().database.reading() as db:
        return bool(await db.scalar(select(literal(1))))


async def _redis() -> bool:
    return await asyncio.to_thread(postdate().rings.is_there)


async def _schema() -> bool:
    async with postdate().database.reading() as db:
        return bool(await db.scalar(text("SELECT version_num FROM alembic_version")) == head())


async def _repairs() -> dict[str, int]:
    """What was put right so far, by kind."""
    try:
        async with asyncio.timeout(PATIENCE), postdate().database.reading() as db:
            return {name: n for name, n, _ in (await db.execute(repairs())).all()}
    except AWAY:
        return {}


async def _worker() -> bool:
    async with postdate().database.reading() as db:
        return bool(await db.scalar(queries.live_workers()))


CHECKS: dict[str, tuple[Callable[[], Awaitable[bool]], str]] = {
    "database": (_database, "The database does not answer."),
    "redis": (_redis, "Redis does not answer: mail goes out later than it could."),
    "schema": (_schema, "The database is not up to date: run python -m app migrate."),
    "worker": (_worker, "No worker is running: mail will wait."),
}


@blueprint.get("/metrics")
async def metrics() -> Response:
    """Gauges for Prometheus, counted now."""
    registry = CollectorRegistry()
    registry.register(_Counted(await _count()))
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


class _Counted(Collector):
    """Hands over what was counted before: Prometheus's client collects synchronously."""

    def __init__(self, found: list[Metric]) -> None:
        self._found = found

    def collect(self) -> Iterable[Metric]:
        return self._found


async def _count() -> list[Metric]:
    async with postdate().database.reading() as db:
        counts = {status: n for status, n in (await db.execute(queries.counts())).all()}
        alive = await db.scalar(queries.live_workers())
    tasks = GaugeMetricFamily("postdate_tasks", "Tasks by status.", labels=["status"])
    for status in TaskStatus:
        tasks.add_metric([status], counts.get(status, 0))
    workers = GaugeMetricFamily("postdate_workers", "Workers alive.", value=alive or 0)
    return [tasks, workers, *await _waiting()]


async def _waiting() -> list[Metric]:
    rings = GaugeMetricFamily("postdate_rings_waiting", "Rings waiting in Redis, by queue.", labels=["queue"])
    try:
        for queue, n in (await asyncio.to_thread(postdate().rings.waiting)).items():
            rings.add_metric([queue], n)
    except AWAY:
        return []
    return [rings]
