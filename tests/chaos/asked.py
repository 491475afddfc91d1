"""The web, asked for tasks as a program asks for them, until it dies."""

import json
import socket
import subprocess
import urllib.request
from http.client import HTTPException
from itertools import count
from urllib.error import URLError

from tests.chaos.stage import Stage
from tests.parts import wait_until


class Asked:
    """A web process on a port of its own, asked as a program asks it."""

    def __init__(self, stage: Stage, token: str, *arguments: str) -> None:
        self.stage, self.token, self.posted = stage, token, count(1)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.process: subprocess.Popen[bytes] = stage.spawn("tests.chaos.web", *arguments, PORT=str(self.port))

    def __enter__(self) -> "Asked":
        url = f"http://127.0.0.1:{self.port}/healthz"
        wait_until(lambda: urllib.request.urlopen(url, timeout=5).status == 200, 30, "the web answers")
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    def post(self) -> int | None:
        """Ask for a task; its id, once it is acknowledged."""
        number = next(self.posted)
        people = [f"w{self.port}n{number}r{n}@example.com" for n in range(3)]
        asked = {"template": "email/welcome", "recipients": people, "variables": {"name": "Kim"}}
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/api/tasks", json.dumps(asked).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                task_id = int(json.load(answer)["id"])
        except (URLError, OSError, HTTPException, ValueError):  # none, or half of one
            return None
        self.stage.acknowledged.add(task_id)
        return task_id
