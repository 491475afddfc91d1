"""Several sending processes under one `worker` command: kept running, and stopped together."""

import asyncio
import os
import sys
from collections.abc import Sequence

from app.local.child import Child
from app.local.console import Console
from app.local.supervisor import Supervisor

PATIENCE = 24.0  # seconds to finish what is in hand: one less than `up` gives to all of `worker`
COMMAND = (sys.executable, "-m", "app", "worker")


def pool(workers: int, command: Sequence[str] = COMMAND) -> int:
    """Run `command` that many times, each as one process, until a signal; returns the exit code."""
    console = Console(sys.stdout, named=False)
    supervisor = Supervisor(console)
    env = {**os.environ, "WORKERS": "1", "PYTHONUNBUFFERED": "1"}

    async def serve() -> None:
        children = [Child(f"worker {number}", command, env, console) for number in range(1, workers + 1)]
        supervisor.start_together("the workers", children, PATIENCE)

    asyncio.run(supervisor.run(serve))
    return 0
