"""Drafts that are thrown away, one or all of them, and for ten minutes can be brought back."""

from collections.abc import Sequence
from uuid import UUID

from quart import Blueprint, abort, flash, g, redirect, request, url_for
from werkzeug.wrappers import Response

from app.db import now
from app.tasks import drafts
from app.tasks.books import Draft
from app.web import postdate
from app.web.compose.keys import new_key
from app.web.i18n import gettext, ngettext

blueprint = Blueprint("discard", __name__)


@blueprint.post("/drafts/<uuid:key>/discard")
async def discard(key: UUID) -> Response:
    """Throw it away."""
    async with postdate().database.writing() as db:
        draft: Draft = await db.scalar(drafts.find(g.user.id, str(key))) or abort(404)
        _throw([draft], str(key))
    return await _told(gettext("The draft was discarded."), str(key))


@blueprint.post("/drafts/discard")
async def discard_all() -> Response:
    """Throw all of this person's away but the one with the form's `key`, which is being written."""
    mark, form = new_key(), await request.form
    async with postdate().database.writing() as db:
        found = (await db.scalars(drafts.others(g.user.id, form.get("key", "")))).all()
        _throw(found, mark)
    if not found:
        return redirect(url_for("compose.show"), 303)
    return await _told(ngettext("{n} draft was discarded.", "{n} drafts were discarded.", len(found)), mark)


def _throw(found: Sequence[Draft], mark: str) -> None:
    for draft in found:
        draft.content, draft.updated_at = {**draft.content, drafts.DISCARDED: mark}, now()


async def _told(told: str, mark: str) -> Response:
    await flash({"told": told, "back": url_for("discard.bring_back", mark=mark)}, "success")  # type: ignore[arg-type]
    return redirect(url_for("compose.show"), 303)


@blueprint.post("/drafts/<uuid:mark>/back")
async def bring_back(mark: UUID) -> Response:
    """Take back that they were thrown away; one of them is opened."""
    async with postdate().database.writing() as db:
        found = (await db.scalars(drafts.thrown(g.user.id, str(mark)))).all() or abort(404)
        for draft in found:
            rest = {name: value for name, value in draft.content.items() if name != drafts.DISCARDED}
            draft.content, draft.updated_at = rest, now()
    return redirect(url_for("compose.show", draft=found[0].key), 303)
