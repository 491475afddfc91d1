"""What browser tests stand on: the real thing, started with one command, and a real Chromium."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, StorageState, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "tests" / "out" / "screenshots"
CHROMIUM = os.environ.get("CHROMIUM") or "/usr/bin/chromium"
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 60

expect.set_options(timeout=20_000)  # what does not come is waited for longer; a busy machine is no fault of the page

NewPage = Callable[..., Page]


@dataclass(frozen=True)
class Site:
    """Postdate, serving: the folder it works in, its address, and the link that signs in once."""

    folder: Path
    url: str
    link: str


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """`python -m app up` in a folder of its own. What is sent now leaves now, or every test would wait for it."""
    with serving(tmp_path_factory.mktemp("site"), UNDO_SECONDS="0") as started:
        yield started


@contextmanager
def serving(folder: Path, **settings: str) -> Iterator[Site]:
    """Postdate in `folder`, with these settings besides."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    env = {**kept, "PYTHONPATH": str(ROOT), "PORT": str(free_port()), "APP_TIMEZONE": "Asia/Seoul"}
    env |= settings
    log = folder / "up.log"
    with log.open("wb") as output:
        up = subprocess.Popen([sys.executable, "-m", "app", "up"], cwd=folder, env=env, stdout=output, stderr=output)
    try:
        yield Site(folder, *_wait_for(up, log))
    finally:
        up.send_signal(signal.SIGTERM)
        up.wait(PATIENCE)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _wait_for(up: "subprocess.Popen[bytes]", log: Path) -> tuple[str, str]:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and up.poll() is None:
        said = log.read_text()
        ready = re.search(r"^Postdate is ready: (\S+)$", said, re.MULTILINE)
        link = re.search(r"^Sign in .*: (\S+)$", said, re.MULTILINE)
        if ready and link:
            return ready[1], link[1]
        time.sleep(0.1)
    raise RuntimeError(f"Postdate did not start:\n{log.read_text()}")


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    started = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
    yield started
    started.close()


@pytest.fixture(scope="session")
def signed_in(browser: Browser, site: Site) -> StorageState:
    """The cookies of somebody who followed the link."""
    return sign_in(browser, site)


def sign_in(browser: Browser, site: Site) -> StorageState:
    """Follow the link."""
    context = browser.new_context(base_url=site.url, locale="en")
    page = context.new_page()
    page.goto(site.link)
    page.wait_for_url("**/compose")
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def new_page(browser: Browser, site: Site, signed_in: StorageState) -> Iterator[NewPage]:
    """Opens pages of somebody who is signed in; at the end, none of them had broken a rule of its own."""
    contexts: list[BrowserContext] = []
    broken: list[str] = []

    def open_page(language: str = "en", *, script: bool = True, width: int = 1180, dark: bool = False) -> Page:
        context = browser.new_context(
            base_url=site.url,
            locale=language,
            timezone_id="Europe/London",
            java_script_enabled=script,
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            storage_state=signed_in,
        )
        context.set_default_timeout(30_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: broken.append(str(error)))
        page.on("console", lambda said: broken.append(said.text) if "Content Security Policy" in said.text else None)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert broken == []
