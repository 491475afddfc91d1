"""The real web, which with `--dies` kills itself between a task's commit and its ring: `python -m tests.chaos.web`."""

import asyncio
import json
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config

from app import log
from app.config import read_settings
from app.web import create_app
from app.web.actions import Actions


class DoomedActions(Actions):
    """Whoever would ring for a task has committed it."""

    def _ring(self, tasks: Any) -> None:
        note = {"pid": os.getpid(), "at": time.time(), "point": "web-ring", "task": None}
        with Path("kills").open("a") as file:
            file.write(json.dumps(note) + "\n")
        os.kill(os.getpid(), signal.SIGKILL)


async def main(dies: bool) -> None:
    settings = read_settings()
    log.setup(settings.log_level)
    app = create_app(settings)
    if dies:
        parts = app.config["POSTDATE"]
        doomed = DoomedActions(parts.database, parts.rings, parts.templates, parts.actions.domain)
        app.config["POSTDATE"] = replace(parts, actions=doomed)
    config = Config()
    config.bind = [f"127.0.0.1:{settings.port}"]
    await serve(app, config)


if __name__ == "__main__":
    asyncio.run(main("--dies" in sys.argv))
