"""A mail's bytes as a person may read them, its HTML locked up: one that came, or one that is about to go."""

import re
from base64 import b64encode
from contextlib import suppress
from dataclasses import dataclass
from email import message_from_bytes
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message

VIEWS = ("html", "text", "source")

SANDBOX = "allow-popups allow-popups-to-escape-sandbox"
"""A mail runs nothing; a link in it opens a page of its own, and never takes this one's place."""

FRAME_POLICY = (
    f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox {SANDBOX}; frame-ancestors 'self'"
)
"""A mail shows itself and its own images; it runs nothing, and fetches nothing from anywhere."""

AROUND_POLICY = (
    "default-src 'none'; img-src data:; style-src 'self' 'unsafe-inline'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'self'"
)
"""Of a page of ours with a mail in a `srcdoc` frame, which has its page's policy: our style sheet is all it may add."""


@dataclass(frozen=True)
class Mail:
    """What a reader shows of it. `html` has its images in it, since its frame may fetch nothing."""

    sender: str
    to: list[str]
    subject: str
    head: list[tuple[str, str]]
    text: str
    html: str
    source: str


def read(raw: bytes) -> Mail:
    """Whatever these bytes are, as good as they can be shown."""
    try:
        return _mail(message_from_bytes(raw), raw)
    except RecursionError:  # parts within parts within parts
        return _mail(Message(), raw)


def _mail(message: Message, raw: bytes) -> Mail:
    return Mail(
        sender=_words(message, "From") or _words(message, "X-Envelope-From"),
        to=_all_words(message, "X-Envelope-To") or _all_words(message, "To"),
        subject=_words(message, "Subject"),
        head=[(name, _decoded(value)) for name, value in message.raw_items()],
        text=_part(message, "text/plain"),
        html=_with_links(_with_images(_part(message, "text/html"), message)),
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


def _with_links(html: str) -> str:
    """The HTML with links that leave its frame alone. Of two attributes of a name the first counts (HTML 13.2.5.33)."""
    return re.sub(r"(?i)<(a|area)(?=\s)", r'<\1 target="_blank" rel="noopener noreferrer"', html)


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
