"""The built-in mailbox: what would have left this machine, to be read as its recipients would read it."""

import asyncio
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from quart import Blueprint, Response, abort, render_template, request

from app.web import postdate, reading
from app.web.zone import shown_zone

blueprint = Blueprint("mailbox", __name__, url_prefix="/mailbox")

SHOWN = 50
HEAD = 16_384  # bytes of a file that the list reads
NAME = re.compile(r"[0-9]{20}-[0-9]+")  # as app/local/mailbox.py calls its files: nothing else is one


@dataclass(frozen=True)
class Letter:
    """A mail in the mailbox. `at` is when the mailbox took it."""

    name: str
    at: datetime
    mail: reading.Mail


@blueprint.get("")
async def index() -> str:
    """The newest first; `?before=` goes on from there."""
    letters = await asyncio.to_thread(_newest, _folder(), request.args.get("before", "~"))
    older = letters[SHOWN - 1].name if len(letters) > SHOWN else None
    return await render_template("mailbox.html", letters=letters[:SHOWN], older=older, zone=shown_zone())


@blueprint.get("/<name>")
async def show(name: str) -> str:
    """One mail: as HTML, as text, or as it went over the wire."""
    letter, view = await _letter(name), request.args.get("view", "")
    usable = [one for one in reading.VIEWS if getattr(letter.mail, one)]
    view = view if view in usable else usable[0]
    return await render_template("mail.html", letter=letter, view=view, views=usable, zone=shown_zone())


@blueprint.get("/<name>/html")
async def html(name: str) -> Response:
    """The HTML part by itself, for the frame: a stranger's page, locked up twice."""
    letter = await _letter(name)
    response = Response(letter.mail.html, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = reading.FRAME_POLICY
    return response


def _folder() -> Path:
    return postdate().settings.var / "mailbox"


async def _letter(name: str) -> Letter:
    if not NAME.fullmatch(name):
        abort(404)
    try:
        return await asyncio.to_thread(_read, _folder() / f"{name}.eml")
    except FileNotFoundError:  # only the newest are kept
        abort(404)


def _newest(folder: Path, before: str) -> list[Letter]:
    names = sorted((path.stem for path in folder.glob("*.eml") if NAME.fullmatch(path.stem)), reverse=True)
    letters = []
    for name in [name for name in names if name < before][: SHOWN + 1]:
        try:
            letters.append(_read(folder / f"{name}.eml", HEAD))
        except FileNotFoundError:
            continue
    return letters


def _read(path: Path, most: int = -1) -> Letter:
    with path.open("rb") as file:
        raw = file.read(most)
    return Letter(path.stem, datetime.fromtimestamp(int(path.stem[:20]) / 1e9, UTC), reading.read(raw))
