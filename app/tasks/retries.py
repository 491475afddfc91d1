"""How long to wait before something is tried again, and when to stop trying."""

import random

WAITS = (60, 300, 900, 1800, 3600, 7200, 14400, 28800)
"""Seconds before a deferred delivery's second, third, ... attempt; RFC 5321 4.5.4.1 asks for growing waits."""

LAST_ATTEMPT = len(WAITS) + 1
"""After 16 hours, or more where the server asks for more; an outage in between, in which nobody is tried, is not
counted."""

LONGEST_PAUSE = 600


def wait_for_delivery(attempt: int, asked: float | None = None) -> float:
    """Seconds to wait after `attempt` was deferred, ±20 % so that a crowd spreads out; never less than was `asked`."""
    wait = WAITS[min(attempt, len(WAITS)) - 1] * random.uniform(0.8, 1.2)
    return max(wait, asked or 0)


def wait_for_sender(attempt: int) -> float:
    """Seconds to wait after the server itself could not be reached or would not let us in: 2, 4, 8 ... 600."""
    return float(min(LONGEST_PAUSE, 2 ** min(attempt, 10)))
