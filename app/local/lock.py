"""One `up` per folder: a lock that the kernel frees when its holder dies."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.local.supervisor import CannotStart


@contextmanager
def only_one(var: Path) -> Iterator[None]:
    """Hold `var/up.lock`, with our process id in it; raises CannotStart where another process holds it."""
    try:
        var.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = open(var / "up.lock", "a+", encoding="ascii")  # noqa: SIM115 (closed below)
    except OSError as error:
        raise CannotStart(f"{var} cannot be written: {error.strerror}.") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise CannotStart(f"Postdate is already running here (pid {file.read().strip()}).") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
