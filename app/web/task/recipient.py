"""The page of one recipient: each attempt with the server's words, and the message exactly as it was sent."""

import asyncio
from dataclasses import dataclass
from hashlib import sha256

from quart import Blueprint, Response, abort, render_template, request

from app.mail import Mistake
from app.mail.addresses import Mailbox
from app.mail.edition import read_edition
from app.tasks import overview, queries
from app.tasks.lifecycle import DECIDABLE
from app.tasks.model import Delivery, Task
from app.web import postdate
from app.web.compose.edit import is_open
from app.web.compose.preview import PATIENCE
from app.web.reading import FRAME_POLICY, VIEWS, Mail, read
from app.web.task.about import look_again
from app.web.task.attempts import what_next
from app.web.zone import shown_zone

blueprint = Blueprint("message", __name__, url_prefix="/tasks/<int:task_id>/message")

EXACT, NOT_SURE, CHANGED = "exact", "not sure", "changed"


@dataclass(frozen=True)
class Written:
    """A message, written again. `proof`: its bytes are those on record, or none are on record, or they differ."""

    raw: bytes
    proof: str

    @property
    def mail(self) -> Mail:
        return read(self.raw)

    @property
    def digest(self) -> str:
        return sha256(self.raw).hexdigest()


@blueprint.get("")
async def show(task_id: int) -> str:
    """What became of `?address=`, and its message of the last attempt as `?view=` html, text or source."""
    async with postdate().database.reading() as db:
        last_event = await db.scalar(queries.last_event()) or 0  # before the rows: what comes after is told
        seen_at = (await db.execute(overview.clock())).scalar_one()
    task, delivery = await _find(task_id)
    async with postdate().database.reading() as db:
        events = list((await db.scalars(queries.events_of(task_id, delivery.address))).all())
        missed = (await db.execute(queries.missed(task, [delivery.address]))).first()
    written = await _written(task, delivery)
    mail = written.mail if written else None
    views, view = [one for one in VIEWS if getattr(mail, one, "")], request.args.get("view", "")
    return await render_template(
        "message.html",
        task=task,
        one=delivery,
        events=events,
        mendable=delivery.status == "failed" and missed is not None,
        decidable=task.status in DECIDABLE,
        editable=is_open(task),
        last_event=last_event,
        seen_at=seen_at,
        next=what_next(delivery, task),
        written=written,
        mail=mail,
        views=views,
        view=view if view in views else next(iter(views), ""),
        zone=shown_zone(),
        look_again=look_again([task]),
    )


@blueprint.get("/html")
async def html(task_id: int) -> Response:
    """The HTML part by itself, for the frame."""
    written = await _written(*await _find(task_id)) or abort(404)
    response = Response(written.mail.html, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = FRAME_POLICY
    return response


@blueprint.get("/eml")
async def download(task_id: int) -> Response:
    """The bytes, as a file that every mail program opens."""
    task, delivery = await _find(task_id)
    written = await _written(task, delivery) or abort(404)
    response = Response(written.raw, content_type="message/rfc822")
    response.headers["Content-Disposition"] = f'attachment; filename="message-{task.id}-{delivery.id}.eml"'
    return response


async def _find(task_id: int) -> tuple[Task, Delivery]:
    address = request.args.get("address", "")
    async with postdate().database.reading() as db:
        task: Task | None = await db.scalar(queries.task(task_id))
        delivery: Delivery | None = await db.scalar(queries.delivery(task_id, address))
    if task is None or delivery is None:
        abort(404)
    return task, delivery


async def _written(task: Task, delivery: Delivery) -> Written | None:
    """The message of the last attempt; None where there was none, or what it was written from is not known."""
    async with postdate().database.reading() as db:
        source = await db.scalar(queries.edition(delivery))
    if source is None or delivery.written_at is None:
        return None
    try:
        return await asyncio.wait_for(asyncio.to_thread(_write, source, task, delivery), PATIENCE)
    except (Mistake, TimeoutError):  # it could not be written then, either
        return None


def _write(source: str, task: Task, delivery: Delivery) -> Written:
    assert delivery.written_at is not None  # noqa: S101 (whoever calls has looked)
    to, variables = Mailbox(delivery.address, delivery.name), {**task.variables, **delivery.variables}
    raw = read_edition(source).write(variables, task.subject, to, delivery.message_id, delivery.written_at)
    if delivery.digest is None:
        return Written(raw, NOT_SURE)
    return Written(raw, EXACT if sha256(raw).digest() == delivery.digest else CHANGED)
