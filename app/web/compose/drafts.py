"""Drafts: the form saves itself while it is written, and comes back as it was typed."""

from asyncio import to_thread
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from quart import Blueprint, flash, g, redirect, request, url_for
from quart.typing import ResponseReturnValue
from quart_rate_limiter import RateLimit, rate_limit
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import now
from app.mail.people import parse_people
from app.tasks import drafts, lifecycle, queries
from app.tasks.books import Draft
from app.tasks.model import Task
from app.tasks.request import Refused
from app.web import postdate
from app.web.compose import from_task
from app.web.compose.fields import COLUMN, VARIABLE
from app.web.compose.forms import Letter, read_letter
from app.web.compose.keys import ID, KEY, as_id, new_key
from app.web.i18n import gettext
from app.web.limits import account, address
from app.web.people.accounts import User
from app.web.zone import shown_zone

blueprint = Blueprint("drafts", __name__)

TYPED = (
    "recipients",
    "template",
    "subject",
    "queue",
    "late_limit",
    "on_unknown",
    "when",
    "scheduled_at",
    "zone",
    "fold",
    "task",
    "seen",
    "instead",
)
EDITOR, TURN = "editor", "turn"
"""Which of several open pages wrote it last, and how often that page had saved it: what comes late is older."""

LIMITS = [RateLimit(120, timedelta(minutes=1), account), RateLimit(300, timedelta(minutes=1), address)]


@dataclass(frozen=True)
class Kept:
    """Under which key a form was saved, and as of when; `beside`: as another one, for that key's had changed."""

    key: str
    saved: datetime
    beside: bool = False


@blueprint.post("/drafts")
@rate_limit(limits=LIMITS)
async def save() -> ResponseReturnValue:
    """Save the form. The script is told where it is now; for everybody else it comes back."""
    kept = await keep(await request.form, g.user.id)
    told = _told(kept)
    if "X-Refresh" in request.headers:
        if kept is None:
            return {"told": told}  # an answer like others: browsers write every 4xx into their console
        here = url_for("compose.show", draft=kept.key)
        return {"key": kept.key, "saved": kept.saved.isoformat(), "here": here, "told": told if kept.beside else ""}
    await flash(told, "success" if kept and not kept.beside else "error")
    return redirect(url_for("compose.show", draft=kept.key if kept else (await request.form).get("key")), 303)


def _told(kept: Kept | None) -> str:
    if kept is None:
        return gettext("This mail was sent already, so it is no draft any more.")
    if kept.beside:
        return gettext("This draft was changed elsewhere meanwhile, so what you wrote here is kept as another one.")
    return gettext("The draft is saved.")


async def sent_as(form: Mapping[str, str], user: User) -> int | None:
    """The id of the task that this very form has become, or has changed."""
    letter = read_letter(form, shown_zone())
    try:
        asked = await to_thread(letter.read, postdate().templates, user.email, user.id, 0, datetime.now(UTC))
    except Refused:
        return None
    async with postdate().database.reading() as db:
        return await db.scalar(queries.made_of(asked.key, asked.digest, letter.task, lifecycle.edit_key(asked)))


async def keep(form: Mapping[str, str], user_id: int) -> Kept | None:
    """Save what was typed. Where its key's draft has changed elsewhere, it is saved beside it; None: it was sent."""
    key = sent if KEY.fullmatch(sent := form.get("key", "")) else new_key()
    content = {name: value for name, value in form.items() if name in TYPED or name.startswith((VARIABLE, COLUMN))}
    as_id(form.get("task", ""))
    content |= {EDITOR: form.get(EDITOR, "")[:36], TURN: turn if ID.fullmatch(turn := form.get(TURN, "")) else "0"}
    try:
        return await _keep(key, user_id, content, form.get("saved", ""))
    except IntegrityError:  # another page with the same key was faster
        return await _keep(new_key(), user_id, content, "")


async def _keep(key: str, user_id: int, content: dict[str, str], saved: str) -> Kept | None:
    async with postdate().database.writing() as db:
        draft = await db.scalar(drafts.stored(key))
        if await db.scalar(drafts.became(user_id, key, content.get("task", ""))):
            return None
        if draft and _came_late(draft, content):
            return Kept(key, draft.updated_at)
        beside = draft is not None and not _may_go_on(draft, user_id, content, saved)
        if draft is None or beside:
            draft = await _new(db, new_key() if beside else key, user_id, content)
        elif _typed(draft.content) != _typed(content) or drafts.DISCARDED in draft.content:
            draft.content, draft.updated_at = content, now()
        await db.flush()
        await db.refresh(draft, ["updated_at"])
        return Kept(draft.key, draft.updated_at, beside)


async def _new(db: AsyncSession, key: str, user_id: int, content: dict[str, str]) -> Draft:
    draft = Draft(key=key, user_id=user_id, content=content)
    db.add(draft)
    await db.flush()
    await db.execute(drafts.prune())
    await db.execute(drafts.prune_of(user_id))
    return draft


def _came_late(draft: Draft, content: Mapping[str, str]) -> bool:
    same = draft.content.get(EDITOR) == content[EDITOR] != ""
    return same and int(content[TURN]) < int(draft.content.get(TURN, 0))


def _may_go_on(draft: Draft, user_id: int, content: Mapping[str, str], saved: str) -> bool:
    """Whether writing over it loses nothing that its writer has not seen."""
    seen = draft.updated_at.isoformat() == saved or _typed(draft.content) == _typed(content)
    return draft.user_id == user_id and (seen or draft.content.get(EDITOR) == content[EDITOR] != "")


def _typed(content: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in content.items() if name not in (EDITOR, TURN, drafts.DISCARDED) and value}


@dataclass(frozen=True)
class Listed:
    """A draft as the form's page lists it: `to` is the first of those it is for, as far as that can be told."""

    key: str
    updated_at: datetime
    name: str
    to: str
    changes_a_mail: bool


async def mine() -> Sequence[Listed]:
    """This person's drafts, the latest first."""
    async with postdate().database.reading() as db:
        found = (await db.execute(drafts.listed(g.user.id))).all()
    return [
        Listed(key, updated_at, subject or template or "", _first_of(recipients or ""), bool(task))
        for key, updated_at, recipients, subject, template, task in found
    ]


def _first_of(begins: str) -> str:
    """Whom a text names first; more than one are hinted at. `begins` may be cut off within a line."""
    people = parse_people(begins)  # not kept: thirty drafts would push out what this form is asked for
    if not people.found:
        return begins.strip().partition("\n")[0]
    return people.found[0].mailbox.address + (" …" if len(people.found) + len(people.bad) > 1 else "")


async def opened(key: str) -> tuple[Letter | None, Task | None]:
    """The draft as a form again; or the task that it has become, under the same key, so that it isn't sent twice."""
    async with postdate().database.reading() as db:
        draft = await db.scalar(drafts.find(g.user.id, key))
        task = None if draft else await db.scalar(queries.task_by_key(drafts.task_key(g.user.id, key)))
    if draft:
        content = {name: value for name, value in draft.content.items() if isinstance(value, str)}
        typed = {**content, "key": draft.key, "saved": draft.updated_at.isoformat()}
        return read_letter(typed, shown_zone()), None
    letter = await from_task.letter_of(task.id) if task else None
    return (replace(letter, key=key) if letter else None), task
