"""The commands say what is wrong with how they were called, and then do nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.__main__ import main


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["token"], "A token needs a name, which says whose it is: ./run token billing"),
        (["token", "a", "b"], "token NAME"),
        (["tokens"], "There is no command tokens."),
        (["web", "now"], "token NAME"),
    ],
)
def test_a_wrong_call_is_told(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--help"], ["doctor"]])
def test_a_reader_who_has_read_enough_ends_no_command_in_a_traceback(words: list[str], tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "DATABASE_URL": f"sqlite:///{tmp_path}/none.db",
           "REDIS_URL": "redis://127.0.0.1:9"}  # fmt: skip
    with os.fdopen(writing, "wb") as out:
        ran = subprocess.run([sys.executable, "-m", "app", *words], stdout=out, stderr=subprocess.PIPE, env=env)
    assert (ran.returncode, b"Traceback" in ran.stderr, b"BrokenPipe" in ran.stderr) == (0, False, False), ran.stderr
