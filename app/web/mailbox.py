"""The built-in mailbox: what would have left this machine, to be read as its recipients would read it."""

import asyncio
import re
from base64 import b64encode
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from pathlib import Path

from quart import Blueprint, Response, abort, render_template, request

from app.web import postdate

blueprint = Blueprint("mailbox", __name__, url_prefix="/mailbox")

SHOWN = 50
HEAD = 16_384  # bytes of a file that the list reads
NAME = re.compile(r"[0-9]{20}-[0-9]+")  # as app/local/mailbox.py calls its files: nothing else is one
VIEWS = ("html", "text", "source")

FRAME_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox; frame-ancestors 'self'"
"""A mail shows itself and its own images; it runs nothing, and fetches nothing from anywhere."""


@dataclass(frozen=True)
class Letter:
    """A mail as the page shows it. `at` is when the mailbox took it."""

    name: str
    at: datetime
    sender: str
    to: list[str]
    subject: str
    head: list[tuple[str, str]]
    text: str
    html: str
    source: str


@blueprint.get("")
async def index() -> str:
    """The newest first; `?before=` goes on from there."""
    letters = await asyncio.to_thread(_newest, _folder(), request.args.get("before", "~"))
    older = letters[SHOWN - 1].name if len(letters) > SHOWN else None
    zone = postdate().settings.timezone
    return await render_template("mailbox.html", letters=letters[:SHOWN], older=older, zone=zone)


@blueprint.get("/<name>")
async def show(name: str) -> str:
    """One mail: as HTML, as text, or as it went over the wire."""
    letter, view = await _letter(name), request.args.get("view", "")
    usable = [one for one in VIEWS if getattr(letter, one)]
    view = view if view in usable else usable[0]
    zone = postdate().settings.timezone
    return await render_template("mail.html", letter=letter, view=view, views=usable, zone=zone)


@blueprint.get("/<name>/html")
async def html(name: str) -> Response:
    """The HTML part by itself, for the frame: a stranger's page, locked up twice."""
    letter = await _letter(name)
    response = Response(letter.html, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = FRAME_POLICY
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
    try:
        return _letter_of(path, message_from_bytes(raw), raw)
    except RecursionError:  # parts within parts within parts
        return _letter_of(path, Message(), raw)


def _letter_of(path: Path, message: Message, raw: bytes) -> Letter:
    return Letter(
        name=path.stem,
        at=datetime.fromtimestamp(int(path.stem[:20]) / 1e9, UTC),
        sender=_words(message, "From") or _words(message, "X-Envelope-From"),
        to=_all_words(message, "X-Envelope-To"),
        subject=_words(message, "Subject"),
        head=[(name, _decoded(value)) for name, value in message.raw_items()],
        text=_part(message, "text/plain"),
        html=_with_images(_part(message, "text/html"), message),
        source=raw.decode("utf-8", "replace"),
    )


def _words(message: Message, name: str) -> str:
    return next(iter(_all_words(message, name)), "")


def _all_words(message: Message, name: str) -> list[str]:
    return [_decoded(value) for key, value in message.raw_items() if key.lower() == name.lower()]


def _decoded(value: object) -> str:
    # A header may hold UTF-8 as it is (RFC 6532); the parser hands its bytes on as surrogates.
    text = str(value).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    with suppress(ValueError, LookupError, MessageError):  # a mail may claim anything about itself
        text = str(make_header(decode_header(text)))
    return _whole(" ".join(text.split()))


def _whole(text: str) -> str:
    """Without halves of characters, which no page can carry."""
    return text.encode("utf-8", "replace").decode()


def _part(message: Message, kind: str) -> str:
    for part in message.walk():
        if part.get_content_type() == kind and part.get_content_disposition() != "attachment":
            return _text(part)
    return ""


def _text(part: Message) -> str:
    raw = _bytes(part)
    try:
        return _whole(raw.decode(part.get_content_charset("utf-8"), "replace"))
    except (LookupError, ValueError):
        return raw.decode("utf-8", "replace")


def _bytes(part: Message) -> bytes:
    raw = part.get_payload(decode=True)
    return raw if isinstance(raw, bytes) else b""


def _with_images(html: str, message: Message) -> str:
    """The HTML with its own images (RFC 2392 `cid:`) in it, since the frame may fetch nothing."""
    images = {
        str(part.get("Content-ID", "")).strip(" <>"): part
        for part in message.walk()
        if part.get_content_maintype() == "image"
    }

    def inlined(match: re.Match[str]) -> str:
        part = images.get(match[1])
        if part is None:
            return match[0]
        return f"data:{part.get_content_type()};base64,{b64encode(_bytes(part)).decode()}"

    return re.sub(r"cid:([^\"'\s)>]+)", inlined, html)
