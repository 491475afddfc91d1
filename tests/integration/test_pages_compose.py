"""The compose page takes what people write, sends nothing twice, and nothing that they did not mean."""

import html
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from quart import Quart
from quart.typing import TestClientProtocol as Client
from sqlalchemy import func, select

from app.db import Database
from app.tasks.model import Delivery, Task
from tests.integration.conftest import OUR_PAGE
from tests.integration.test_pages_history import page_of

GOOD = {
    "recipients": "anna@example.com",
    "template": "email/welcome",
    "variables.name": "Anna",
    "subject": "",
    "queue": "default",
    "when": "now",
}


def later(at: str, zone: str = "UTC", **more: str) -> dict[str, str]:
    return {"when": "later", "scheduled_at": at, "zone": zone, **more}


async def post(client: Client, language: str = "en", **changed: str) -> tuple[int, str, str]:
    """Send the good form with these changes: the status, the page, and where it leads."""
    form = GOOD | {name.replace("__", "."): value for name, value in changed.items()}
    answer = await client.post(f"/compose?lang={language}", form=form, headers=OUR_PAGE)
    return answer.status_code, (await answer.get_data(as_text=True)), answer.headers.get("Location", "")


def stored(database: Database) -> int:
    with database.reading() as db:
        return db.scalar(select(func.count()).select_from(Task)) or 0


def the_task(database: Database) -> Task:
    with database.reading() as db:
        return db.scalars(select(Task)).one()


async def test_what_lacks_a_value_is_told_beside_what_else_is_wrong(person: Client, database: Database) -> None:
    code, page, _ = await post(person, variables__name="", queue="fast")
    assert (code, stored(database)) == (422, 0)
    assert "There is no queue named fast." in at_field(page, "queue")
    assert "Give a value" in at_field(page, "variables.name")


async def test_what_is_wrong_already_is_not_tried_out_as_well(person: Client) -> None:
    code, page, _ = await post(person, variables__name="x" * 600_000)
    assert code == 422
    assert "Keep this under" in at_field(page, "variables.name")
    assert "would be larger" not in page


def at_field(page: str, name: str) -> str:
    """The words of the message at a field, and that its field points at it."""
    found = re.search(rf'<div class="wrong" id="{re.escape(name)}-wrong">(.*?)</div>', page, re.DOTALL)
    assert found, f"no message at {name}"
    if name != "when":
        assert re.search(
            rf'id="{re.escape(name)}"[^>]*aria-invalid="true" aria-describedby="{re.escape(name)}-wrong', page
        )
    return " ".join(html.unescape(re.sub("<[^>]*>", " ", found[1])).split())


@pytest.mark.parametrize(
    ("typed", "address", "name"),
    [
        ("홍@예시.한국", "홍@예시.한국", ""),
        ("anna@예시.한국", "anna@xn--vv4b11d.xn--3e0b707e", ""),
        ("홍길동 <hong@example.com>", "hong@example.com", "홍길동"),
        ('"Doe, Jane" <jane@example.com>', "jane@example.com", "Doe, Jane"),
        ("\ufeffanna@example.com;\t", "anna@example.com", ""),
    ],
)
async def test_recipients_from_everywhere_are_taken(
    person: Client, database: Database, typed: str, address: str, name: str
) -> None:
    code, page, _ = await post(person, recipients=typed)
    assert code == 303, page
    with database.reading() as db:
        delivery = db.scalars(select(Delivery)).one()
    assert (delivery.address, delivery.name) == (address, name)


async def test_now_ignores_the_time_field_whatever_is_in_it(person: Client, database: Database) -> None:
    code, _, to = await post(person, scheduled_at="nonsense", zone="Mars/Olympus", fold="7")
    assert (code, to) == (303, "/history")
    task = the_task(database)
    assert (task.scheduled_at, task.zone) == (None, None)
    assert task.who == "admin@postdate.local"


@pytest.mark.parametrize("at", ["2027-12-08T09:00", "2027-12-08T09:00:00", "2027-12-08 09:00:00", " 2027-12-08 09:00"])
async def test_later_takes_the_browsers_form_and_the_older_one(person: Client, database: Database, at: str) -> None:
    code, _, _ = await post(person, **later(at, "Asia/Seoul"))
    assert code == 303
    task = the_task(database)
    assert task.scheduled_at == datetime(2027, 12, 8, 0, 0, tzinfo=UTC)
    assert (task.zone, task.status) == ("Asia/Seoul", "scheduled")


async def test_a_time_that_occurs_twice_is_chosen_by_its_offset(person: Client, database: Database) -> None:
    _, page, _ = await post(person, **later("2027-10-31T01:30", "Europe/London"))
    assert "The first, UTC+01:00" in page
    assert "The second, UTC+00:00" in page
    code, _, _ = await post(person, **later("2027-10-31T01:30", "Europe/London", fold="1"))
    assert code == 303
    assert the_task(database).scheduled_at == datetime(2027, 10, 31, 1, 30, tzinfo=UTC)


async def test_which_of_the_two_is_not_asked_where_there_is_one(person: Client) -> None:
    assert 'name="fold"' not in await page_of(person, "/compose")


async def test_success_names_recipients_template_and_time_once(person: Client) -> None:
    await post(person, recipients="anna@example.com, ben@example.com", **later("2027-12-08T09:00", "Asia/Seoul"))
    told = "Scheduled: email/welcome to anna@example.com and 1 more, for Wed 8 Dec 2027, 09:00 Asia/Seoul."
    page = await page_of(person, "/history")
    assert told in page
    assert '<a href="/tasks/1">Follow it</a>' in page
    assert told not in await page_of(person, "/history")


async def test_a_page_that_refreshes_itself_leaves_the_message_to_the_one_that_is_read(person: Client) -> None:
    await post(person)
    answer = await person.get("/history", headers={"X-Refresh": "1"})
    assert "On its way" not in await answer.get_data(as_text=True)
    assert "On its way: email/welcome to anna@example.com" in await page_of(person, "/history")


def key_in(page: str) -> str:
    found = re.search(r'name="key" value="([0-9a-f-]{36})"', page)
    assert found
    return found[1]


async def test_the_same_form_sent_twice_is_one_task(person: Client, database: Database) -> None:
    key = key_in(await page_of(person, "/compose"))
    assert [(await post(person, key=key))[0] for _ in range(2)] == [303, 303]
    assert stored(database) == 1


async def test_a_form_changed_after_it_was_sent_asks_before_it_sends_another(
    person: Client, database: Database
) -> None:
    key = key_in(await page_of(person, "/compose"))
    await post(person, key=key)
    code, page, _ = await post(person, key=key, recipients="ben@example.com")
    assert code == 409
    assert "You sent this form before" in page
    assert '<a href="/tasks/1">' in page
    assert ">ben@example.com</textarea>" in page.replace("\n", "")
    assert stored(database) == 1
    code, _, _ = await post(person, key=key_in(page), recipients="ben@example.com")
    assert (code, stored(database)) == (303, 2)


async def test_each_form_has_a_key_of_its_own_that_survives_the_back_button(person: Client) -> None:
    answer = await person.get("/compose")
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert key_in(await answer.get_data(as_text=True)) != key_in(await page_of(person, "/compose"))


async def test_get_sends_nothing(person: Client, database: Database) -> None:
    query = "&".join(f"{name}={value}" for name, value in GOOD.items())
    assert (await person.get(f"/compose?{query}")).status_code == 200
    assert stored(database) == 0


@pytest.mark.parametrize("wish", ["template", "language", "again", "at-2027-12-08T09:00", "at-", "at-x", "anything"])
async def test_the_other_buttons_send_nothing_and_keep_everything(
    person: Client, database: Database, wish: str
) -> None:
    code, page, _ = await post(person, do=wish, subject="Kept", **{"variables.event": "Unseen"})
    assert code == 200
    assert 'name="subject" value="Kept"' in page
    assert '<input type="hidden" name="variables.event" value="Unseen">' in page
    assert stored(database) == 0


async def test_a_quick_pick_without_javascript_comes_back_filled_in(person: Client) -> None:
    picks = re.findall(r'name="do" value="(at-[^"]+)"', await page_of(person, "/compose"))
    _, page, _ = await post(person, do=picks[1], zone="Asia/Seoul")
    assert re.search(r'name="scheduled_at" type="datetime-local" step="60" value="20\d\d-\d\d-\d\dT09:00"', page)
    assert re.search(r'value="later" checked', page)
    assert re.search(r"Sends \w+day \d+ \w+ 20\d\d at 09:00 Asia/Seoul, in \d+ (hours?|day)\.", page)


async def test_the_last_recipients_are_offered_and_never_filled_in(person: Client) -> None:
    await post(person)
    page = await page_of(person, "/compose")
    assert "Last time: email/welcome to anna@example.com" in page
    assert 'placeholder="name@example.com" aria-describedby="recipients-hint">\n</textarea>' in page
    _, page, _ = await post(person, do="again", recipients="", template="")
    assert ">anna@example.com</textarea>" in page.replace("\n", "")
    assert "<option selected>email/welcome</option>" in page


async def test_a_long_list_is_not_offered_again_in_part(person: Client) -> None:
    many = "\n".join(f"person{n}@a-rather-long-domain-name-of-somebody.example.com" for n in range(20))
    assert (await post(person, recipients=many))[0] == 303
    assert "Last time" not in await page_of(person, "/compose")


async def test_a_subject_with_a_name_of_its_own_gets_a_field_for_it(person: Client, database: Database) -> None:
    form: dict[str, Any] = {"subject": "For {{ company }}", "variables.company": "Hanbit"}
    code, _, _ = await post(person, **form)
    assert code == 303
    assert the_task(database).variables == {"name": "Anna", "company": "Hanbit"}


async def test_an_empty_name_is_filled_from_the_names_beside_the_addresses(person: Client, database: Database) -> None:
    code, _, _ = await post(person, recipients="Mina <mina@example.com>\n홍길동 <hong@example.com>", variables__name="")
    assert code == 303
    with database.reading() as db:
        names = {each.address: each.variables for each in db.scalars(select(Delivery))}
    assert names == {"mina@example.com": {"name": "Mina"}, "hong@example.com": {"name": "홍길동"}}


async def test_who_has_no_name_is_named_when_the_others_have_one(person: Client, database: Database) -> None:
    code, page, _ = await post(person, recipients="Mina <mina@example.com>, bo@example.com", variables__name="")
    assert (code, stored(database)) == (422, 0)
    assert "bo@example.com has no value for name." in at_field(page, "variables.name")


async def test_no_template_chosen_says_so(person: Client) -> None:
    _, page, _ = await post(person, template="")
    assert "Choose a template." in at_field(page, "template")


async def test_templates_that_do_not_work_are_marked_and_what_is_left_out_is_said(
    person: Client, app: Quart, tmp_path: Path
) -> None:
    (tmp_path / "email").mkdir()
    for name, text in (("good", "Subject: a\n\n"), ("bad", "Subject: {{ a\n\n"), ("alone", "Subject: a\n\n")):
        (tmp_path / f"email/{name}.txt").write_text(text)
    for name in ("good", "bad"):
        (tmp_path / f"email/{name}.html").write_text("<p>a</p>")
    app.config["POSTDATE"].templates.root = tmp_path
    page = await page_of(person, "/compose")
    assert re.findall(r"<option[^>]*>email/.*?</option>", page) == [
        '<option value="email/bad">email/bad (has a mistake)</option>',
        "<option>email/good</option>",
    ]
    assert "email/alone.txt is left out: alone.html is missing beside it." in page
    _, page, _ = await post(person, template="email/bad")
    assert "The template email/bad has a mistake: bad.txt, line 1" in at_field(page, "template")


async def test_a_subject_that_differs_from_one_to_the_other_is_listed_with_a_gap(person: Client) -> None:
    await post(person, recipients="email,name\nanna@example.com,Anna\nben@example.com,Ben", variables__name="")
    assert ">Welcome, …</a>" in await page_of(person)
    await post(person, recipients="Mina <mina@example.com>", variables__name="")
    assert "<h1>Welcome, Mina</h1>" in await page_of(person, "/tasks/2")
