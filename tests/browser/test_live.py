"""Pages that change by themselves: by a stream, without one, over a restart; what somebody is doing is left alone."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import insert

from app.migrate import migrate
from app.tasks import lifecycle
from app.tasks.books import Worker
from tests.browser.conftest import free_port
from tests.browser.place import Place
from tests.parts import Office, answer
from tests.sink import Sink

WORDS = {"en": "Cancelled", "ko": "취소됨"}
SOON = 5_000
"""Milliseconds within which a stream has told of a change; a page whose mail waits for long does not look by itself."""


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    folder = Path(tempfile.mkdtemp(prefix="pdv"))
    migrate(f"sqlite:///{folder}/postdate.db")
    with Sink() as sink:
        office = Office(f"sqlite:///{folder}/postdate.db", f"unix://{folder}/nobody", sink, folder)
        yield Place(office, free_port())
        office.close()
    shutil.rmtree(folder)


@pytest.fixture
def web(place: Place) -> Iterator[Place]:
    with place.web():
        yield place


@contextmanager
def visiting(place: Place, browser: Browser, path: str, script: str = "") -> Iterator[Page]:
    """A page, on which `script` ran before its own did. It broke no rule."""
    context = place.visitor(browser)
    context.set_default_timeout(10_000)
    page, broken = context.new_page(), list[str]()
    page.on("pageerror", lambda error: broken.append(str(error)))
    page.on("console", lambda said: broken.append(said.text) if "Content Security Policy" in said.text else None)
    if script:
        page.add_init_script(script)
    page.goto(path)
    yield page
    context.close()
    assert broken == []


@pytest.fixture
def visit(web: Place, browser: Browser) -> Iterator[Callable[..., Page]]:
    with ExitStack() as stack:
        yield lambda *what: stack.enter_context(visiting(web, browser, *what))


def later(place: Place, *addresses: str, n: int = 1) -> int:
    """A task for next week: a page that shows it has no reason to look again by itself for days."""
    return place.office.submit(addresses or n, at=datetime.now(UTC) + timedelta(days=7), rings=False)


def status_of(page: Page, task: int, status: str, within: float = SOON) -> None:
    expect(page.locator(f"#task-{task}")).to_have_attribute("data-status", status, timeout=within)


@pytest.mark.parametrize("language", WORDS)
def test_a_row_and_the_counts_change_by_themselves(visit: Callable[..., Page], web: Place, language: str) -> None:
    task = later(web)
    page = visit(f"/history?lang={language}")
    count = int(page.locator("#tab-cancelled .count").inner_text())
    web.cancel(task)
    status_of(page, task, "cancelled")
    expect(page.locator(f"#task-{task} .badge")).to_contain_text(WORDS[language])
    expect(page.locator("#tab-cancelled .count")).to_have_text(str(count + 1))
    fresh = later(web)
    status_of(page, fresh, "scheduled")
    expect(page.locator("#tasks tbody tr").first).to_have_id(f"task-{fresh}")


def test_filters_and_the_place_in_the_list_hold(visit: Callable[..., Page], web: Place) -> None:
    tasks = [later(web, "filtered@example.com") for _ in range(3)]
    page = visit(f"/history?q=filtered&cursor={tasks[2]}")
    expect(page.locator("#tasks tbody tr")).to_have_count(2)
    later(web, "filtered@example.com")
    web.cancel(tasks[0])
    status_of(page, tasks[0], "cancelled")
    expect(page.locator("#tasks tbody tr")).to_have_count(2)


def test_a_task_s_page_hears_of_its_own_task(visit: Callable[..., Page], web: Place) -> None:
    task, other = later(web), later(web)
    page = visit(f"/tasks/{task}")
    with page.expect_request(lambda request: "/live" in request.url) as stream:
        page.reload()
    assert f"task={task}" in stream.value.url
    web.cancel(other, task)
    expect(page.locator("#head")).to_have_attribute("data-status", "cancelled", timeout=SOON)
    expect(page.locator(".events li").first).to_contain_text("tester")


def test_tallies_grow_and_what_is_no_task_is_shown_too(visit: Callable[..., Page], web: Place) -> None:
    history, overview, failures = visit("/history"), visit("/charts"), visit("/failures")
    task = web.store()
    answer(web.office.database, task, {"r0@example.com": "550 5.1.1 no such user here"})
    status_of(history, task, "failed")
    expect(overview.locator("#refused-sum b").first).to_have_text("1", timeout=SOON)
    expect(failures.locator("#causes")).to_contain_text("no such user here", timeout=SOON)
    expect(history.locator("#notices")).to_contain_text("No worker is running")
    with web.office.database.writing() as db:
        db.execute(insert(Worker).values(name="worker here:1"))
    expect(history.locator("#notices")).to_be_empty(timeout=SOON)


def test_a_restart_is_survived(place: Place, browser: Browser) -> None:
    first, second = later(place), later(place)
    with ExitStack() as stack:
        with place.web():
            page = stack.enter_context(visiting(place, browser, "/history"))
            place.cancel(first)
            status_of(page, first, "cancelled")
        place.cancel(second)
        status_of(page, second, "scheduled")
        with place.web():
            status_of(page, second, "cancelled")


WITHOUT = {
    "no EventSource": "delete window.EventSource",
    "refused on the way": "const Real = EventSource; window.EventSource = function () { return new Real('/404') }",
}


@pytest.mark.parametrize("script", WITHOUT.values(), ids=WITHOUT)
def test_without_a_stream_it_looks_now_and_then(visit: Callable[..., Page], web: Place, script: str) -> None:
    task = web.store()  # one that waits for a worker: its page looks each two seconds
    page = visit("/history", script)
    web.cancel(task)
    status_of(page, task, "cancelled", within=20_000)


HIDE = """
  let hidden = false, open = new Set();
  const Real = EventSource;
  window.EventSource = class extends Real {
    constructor(url) { super(url); open.add(this); }
    close() { super.close(); open.delete(this); }
  };
  Object.defineProperty(document, "hidden", { get: () => hidden });
  window.hide = (now) => { hidden = now; document.dispatchEvent(new Event("visibilitychange")); return open.size; };
  window.opened = () => open.size;
"""


def test_a_hidden_tab_has_no_stream_and_one_that_is_seen_again_looks_at_once(
    visit: Callable[..., Page], web: Place
) -> None:
    task = later(web)
    page = visit("/history", HIDE)
    assert page.evaluate("opened()") == 1
    assert page.evaluate("hide(true)") == 0
    web.cancel(task)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.wait_for_timeout(1500)
    assert requests == []
    status_of(page, task, "scheduled")
    assert page.evaluate("hide(false)") == 1
    status_of(page, task, "cancelled")


def test_what_somebody_is_doing_is_left_alone(visit: Callable[..., Page], web: Place) -> None:
    tasks = [later(web) for _ in range(3)]
    page = visit("/history")
    row = page.locator(f"#task-{tasks[0]}").element_handle()
    page.locator(f"#box-{tasks[1]}").check()
    page.locator(f"#open-{tasks[0]}").focus()
    web.cancel(tasks[2])
    status_of(page, tasks[2], "cancelled")
    later(web)
    expect(page.locator("#tasks tbody tr").first).not_to_have_id(f"task-{tasks[2]}")
    expect(page.locator(f"#box-{tasks[1]}")).to_be_checked()
    expect(page.locator(f"#open-{tasks[0]}")).to_be_focused()
    assert page.evaluate("(row) => row.isConnected", row), "what did not change is the same element"


def test_a_time_that_is_half_typed_stays(visit: Callable[..., Page], web: Place) -> None:
    task = later(web)
    page = visit(f"/tasks/{task}")
    page.locator("#reschedule summary").click()
    page.locator("#scheduled_at").fill("2031-05-06T07:08")
    page.locator("#zone").select_option("Europe/Lisbon")
    page.locator("#zone").focus()
    with web.office.database.writing() as db:
        db.execute(lifecycle.send_now(task, "tester"))
        db.execute(lifecycle.promote())
    expect(page.locator("#head")).to_have_attribute("data-status", "queued", timeout=SOON)
    expect(page.locator("#scheduled_at")).to_have_value("2031-05-06T07:08")
    expect(page.locator("#zone")).to_have_value("Europe/Lisbon")
    expect(page.locator("#zone")).to_be_focused()
    expect(page.locator("#reschedule")).to_have_attribute("open", "")
    expect(page.get_by_role("button", name="Send now")).to_have_count(0)
    web.cancel(task)
    expect(page.locator("#reschedule")).to_have_count(0, timeout=SOON)


def test_a_storm_is_a_few_looks_and_the_last_state_is_shown(visit: Callable[..., Page], web: Place) -> None:
    tasks = [later(web) for _ in range(40)]
    page = visit("/history")
    looks: list[str] = []
    page.on("request", lambda request: looks.append(request.url) if "x-refresh" in request.headers else None)
    began = time.monotonic()
    for task in tasks:
        web.cancel(task)
        page.wait_for_timeout(50)
    for task in tasks:
        status_of(page, task, "cancelled")
    assert 2 <= len(looks) <= 4 * (time.monotonic() - began) + 2
