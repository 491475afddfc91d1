"""The failures, grouped by what mail servers said: what it means, how often, since when, and what can be done."""

from collections.abc import Sequence
from dataclasses import dataclass

from quart import Blueprint, render_template
from sqlalchemy import Row
from sqlalchemy.orm import Session

from app.mail.said import explain
from app.tasks import overview, queries
from app.tasks.books import Fault
from app.web import postdate
from app.web.live.stream import shared
from app.web.zone import shown_zone

blueprint = Blueprint("failures", __name__)

LOOK_AGAIN = 5000
"""Milliseconds until the page looks again."""


@dataclass(frozen=True)
class Cause:
    """A fault, what it means (a msgid, or ""), how many tasks it is in (up to overview.MOST_COUNTED), how many of
    these wait, and how many can be tried again."""

    fault: Fault
    means: str
    tasks: int
    waiting: int
    failed: int


@blueprint.get("/failures")
@shared
async def show() -> str:
    """What was refused and is still refused, the most frequent cause first."""
    last_event, faults, found = await postdate().database.read(_read)
    counts = {cause: rest for cause, *rest in found}
    return await render_template(
        "failures.html",
        causes=[Cause(fault, explain(fault.words), *counts.get(fault.id, (0, 0, 0))) for fault in faults],
        most=overview.MOST_COUNTED,
        zone=shown_zone(),
        look_again=LOOK_AGAIN,
        last_event=last_event,
    )


def _read(db: Session) -> tuple[int, Sequence[Fault], Sequence[Row[int, int, int, int]]]:
    last_event = db.scalar(queries.last_event()) or 0
    faults = db.scalars(overview.causes()).all()
    return last_event, faults, db.execute(overview.tasks_of([fault.id for fault in faults])).all()
