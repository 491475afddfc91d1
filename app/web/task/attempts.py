"""What became of a recipient's message, in plain sentences: what the server meant, and what happens next."""

import re

from app.mail import N_, outcome, templates
from app.mail.said import explain
from app.tasks import limits
from app.tasks.model import Delivery, DeliveryStatus, Task
from app.web.i18n import gettext, reason, relative

TAKEN = N_("The mail server took it.")
NEXT = {
    DeliveryStatus.FAILED: N_("It is not tried again by itself."),
    DeliveryStatus.UNKNOWN: N_("Nobody knows whether it arrived, so it waits for you to decide."),
    DeliveryStatus.SENDING: N_("It is being handed over right now."),
    DeliveryStatus.CANCELLED: N_("It will not be sent."),
}
OUT_OF_ATTEMPTS = N_("That was the last attempt: it is not tried again by itself.")
SOON = N_("It is tried again as soon as its task goes on.")


_PLACE = re.compile(r"\\{(\w+)\\}")
_OWN_WORDS = [
    (text, re.compile(_PLACE.sub(r"(?P<\1>.+)", re.escape(text)), re.DOTALL))
    for text in (*outcome.OWN_WORDS, *templates.OWN_WORDS, limits.IN_LINE)
]


def by_server(reply: str) -> bool:
    """Whether these are a mail server's own words, which begin with its code (RFC 5321 4.2), and not ours."""
    return reply[:3].isdigit()


def said(reply: str) -> str:
    """A server's words as they are; our own, and those of people, in the language in use."""
    for text, words in _OWN_WORDS:
        if match := words.fullmatch(reply):
            return gettext(text, **match.groupdict())
    return reason(reply)


def meaning(reply: str | None) -> str:
    """The plain sentence beside a server's words; "" where there are none, or none that are known."""
    if reply is None:
        return ""
    return gettext(TAKEN if reply.startswith("2") else explain(reply))


def what_next(delivery: Delivery, task: Task) -> str:
    """What happens to it now; "" where nothing more does."""
    if delivery.status == DeliveryStatus.QUEUED:
        if not delivery.attempt or task.status == "cancelled":
            return ""
        if delivery.due_at:
            return gettext("Next attempt: {when}.", when=relative(delivery.due_at))
        return gettext(SOON)
    if delivery.status == DeliveryStatus.FAILED and (delivery.reply or "").startswith("4"):
        return gettext(OUT_OF_ATTEMPTS)
    return gettext(NEXT.get(DeliveryStatus(delivery.status), ""))
