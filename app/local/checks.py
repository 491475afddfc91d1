"""`./run test`: every check in turn, then one table, and what could not run for want of a part of this machine."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

OUT = Path("tests/out")
FIGURES = OUT / "figures.txt"  # what tests measured and only print
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
# Playwright's sync API and pytest-asyncio do not share a process; without the plugin its options are unknown ones.
BROWSER_OPTIONS = ("-p", "no:asyncio", "-o", "addopts=-ra --strict-markers", "-W", "ignore::pytest.PytestConfigWarning")


@dataclass(frozen=True)
class Need:
    """A part of the machine that some tests need."""

    name: str
    is_there: Callable[[], bool]
    how: str


@dataclass(frozen=True)
class Part:
    """One line of the table."""

    title: str
    command: Sequence[str]
    folder: str = ""
    needs: tuple[Need, ...] = ()


@dataclass
class Result:
    """How a part went; the counts are pytest's."""

    title: str
    outcome: str
    seconds: float = 0.0
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    reasons: list[str] = field(default_factory=list)

    @property
    def is_well(self) -> bool:
        return self.outcome in ("passed", "not run")


def chromium() -> str:
    """The browser on this machine, empty if there is none."""
    names = [os.environ.get("CHROMIUM") or "", *CHROMIUM_NAMES]
    return next((path for path in map(shutil.which, filter(None, names)) if path), "")


def korean_font() -> bool:
    """Whether some font can show Korean; without one the screenshots show boxes."""
    if sys.platform == "darwin":
        return True
    if lister := shutil.which("fc-list"):
        listed = subprocess.run([lister, ":lang=ko"], capture_output=True, check=False)  # noqa: S603
        return bool(listed.stdout.strip())
    return any(Path("/usr/share/fonts").rglob("*CJK*"))


BROWSER = Need("Chromium", lambda: bool(chromium()), "apt install chromium, or set CHROMIUM to its path")
FONT = Need("a font with Korean letters", korean_font, "apt install fonts-noto-cjk")
COMPOSE = Need("docker-compose", lambda: bool(shutil.which("docker-compose")), "apt install docker-compose")
NEEDS = (BROWSER, FONT, COMPOSE)


def main(*words: str) -> int:
    """Run everything; 0 only if all is well. With `words`: pytest alone, with them."""
    os.environ["CHROMIUM"] = chromium()
    OUT.mkdir(parents=True, exist_ok=True)
    FIGURES.unlink(missing_ok=True)
    results = [run(part) for part in ([_chosen(words)] if words else _parts())]
    missing = [] if words else [need for need in NEEDS if not need.is_there()]
    in_ci = os.environ.get("CI") == "true"
    _print_table(results)
    if FIGURES.exists():
        print(f"\n=== figures ===\n{FIGURES.read_text()}", end="")
    _print_missing(results, missing, in_ci)
    print(
        *(f"{sum(getattr(one, name) for one in results)} {name}" for name in ("passed", "failed", "skipped")), sep=", "
    )
    return int(not all(one.is_well for one in results) or (in_ci and bool(missing)))


def _chosen(words: Sequence[str]) -> Part:
    in_browser = any("tests/browser" in word for word in words)
    return Part("pytest", _pytest(*(BROWSER_OPTIONS if in_browser else ()), *words), "tests")


def _parts() -> list[Part]:
    python = sys.executable
    parts = [
        Part("ruff check", (python, "-m", "ruff", "check", ".", "run")),
        Part("ruff format", (python, "-m", "ruff", "format", "--check", ".", "run")),
        Part("mypy", (python, "-m", "mypy")),
        Part("unit tests", _pytest("tests/unit"), "tests/unit"),
        # These mostly wait: for leases to run out, for a browser to paint. So some wait at the same time.
        Part("integration tests", _pytest("tests/integration", "-n", "6", "--dist", "worksteal"), "tests/integration"),
        Part(
            "browser tests",
            _pytest("tests/browser", "-n", "3", "--dist", "worksteal", *BROWSER_OPTIONS),
            "tests/browser",
            (BROWSER,),
        ),
    ]
    if Path("tests/chaos").is_dir():
        parts.append(Part("chaos tests", _pytest("tests/chaos", "-n", "2", "--dist", "loadfile"), "tests/chaos"))
    return parts


def _pytest(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "pytest", *arguments)


def run(part: Part) -> Result:
    """Run one part, its output as it comes."""
    print(f"\n=== {part.title} ===", flush=True)
    if absent := [need.name for need in part.needs if not need.is_there()]:
        print(f"not run: {', '.join(absent)} is missing", flush=True)
        return Result(part.title, "not run")
    report = OUT / f"{part.title.replace(' ', '-')}.xml"
    report.unlink(missing_ok=True)
    began = time.monotonic()
    options = (f"--junit-xml={report}",) if part.folder else ()
    code = subprocess.run((*part.command, *options), check=False).returncode  # noqa: S603 - our own command lines
    result = Result(part.title, "FAILED" if code else "passed", time.monotonic() - began)
    if part.folder:
        _count(report, result)
    return result


def _count(report: Path, result: Result) -> None:
    """Add pytest's counts; a run that left no report counts as one failure."""
    try:
        suites = list(ElementTree.parse(report).iter("testsuite"))  # noqa: S314 - pytest has just written it
    except (OSError, ElementTree.ParseError):
        suites, result.failed = [], 1
    for suite in suites:
        tests, failures, errors, skipped = (int(suite.get(it, 0)) for it in ("tests", "failures", "errors", "skipped"))
        result.failed += failures + errors
        result.skipped += skipped
        result.passed += tests - failures - errors - skipped
        result.reasons += [reason.get("message", "") for reason in suite.iter("skipped")]
    if result.failed:
        result.outcome = "FAILED"


def _print_table(results: Sequence[Result]) -> None:
    print("\n=== all parts ===")
    for one in results:
        counts = f"  {one.passed} passed, {one.failed} failed, {one.skipped} skipped" * bool(
            one.passed or one.failed or one.skipped
        )
        print(f"{one.title:<18}{one.outcome:<8}{one.seconds:7.1f} s{counts}")


def _print_missing(results: Sequence[Result], missing: Sequence[Need], in_ci: bool) -> None:
    for need in missing:
        print(f"MISSING: {need.name}. Get it with: {need.how}{' (with CI=true this fails)' * in_ci}")
    for one in results:
        for reason in dict.fromkeys(one.reasons):
            print(f"skipped in {one.title}, {one.reasons.count(reason)} of them: {reason}")
    print(flush=True)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
