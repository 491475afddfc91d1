"""What a mail server's answer means for one recipient: the only table of it."""

import re
from dataclasses import dataclass
from enum import StrEnum

from app.mail import N_
from app.mail.addresses import CONTROLS

REPLY_LIMIT = 1000
LONGEST_WAIT = 86_400.0

NOT_CONNECTED = N_("Could not connect to {where}: {why}.")
CUT_OFF = N_("The connection to {where} was lost before the message was handed over.")
NOT_TRUSTED = N_("The certificate of {where} cannot be trusted: {why}.")
HANDED_OVER = "The message was handed over"
"""How every sentence begins that says so, of earlier versions too."""

NO_REPLY = N_("The message was handed over, but the mail server did not reply.")
OWN_WORDS = (NOT_CONNECTED, CUT_OFF, NOT_TRUSTED, NO_REPLY)
"""What is on record where a server said nothing, with its place and the system's words filled in."""

# RFC 4954 6: the server wants a sign-in, or did not like ours. That is never the recipient's doing.
SIGN_IN_REFUSED = frozenset({530, 534, 535, 538})
# RFC 5321 4.5.3.1.10: too many recipients for now; old servers say 552 and mean the same.
TOO_MANY_RECIPIENTS = frozenset({452, 552})


_SLOWER = re.compile(
    r"throttl|rate limit|too (fast|many (messages|mails|emails|connections))|slow down|sending rate", re.I
)


class Kind(StrEnum):
    """What became of the message, and so what to do next."""

    sent = "sent"  # the server has it
    failed = "failed"  # refused for good, for this recipient
    later = "later"  # refused for now: this recipient again after a wait
    trouble = "trouble"  # not handed over, and not the recipient's fault: nobody else should be tried now
    unknown = "unknown"  # handed over, or perhaps so, and no answer heard: only a person can decide


class Phase(StrEnum):
    """How far the talk with the server has got."""

    connect = "connect"  # connection, TLS, hello, sign-in
    mail = "mail"
    rcpt = "rcpt"
    data = "data"
    body = "body"  # some of the message is written, its end is not
    handed_over = "handed_over"  # the end was written, or may have been


@dataclass(frozen=True, slots=True)
class Outcome:
    """`reply` is the server's words, or a sentence if it said nothing; `wait` the seconds it asked for, if it did."""

    kind: Kind
    reply: str
    wait: float | None = None

    @property
    def asks_to_slow_down(self) -> bool:
        """Whether it was not this recipient, but the number of messages, that the server minded."""
        return self.kind is Kind.later and _SLOWER.search(self.reply) is not None


def answered(phase: Phase, code: int, words: bytes) -> Outcome:
    """The outcome when the server answered `code` and `words` in `phase`."""
    reply = one_line(f"{code} {words.decode('utf-8', 'replace')}")
    kind = kind_of(phase, code)
    return Outcome(kind, reply, _wait(reply) if kind in (Kind.later, Kind.trouble) else None)


def silent(phase: Phase, sentence: str) -> Outcome:
    """The outcome when no answer was heard in `phase`."""
    return Outcome(kind_of(phase, None), one_line(sentence))


def kind_of(phase: Phase, code: int | None) -> Kind:
    """The table. `code` is None when the connection was lost or nothing came in time (RFC 5321 4.2, 4.5.3.2)."""
    if phase is Phase.handed_over and code is not None and 200 <= code < 300:
        return Kind.sent
    if phase is Phase.handed_over and (code is None or not 400 <= code < 600):
        return Kind.unknown
    # Without its last line a message must not be delivered (RFC 5321 4.1.1.4), so until then trouble is harmless.
    # Once the recipient is named it may be due to this recipient, or this message: the others are not to wait for it.
    if code is None and phase in (Phase.rcpt, Phase.data, Phase.body):
        return Kind.later
    # 421 or a refused sign-in are answers: the server did not take it.
    if code is None or not 400 <= code < 600 or phase is Phase.connect or code == 421 or code in SIGN_IN_REFUSED:
        return Kind.trouble
    if code < 500 or (phase is Phase.rcpt and code in TOO_MANY_RECIPIENTS):
        return Kind.later
    return Kind.failed


def one_line(text: str) -> str:
    """`text` as a row can keep it: no line ends or other control characters, 1,000 characters at most."""
    return CONTROLS.sub(" ", text).strip()[:REPLY_LIMIT]


_WAIT = re.compile(
    r"\b(?:(?:try|retry)\b[^0-9.]{0,24}?\b(?:in|after|for|within)|wait)(?: for)?(?: at least)?\s+"
    r"(\d{1,6})\s*(s|secs?|seconds?|m|mins?|minutes?|h|hours?)?\b(?!\.\d)",
    re.IGNORECASE,
)
_SECONDS = {"s": 1, "m": 60, "h": 3600}


def _wait(reply: str) -> float | None:
    found = _WAIT.search(reply)
    if not found:
        return None
    unit = (found[2] or "s")[0].lower()
    return min(float(found[1]) * _SECONDS[unit], LONGEST_WAIT)
