"""What the button says that it will do: how many people, whom, when; and no more than is known to be so."""

from dataclasses import dataclass

from app.tasks.request import Mistakes, Request
from app.web.i18n import gettext, ngettext, short


@dataclass(frozen=True)
class Labels:
    """For sending now, and for later: the page shows the one that is chosen."""

    now: str
    later: str


def labels(asked: Request, mistakes: Mistakes, saving: bool = False) -> Labels:
    """Those of a form that asks for this; where it says nothing certain yet, they claim nothing.

    `saving`: of one that changes a mail.
    """
    if saving:
        return _saving(asked)
    n = 0 if "recipients" in mistakes else len(asked.recipients)
    if n == 0:
        return Labels(gettext("Send now"), gettext("Schedule"))
    address = asked.recipients[0].mailbox.address
    now = (
        gettext("Send now to {address}", address=address)
        if n == 1
        else ngettext("Send now to {n} person", "Send now to {n} people", n)
    )
    if asked.scheduled_at is None:
        return Labels(now, ngettext("Schedule {n} mail", "Schedule {n} mails", n))
    at = short(asked.scheduled_at, asked.zone or "UTC")
    return Labels(now, ngettext("Schedule {n} mail for {time}", "Schedule {n} mails for {time}", n, time=at))


def _saving(asked: Request) -> Labels:
    now = gettext("Save the changes, and send now")
    if asked.scheduled_at is None:
        return Labels(now, gettext("Save the changes"))
    at = short(asked.scheduled_at, asked.zone or "UTC")
    return Labels(now, gettext("Save the changes, for {time}", time=at))
