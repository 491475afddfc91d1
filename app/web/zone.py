"""In which zone pages show times: in one, whatever zones the mails on them were written for.

What somebody has just asked for is told in the zone in which they asked.
"""

from quart import request

from app.tasks.model import Task
from app.tasks.when import ZONES
from app.web import postdate

COOKIE = "zone"
"""Written by postdate.js: the IANA name of the browser's zone."""


def shown_zone() -> str:
    """The settings' zone, where somebody set one; else that of the reader's browser, if it is known; else UTC."""
    settings, told = postdate().settings, request.cookies.get(COOKIE, "")
    return told if not settings.timezone_is_known and told in ZONES else settings.timezone


def zone_of(task: Task) -> str:
    """The zone in which the task was asked for: that of the forms about it."""
    return task.zone or shown_zone()
