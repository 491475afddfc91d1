"""What is checked of sender, recipient and message before a mail server hears of them."""

import smtplib

from app.mail.addresses import CONTROLS, Mailbox
from app.mail.outcome import Kind, Outcome


def refuse_smuggling(envelope_from: str, to: Mailbox, message: bytes) -> None:
    """Raises ValueError for what must never reach a server, though a program gave it."""
    if any(CONTROLS.search(address) or set(address) & set("<> ") for address in (envelope_from, to.address)):
        raise ValueError("an address with a character that no address has")
    # A bare CR or LF is what servers disagree about, and so what a second message could hide behind.
    if not message.count(b"\r\n") == message.count(b"\r") == message.count(b"\n"):
        raise ValueError("a message with a line end that is not CRLF")


def needs_smtputf8(envelope_from: str, to: Mailbox) -> bool:
    """Whether only a server with SMTPUTF8 (RFC 6531) can take a message of these two."""
    return to.needs_smtputf8 or not envelope_from.isascii()


def unsuited(smtp: smtplib.SMTP, envelope_from: str, to: Mailbox) -> Outcome | None:
    """The outcome, without a word to the server, where it cannot take such a message."""
    if not needs_smtputf8(envelope_from, to) or smtp.has_extn("smtputf8"):
        return None
    if not envelope_from.isascii():
        return Outcome(Kind.trouble, "The mail server cannot send from an address with letters beyond a-z.")
    return Outcome(Kind.failed, "The mail server cannot send to an address with letters beyond a-z before the @.")
