"""Where the web process listens: choose a free port, and wait until it is ready there."""

import asyncio
import http.client
import json
import socket
import time

from app.local.console import Console
from app.local.supervisor import CannotStart

OTHER_PORTS = 100  # how many to try after the usual one
PATIENCE = 60.0  # seconds before a word about the delay


def choose_port(port: int, given: bool) -> int:
    """`port` if it is free, else the next free one; raises CannotStart if it was `given` and is taken."""
    if _is_free(port):
        return port
    if given:
        raise CannotStart(f"PORT {port} is in use by another program: please choose another one, or leave PORT unset.")
    for other in range(port + 1, port + OTHER_PORTS):
        if _is_free(other):
            return other
    raise CannotStart(f"No port from {port} to {port + OTHER_PORTS - 1} is free: please set PORT.")


def _is_free(port: int) -> bool:
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that linger do not count
        try:
            tried.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


async def wait_until_ready(port: int, console: Console) -> None:
    """Wait until GET /readyz answers 200; after a minute say what is missing, and go on waiting."""
    said, began = False, time.monotonic()
    while missing := await asyncio.to_thread(_missing, port):
        if not said and time.monotonic() - began > PATIENCE:
            console.say(f"Postdate is not ready after {PATIENCE:g} s ({missing}); still waiting.")
            said = True
        await asyncio.sleep(0.1)


def _missing(port: int) -> str:
    """What keeps the web process from being ready, empty if nothing does."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        return "" if answer.status == 200 else _in_words(answer.read(2000).decode("utf-8", "replace"))
    except (OSError, http.client.HTTPException) as error:
        return f"no answer: {error}"
    finally:
        connection.close()


def _in_words(body: str) -> str:
    try:
        return str(json.loads(body)["missing"])
    except (ValueError, KeyError, TypeError):
        return " ".join(body.split())[:200]
