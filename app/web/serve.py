"""Serves the app: takes the port, answers until it is told to stop, and finishes what it is answering."""

import asyncio
import errno
import gc
import logging
import signal
import socket
import sys
from typing import Any

from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config
from sqlalchemy.exc import SQLAlchemyError

from app.config import Settings
from app.web import create_app
from app.web.people.accounts import keep_admin

GRACE = 20
"""Seconds for what is being answered when it is told to stop; platforms kill after 30."""


def serve(settings: Settings) -> int:
    """Serve on HOST and PORT until SIGTERM or SIGINT: 0 after a clean stop, 1 where it cannot start."""
    try:
        listening = _take_port(settings.host, settings.port)
    except OSError as error:
        print(_in_words(error, settings), file=sys.stderr)
        return 1
    return asyncio.run(_serve(settings, listening))


def _take_port(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, dualstack_ipv6=host == "::")


def _in_words(error: OSError, settings: Settings) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"PORT {settings.port} is in use by another program: please choose another one."
    if error.errno == errno.EACCES:
        return f"PORT {settings.port} needs more rights than this program has: please choose one above 1023."
    return f"HOST {settings.host} is no address of this machine ({error.strerror})."


async def _serve(settings: Settings, listening: socket.socket) -> int:
    app = create_app(settings)
    gc.collect()
    gc.freeze()  # to look through all that was imported takes 50 ms each time, in which nobody is answered
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.set_exception_handler(_but_not_cancelled)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        await keep_admin(app.config["POSTDATE"].database, settings)
    except SQLAlchemyError as error:
        why = str(error).partition("\n")[0]
        print(f"The database does not answer, or is not up to date (python -m app migrate): {why}", file=sys.stderr)
        return 1

    async def told_to_stop() -> None:
        await stop.wait()
        await app.config["POSTDATE"].watch.close()  # streams end by themselves only when the browser goes away

    await hypercorn_serve(app, _config(listening), shutdown_trigger=told_to_stop)
    return 0


def _but_not_cancelled(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    # Whoever takes longer than the grace is cut off on purpose; that is no error to wake somebody for.
    if not isinstance(context.get("exception"), asyncio.CancelledError):
        loop.default_exception_handler(context)


def _config(listening: socket.socket) -> Config:
    config = Config()
    config.bind = [f"fd://{listening.detach()}"]
    config.graceful_timeout = GRACE
    config.accesslog = None
    config.errorlog = logging.getLogger("hypercorn.error")
    config.include_server_header = False
    return config
