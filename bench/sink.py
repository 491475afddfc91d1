"""The mail server of the races: sink.c, compiled when it is first needed. tests/sink.py would be what they wait for."""

import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from shutil import which

from tests.parts import ROOT

SOURCE = Path(__file__).with_suffix(".c")
VAR = ROOT / "var" / "bench"


class FastSink:
    """Listens on 127.0.0.1 at `port` for as long as the `with` block lasts; then it says what came.

    `taken` counts the messages for addresses rN@…, `people` the different ones of these, `others` all else.
    """

    def __enter__(self) -> "FastSink":
        self._process = subprocess.Popen([str(_compiled())], stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        self.port = int(self._process.stdout.readline())
        self.url = f"smtp://127.0.0.1:{self.port}"
        self.taken = self.people = self.others = 0
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        counts, _error = self._process.communicate(timeout=10)
        self.taken, self.people, self.others = map(int, counts.split())


def _compiled() -> Path:
    program = VAR / f"sink-{sha256(SOURCE.read_bytes()).hexdigest()[:12]}"
    if program.exists():
        return program
    compiler = which("cc") or which("gcc") or which("clang")
    if not compiler:
        sys.exit("The races need a C compiler for their mail server: please install one, such as the package gcc.")
    VAR.mkdir(parents=True, exist_ok=True)
    subprocess.run([compiler, "-O2", "-o", str(program), str(SOURCE)], check=True)
    return program
