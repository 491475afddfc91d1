"""Where the racers live, under var/bench: an environment of the peers' own, and a copy of Postdate with the letter."""

import shutil
import subprocess
import sys
import venv
from hashlib import sha256
from pathlib import Path

from bench.sink import VAR
from tests.parts import ROOT

HERE = Path(__file__).parent
PINS = HERE / "requirements.txt"
LETTERS = ("letter.txt", "letter.html")
OURS = ("app", "alembic", "templates", "static")


def python_of_the_peers() -> str:
    """The interpreter of an environment with what requirements.txt pins; made where it is missing."""
    home = VAR / f"peers-{sha256(PINS.read_bytes()).hexdigest()[:12]}"
    python = home / "bin" / "python"
    if not (home / "ready").exists():
        print(f"Installing the peers into {home.relative_to(ROOT)} …", file=sys.stderr, flush=True)
        venv.create(home, with_pip=True, clear=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "-r", str(PINS)], check=True)
        (home / "ready").touch()
    return str(python)


def copy_of_postdate() -> Path:
    """The folder with the same app as here and one template more, `email/letter`, which is not for people."""
    home = VAR / "postdate"
    shutil.rmtree(home, ignore_errors=True)
    for name in OURS:
        shutil.copytree(ROOT / name, home / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "alembic.ini", home)
    for letter in LETTERS:
        shutil.copy(HERE / "letter" / letter, home / "templates" / "email")
    return home
