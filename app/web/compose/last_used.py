"""What somebody used last, kept in their session and offered again; never filled in by itself."""

import json
from contextlib import suppress
from datetime import time

from quart import request, session

MOST_REMEMBERED = 1000  # characters of recipients as the session has them: it is a cookie of 4 KB


def remember(template: str, recipients: str, clock: str) -> None:
    """Keep these for the next mail; an empty `clock` (HH:MM) leaves the one that was kept."""
    # A list that is too long is not kept at all: part of it would be a mistake in waiting.
    kept, before = recipients.strip() if len(json.dumps(recipients)) <= MOST_REMEMBERED else "", last()
    session["last"] = {**before, "template": template, "recipients": kept, "time": clock or before["time"]}


def remember_test(to: str) -> None:
    """Keep the address that a test went to."""
    session["last"] = {**last(), "test_to": to[:MOST_REMEMBERED]}


def last() -> dict[str, str]:
    """`template`, `recipients`, `time` and `test_to`, each empty where there is none."""
    return {**dict.fromkeys(("template", "recipients", "time", "test_to"), ""), **session.get("last", {})}


def last_time() -> time | None:
    """The time of day at which a mail was last scheduled; None on a page that is made for several people at once."""
    if "X-Refresh" in request.headers:
        return None
    with suppress(ValueError):
        return time.fromisoformat(last()["time"])
    return None
