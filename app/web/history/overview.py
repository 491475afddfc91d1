"""The overview: whether mail gets out, what was sent and failed, how late it began, who works at what, what waits."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from quart import Blueprint, render_template, request
from redis import RedisError
from sqlalchemy import Row
from sqlalchemy.orm import Session

from app.mail import N_
from app.mail.said import explain
from app.tasks import overview, queries
from app.tasks.filter import ATTENTION
from app.tasks.limits import reached
from app.tasks.model import QUEUES
from app.tasks.reconcile import repairs
from app.web import postdate
from app.web.history import charts
from app.web.history.charts import Drawn, Slot
from app.web.live.stream import shared
from app.web.zone import shown_zone

blueprint = Blueprint("overview", __name__)

LOOK_AGAIN = 5000
"""Milliseconds until the page looks again."""

PATIENCE = 1.0
"""Seconds after which Redis counts as away."""

REPAIRS = {
    "released": N_("Tasks taken over from a worker that was gone"),
    "rung": N_("Wake-ups that Redis had lost, made anew"),
    "unknown": N_("Recipients that became unknown when a worker was gone"),
    "condemned": N_("Tasks given up after three workers were lost over them"),
}


@blueprint.get("/charts")
@shared
async def show() -> str:
    """Everything at a glance: the last 48 hours, or with `?span=days` the last 30 days."""
    by_day, zone = request.args.get("span") == "days", shown_zone()
    rings = asyncio.create_task(_rings())
    read = await postdate().database.read(partial(_read, by_day=by_day, zone=zone))
    return await render_template(
        "overview.html",
        zone=zone,
        look_again=LOOK_AGAIN,
        explain=explain,
        **read,
        **_queues(read["waiting"], await rings),
    )


def _read(db: Session, by_day: bool, zone: str) -> dict[str, Any]:
    last_event = db.scalar(queries.last_event()) or 0  # before the rows: what comes after is told
    return {"last_event": last_event, "chart": _chart(db, by_day, zone)} | _state(db)


@dataclass(frozen=True)
class Chart:
    """What is drawn; `sum` has the totals, of `late_ms` and `latest_ms` as well."""

    by_day: bool
    slots: list[Slot]
    sum: Slot
    sent: Drawn
    refused: Drawn
    late: Drawn
    marks: list[tuple[float, datetime]]
    height: float = charts.HEIGHT


def _chart(db: Session, by_day: bool, zone: str) -> Chart:
    now = db.execute(overview.clock()).scalar_one()
    slots = charts.last_days(now, zone) if by_day else charts.last_hours(now, zone)
    rows = db.execute(overview.hours(slots[0].at.astimezone(UTC))).all()
    charts.fill(slots, rows)
    return Chart(
        by_day,
        slots,
        charts.fill([Slot(slots[0].at)], rows)[0],
        charts.columns(slots, ["sent"]),
        charts.columns(slots, ["failed", "unknown"]),
        charts.lateness(slots),
        charts.marks(slots, _is_monday if by_day else _is_noon_or_midnight),
    )


def _is_monday(at: datetime) -> bool:
    return at.weekday() == 0


def _is_noon_or_midnight(at: datetime) -> bool:
    return at.hour % 12 == 0


def _state(db: Session) -> dict[str, Any]:
    workers = db.execute(overview.workers()).all()
    tasks = db.scalars(overview.at_work()).all()
    return {
        "attention": {status: n for status, n in db.execute(queries.counts())}.get(ATTENTION, 0),
        "workers": workers,
        "alive": sum(alive for _, _, _, alive in workers),
        "at_work": {name: [task for task in tasks if task.who == name] for name, _, _, _ in workers},
        "waiting": db.execute(overview.waiting()).all(),
        "way_out": db.execute(overview.way_out()).first(),
        "reached": reached(db),
        "repairs": [(REPAIRS[name], n, at) for name, n, at in db.execute(repairs()) if n],
    }


async def _rings() -> dict[str, int] | None:
    """How many rings wait in each queue of Redis; None where it does not say."""
    try:
        async with asyncio.timeout(PATIENCE):
            return await asyncio.to_thread(postdate().rings.waiting)
    except (RedisError, OSError):  # TimeoutError is an OSError
        return None


@dataclass(frozen=True)
class Queue:
    """What waits in one: tasks, those of them that a worker could begin, and rings (None: nobody knows)."""

    name: str
    tasks: int
    due: int
    rings: int | None


def _queues(waiting: Sequence[Row[str, int, int]], rings: dict[str, int] | None) -> dict[str, Any]:
    counted = {name: (tasks, due) for name, tasks, due in waiting}
    found = [Queue(name, *counted.get(name, (0, 0)), rings[name] if rings else None) for name in QUEUES]
    return {
        "queues": found,
        "redis_is_away": rings is None,
        "more_waiting": sum(queue.tasks for queue in found) > overview.MOST_WAITING,
        "rings_missing": sum(max(0, queue.due - queue.rings) for queue in found if queue.rings is not None),
    }
