"""The stream that tells open pages when to look again: ids of tasks, and nothing about them.

What became of a task, a page asks as it always does, with the same filters and the same rights.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from quart import Blueprint, Response, request
from quart.typing import ResponseReturnValue

from app.web import postdate
from app.web.i18n import language
from app.web.live.watch import Watch
from app.web.zone import shown_zone

blueprint = Blueprint("live", __name__)

P = ParamSpec("P")
R = TypeVar("R")

RETRY = 200  # milliseconds after which a browser comes back
BEAT = 15.0
"""Seconds between signs of life, so that nobody on the way takes the stream for dead."""

GAP = 0.25
"""Seconds in which one page is told at most once; what happens meanwhile is told together."""

LIFE = 120.0
"""Seconds after which, more or less, a browser has to come back and show that it is still signed in."""


def shared(view: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """Pages that look again at the same address get the same page: it is made once, however many are open.

    Who may see it is asked for each of them, before. What it says must be the same for all of these; so it must not
    depend on who asks but for the language and the zone.
    """

    @wraps(view)
    async def answer(*args: P.args, **values: P.kwargs) -> R:
        if "X-Refresh" not in request.headers:
            return await view(*args, **values)
        return await postdate().watch.shared(
            f"{language()} {shown_zone()} {request.full_path}", lambda: view(*args, **values)
        )

    return answer


@blueprint.get("/live")
async def stream() -> ResponseReturnValue:
    """Server-sent events: `id:` where it is, `data:` the ids of tasks that moved, `many`, or `house` (all but tasks).

    `?task=` hears of that task only. `?after=` or Last-Event-ID: what moved since then comes first.
    """
    since = request.headers.get("Last-Event-ID") or request.args.get("after", "")
    told = _told(postdate().watch, since, request.args.get("task", type=int))
    answer = Response("" if request.method == "HEAD" else told, mimetype="text/event-stream")
    answer.timeout = None
    answer.headers["X-Accel-Buffering"] = "no"  # nginx would keep it back
    return answer


async def _told(watch: Watch, since: str, only: int | None) -> AsyncIterator[str]:
    until = time.monotonic() + LIFE * random.uniform(0.75, 1.25)
    yield f"retry: {RETRY}\n\n"
    async with watch.listening(since, only) as listener:
        yield f"id: {watch.mark}\n\n"
        while time.monotonic() < until:
            said = await listener.take(BEAT)
            if watch.is_over():
                break
            yield f"id: {watch.mark}\ndata: {said}\n\n" if said else ": still here\n\n"
            if said:
                await asyncio.sleep(GAP)
