"""Commands of Postdate in processes of their own, forked from one that has imported it: starting one by one costs a
second each, of which a machine that tests has better use. `python -m app` itself is started by the tests of `up`.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["app.__main__", "app.migrate", "app.worker.serve", "app.web.serve"])


class Forked:
    """A process that runs `python -m app NAME` in `folder` with this environment and no other, its lines in `log`.

    What `subprocess.Popen` offers, as far as tests ask for it.
    """

    def __init__(self, name: str, env: Mapping[str, str], folder: Path, log: Path) -> None:
        self._process = _context.Process(target=_run, args=(name, dict(env), folder, log))
        self._process.start()
        self.pid = self._process.pid or 0

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(str(self._process), timeout or 0)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _run(name: str, env: dict[str, str], folder: Path, log: Path) -> NoReturn:
    from app.__main__ import main

    os.environ.clear()
    os.environ.update(env)
    os.chdir(folder)
    with log.open("ab") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    sys.exit(main([name]))
