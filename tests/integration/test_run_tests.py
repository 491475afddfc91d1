"""`./run test`: all parts, one table, and a last line with the sums; shown on a project of a few small tests."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = {
    "pyproject.toml": (ROOT / "pyproject.toml").read_text().replace('["app", "run"]', '["run"]'),
    "run": "print()\n",
    "tests/unit/test_a.py": "def test_one() -> None:\n    pass\n\n\ndef test_two() -> None:\n    pass\n",
    "tests/integration/test_b.py": (
        'import pytest\n\n\n@pytest.mark.skip("no moon")\ndef test_moon() -> None:\n    pass\n\n\n'
        "def test_three() -> None:\n    pass\n"
    ),
    "tests/browser/test_c.py": "def test_four() -> None:\n    pass\n",
}
FRUGAL = {"PYTEST_ADDOPTS": "--maxprocesses=1"}  # many workers for a handful of tests take long to start


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder of programs that stand for a browser, a list of fonts and docker-compose."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("chromium", "fc-list", "docker-compose"):
        (folder / name).write_text("#!/bin/sh\necho one\n")
        (folder / name).chmod(0o755)
    return folder


def checks(folder: Path, *words: str, **env: str) -> tuple[int, list[str]]:
    """Exit code and lines."""
    command = [sys.executable, "-m", "app.local.checks", *words]
    env = {"PATH": str(folder / "bin"), "PYTHONPATH": str(ROOT), "HOME": str(folder)} | FRUGAL | env
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.splitlines()


def table(said: list[str]) -> dict[str, str]:
    """Each part's outcome."""
    rows = said[said.index("=== all parts ===") + 1 :]
    return {row[:18].strip(): row[18:26].strip() for row in rows if " s" in row[26:40]}


def test_everything_is_run_and_summed_up(project: Path, tools: Path) -> None:
    code, said = checks(project, CI="true")
    assert said[-1] == "4 passed, 0 failed, 1 skipped"
    assert set(table(said).values()) == {"passed"}
    assert [*table(said)] == [
        *("ruff check", "ruff format", "mypy", "unit tests", "integration tests", "browser tests"),
    ]
    assert "skipped in integration tests, 1 of them: no moon" in said
    assert code == 0


def test_it_goes_on_after_a_failing_part_and_fails(project: Path, tools: Path) -> None:
    (project / "run").write_text("import os\n")
    (project / "tests/unit/test_a.py").write_text("def test_one() -> None:\n    assert False\n")
    (project / "tests/chaos").mkdir()
    (project / "tests/chaos/test_d.py").write_text("def broken(:\n")
    code, said = checks(project)
    assert code == 1
    assert said[-1] == "2 passed, 2 failed, 1 skipped"
    failed = [part for part, outcome in table(said).items() if outcome == "FAILED"]
    assert failed == ["ruff check", "ruff format", "unit tests", "chaos tests"]


def test_a_missing_browser_is_said_and_fails_only_in_ci(project: Path) -> None:
    (project / "bin").mkdir()
    code, said = checks(project)
    assert (code, said[-1]) == (0, "3 passed, 0 failed, 1 skipped")
    assert table(said)["browser tests"] == "not run"
    assert "MISSING: Chromium. Get it with: apt install chromium, or set CHROMIUM to its path" in said
    assert checks(project, CI="true")[0] == 1


def test_words_go_straight_to_pytest(project: Path, tools: Path) -> None:
    code, said = checks(project, "tests/unit/test_a.py", "-k", "two")
    assert (code, said[-1]) == (0, "1 passed, 0 failed, 0 skipped")
    assert "=== ruff check ===" not in said


def test_no_tests_at_all_is_a_failure(project: Path, tools: Path) -> None:
    assert checks(project, "-k", "nothing is called like this")[0] == 1


def test_the_browser_is_passed_on_to_the_tests(project: Path, tools: Path) -> None:
    test = f"import os\n\n\ndef test_it() -> None:\n    assert os.environ['CHROMIUM'] == {str(tools / 'chromium')!r}\n"
    (project / "tests/browser/test_c.py").write_text(test)
    assert checks(project, "tests/browser")[0] == 0
