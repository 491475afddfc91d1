"""Writes a message as the bytes that go over the wire.

The standard library's writer is not used: it is slow, and in releases still in use it can be talked into a second
header. The tests prove this one against the standard library's reader.
"""

import re
import secrets
from binascii import b2a_base64, b2a_qp
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from types import MappingProxyType
from typing import ClassVar

from app.mail import headers as field
from app.mail.addresses import Mailbox

# RFC 2045 6.7: "=_" can occur neither in quoted-printable nor in base64, so no part can contain a boundary.
_ALTERNATIVE = "=_alternative"
_RELATED = "=_related"
_CONTENT_TYPE = f'Content-Type: multipart/alternative; boundary="{_ALTERNATIVE}"'

_MESSAGE_ID = re.compile(r"<[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*>")
_OWN_FIELDS = re.compile(
    "from|sender|to|cc|bcc|subject|date|message-id|auto-submitted|mime-version|content-.*|resent-.*", re.IGNORECASE
)
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Image:
    """A picture inside of a message. The HTML shows it as `cid:CID` (RFC 2392)."""

    CID_END: ClassVar = "@inline"  # a Content-ID has the form of a Message-ID (RFC 2045 7)

    name: str
    type: str
    data: bytes

    @property
    def cid(self) -> str:
        """Its Content-ID, without the angle brackets."""
        return self.name + self.CID_END


@dataclass(frozen=True, slots=True)
class Content:
    """What one person is to read: text with any line ends, HTML, and the images that the HTML shows."""

    subject: str
    text: str
    html: str
    images: tuple[Image, ...] = ()


def new_message_id(domain: str) -> str:
    """A Message-ID that no other message has (RFC 5322 3.6.4). `domain` is the sender's, in any script."""
    return f"<{secrets.token_hex(16)}@{domain.encode('idna').decode()}>"


def compose(
    content: Content,
    sender: Mailbox,
    to: Mailbox,
    message_id: str,
    date: datetime,
    headers: Mapping[str, str] = _NO_HEADERS,
) -> bytes:
    """The whole message (RFC 5322, RFC 2045), with CRLF line ends, the last line's included.

    `date` is aware and keeps its zone. `headers` are further fields: ASCII as it is, anything else as text that only
    an unstructured field may have. All bytes are ASCII unless an address needs SMTPUTF8. Raises ValueError for what
    cannot be said in a header; never writes a Bcc.
    """
    fields = [
        field.mailbox("From", sender),
        field.mailbox("To", to),
        field.unstructured("Subject", content.subject),
        f"Date: {_date(date)}",
        f"Message-ID: {_checked_id(message_id)}",
        "Auto-Submitted: auto-generated",
        *(field.unstructured(_checked_name(name), text) for name, text in headers.items()),
        "MIME-Version: 1.0",
        _CONTENT_TYPE,
    ]
    head = "\r\n".join(fields)
    _check(head, fields)
    return b"%b\r\n\r\n%b" % (head.encode(), encode_body(content.text, content.html, content.images))


@lru_cache(maxsize=1)  # the messages of a batch are written at one moment
def _date(date: datetime) -> str:
    offset = date.utcoffset()
    if offset is None:
        raise ValueError("the date needs a time zone")
    # RFC 5322 3.3 has hours and minutes only; zones of long ago had seconds.
    return format_datetime(date.astimezone(UTC) if offset.total_seconds() % 60 else date)


def _checked_id(message_id: str) -> str:
    if len(message_id) > 250 or not _MESSAGE_ID.fullmatch(message_id):
        raise ValueError("not a Message-ID")
    return message_id


def _checked_name(name: str) -> str:
    # 40 characters leave room for an encoded word beside them.
    if not re.fullmatch("[A-Za-z][A-Za-z0-9-]{0,39}", name) or _OWN_FIELDS.fullmatch(name):
        raise ValueError(f"{name}: not a header field to set here")
    return name


def _check(head: str, fields: list[str]) -> None:
    # The second net: whatever the encoder may have missed, there are the fields that were meant, and no other.
    lines = head.split("\r\n")
    names = [line.partition(":")[0] for line in lines if line[:1] != " "]
    stray = head.count("\n") != len(lines) - 1 or head.count("\r") != len(lines) - 1
    if stray or names != [each.partition(":")[0] for each in fields]:
        raise ValueError("the header fields are not those that were set")


@lru_cache(maxsize=8)
def encode_body(text: str, html: str, images: tuple[Image, ...] = ()) -> bytes:
    """Everything after the header fields: a multipart/alternative (RFC 2046 5.1.4).

    Kept for the next message, since many a mail says the same to all its recipients.
    """
    rich = _text_part("html", html)
    if images:
        rich = _multipart(_RELATED, [rich, *map(_image_part, images)])
        rich = b'Content-Type: multipart/related; type="text/html"; boundary="%b"\r\n\r\n%b' % (_RELATED.encode(), rich)
    return _multipart(_ALTERNATIVE, [_text_part("plain", text), rich])


def _multipart(boundary: str, parts: list[bytes]) -> bytes:
    mark = b"--" + boundary.encode()
    return b"".join(b"%b\r\n%b\r\n" % (mark, part) for part in parts) + mark + b"--\r\n"


def _text_part(subtype: str, text: str) -> bytes:
    # Quoted-printable keeps ASCII readable, and filters distrust ASCII that hides in base64. For Korean it would take
    # three bytes for one, so everything else is base64. Neither has a line that a server may break or a dot to escape.
    lines = text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").replace("\n", "\r\n") + "\r\n"
    data = lines.encode()
    encoding, encoded = (b"quoted-printable", b2a_qp(data)) if text.isascii() else (b"base64", _base64(data))
    kind = subtype.encode()
    return b"Content-Type: text/%b; charset=utf-8\r\nContent-Transfer-Encoding: %b\r\n\r\n%b" % (
        kind,
        encoding,
        encoded,
    )


@lru_cache(maxsize=32)
def _image_part(image: Image) -> bytes:
    head = (
        f"Content-Type: {image.type}\r\n"
        "Content-Transfer-Encoding: base64\r\n"
        f"Content-ID: <{image.cid}>\r\n"
        f'Content-Disposition: inline; filename="{image.name}"\r\n\r\n'
    )
    return head.encode("ascii") + _base64(image.data)


def _base64(data: bytes) -> bytes:
    encoded = b2a_base64(data, newline=False)
    return b"".join(b"%b\r\n" % encoded[start : start + 76] for start in range(0, len(encoded), 76))
