"""Header fields that can never become more than the one field that they are."""

import re
from binascii import b2a_base64

from app.mail.addresses import CONTROLS, Mailbox

LINE = 78  # RFC 5322 2.1.1: should; 998: must
LONGEST_WORD = 900

_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")
_ADDRESS = re.compile(r'[^\s<>()\[\]\\,;:"@]+@[^\s<>()\[\]\\,;:"@]+')


def unstructured(name: str, text: str) -> str:
    """The field `name` with `text`, folded, without its last line end (RFC 5322 2.2.3, RFC 2047).

    Raises ValueError for control characters, for which no field has a use.
    """
    _refuse_controls(name, text)
    used = len(name) + 2
    return f"{name}: {_fold(text, used) if _is_plain(text) else _encoded_words(text, used)}"


def mailbox(name: str, box: Mailbox) -> str:
    """The field `name` with one address and its display name, folded (RFC 5322 3.4). Raises ValueError."""
    _refuse_controls(name, box.name + box.address)
    if not _ADDRESS.fullmatch(box.address) or "=?" in box.address:
        raise ValueError(f"{name}: not an address")
    if not box.name:
        return f"{name}: {box.address}"
    field = f"{name}: {_phrase(box.name, len(name) + 2)}"
    fits = len(field) - (field.rfind("\n") + 1) + len(box.address) + 3 <= LINE
    return f"{field}{' ' if fits else _NEXT_LINE}<{box.address}>"


_NEXT_LINE = "\r\n "


def _refuse_controls(name: str, text: str) -> None:
    if CONTROLS.search(text):
        raise ValueError(f"{name}: a control character in a header field")


def _is_plain(text: str) -> bool:
    # "=?" begins an encoded word: text that contains it must be encoded itself, or a reader would decode it, line
    # breaks and all (CVE-2024-6923). Spaces that folding could lose are kept safe in the same way.
    words = text.split(" ")
    return (
        text.isascii()
        and "=?" not in text
        and (text == "" or "" not in words)
        and len(max(words, key=len)) < LONGEST_WORD
    )


def _fold(text: str, used: int) -> str:
    if used + len(text) <= LINE:
        return text
    lines = [""]
    for word in text.split(" "):
        if lines[-1] and used + len(lines[-1]) + 1 + len(word) > LINE:
            lines.append(word)
            used = 1
        else:
            lines[-1] += f" {word}" if lines[-1] else word
    return _NEXT_LINE.join(lines)


def _phrase(text: str, used: int) -> str:
    if len(text) > LINE - 20 or not _is_plain(text):
        return _encoded_words(text, used)
    if _ATOMS.fullmatch(text):
        return text
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


def _encoded_words(text: str, used: int) -> str:
    # RFC 2047 2: a word has at most 75 characters, a line with one in it 76; a character is never split (5, rule 3).
    data = text.encode()
    words = []
    start = 0
    while start < len(data):
        end = start + (76 - used - 12) // 4 * 3
        while end < len(data) and data[end] & 0xC0 == 0x80:
            end -= 1
        words.append(f"=?utf-8?b?{b2a_base64(data[start:end], newline=False).decode()}?=")
        start, used = end, 1
    return _NEXT_LINE.join(words)
