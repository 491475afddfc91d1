"""Lines on the terminal: our own sentences plain, the children's lines behind their coloured name."""

import contextlib
from typing import TextIO

COLOURS = {"web": 36, "worker": 33, "migrate": 35, "valkey": 34}
NAME_WIDTH = 7


class Console:
    """Writes to one stream, and never fails: a terminal that is gone must not disturb an orderly stop."""

    def __init__(self, stream: TextIO, named: bool = True) -> None:
        self._stream = stream
        self._named = named
        self.coloured = stream.isatty()

    def say(self, sentence: str) -> None:
        """Print a sentence of ours."""
        self._write(sentence)

    def line(self, name: str, text: str) -> None:
        """Print one line of the child called `name`; as it is where lines are not `named`, so JSON stays JSON."""
        if not self._named:
            return self._write(text)
        prefix = f"{name:<{NAME_WIDTH}}|"
        if self.coloured:
            prefix = f"\x1b[{COLOURS.get(name, 32)}m{prefix}\x1b[0m"
        return self._write(f"{prefix} {text}")

    def _write(self, text: str) -> None:
        encoding = self._stream.encoding or "utf-8"
        with contextlib.suppress(OSError, ValueError):  # hung up, or closed
            self._stream.write(text.encode(encoding, "replace").decode(encoding) + "\n")
            self._stream.flush()
