"""Start a command that ends when its starter does: `python leash.py STARTER_PID COMMAND...`.

Linux tells a process of its parent's death when it asked for it (prctl(2), PR_SET_PDEATHSIG), and the wish survives
exec. Asking here, in a process of its own that turns into the command, costs 10 ms and needs no preexec_fn, which may
deadlock where threads run and warns on Python 3.12. Elsewhere it only starts the command.

Runs by its path with -I -S, so it may import nothing of ours.
"""

import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def leash(starter: int) -> None:
    """Have the kernel send SIGTERM when `starter`, our parent, dies; leave at once if it is dead already."""
    if sys.platform != "linux":
        return
    import ctypes

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != starter:  # it died before the kernel was asked
        sys.exit(1)


def main(starter: str, *command: str) -> None:
    """Turn into `command`."""
    leash(int(starter))
    try:
        os.execvp(command[0], command)  # noqa: S606 - our own command lines, no shell
    except OSError as error:
        sys.exit(f"{command[0]} could not be started: {error.strerror}")


if __name__ == "__main__":
    main(*sys.argv[1:])
