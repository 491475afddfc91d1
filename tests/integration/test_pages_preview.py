"""The preview shows what would be sent, to whichever recipient, as what it is; it stores nothing and runs nothing."""

import html
import re

import pytest
from quart import Quart
from quart.typing import TestClientProtocol as Client

from app.db import Database
from app.web.compose.forms import Letter
from app.web.compose.preview import look
from tests.integration.conftest import OUR_PAGE
from tests.integration.test_pages_compose import GOOD, stored

THREE = "a@example.com\n홍길동 <b@example.com>\nc@example.com"


async def seen(
    client: Client, query: str = "", headers: dict[str, str] | None = None, language: str = "en", **changed: str
) -> str:
    """The preview of the good form with these changes, as it is written."""
    form = GOOD | {name.replace("__", "."): value for name, value in changed.items()}
    await client.get(f"/compose/preview?lang={language}")
    answer = await client.post(f"/compose/preview?{query}", form=form, headers={**OUR_PAGE, **(headers or {})})
    assert answer.status_code == 200
    return await answer.get_data(as_text=True)


def facts(page: str) -> str:
    found = re.search(r'<div id="facts">(.*?)</form>', page, re.DOTALL)
    assert found
    return " ".join(html.unescape(re.sub("<[^>]*>", " ", found[1])).split())


def mail(page: str) -> str:
    """What is in the frame within, or what is written out."""
    found = re.search(r'<div id="mail">\s*<(?:iframe[^>]*? srcdoc="(.*?)"|pre[^>]*>(.*?)</pre>)', page, re.DOTALL)
    assert found
    return html.unescape(found[1] or found[2])


async def test_a_recipients_mail_is_shown_as_html_as_text_and_as_its_bytes(person: Client) -> None:
    page = await seen(person)
    assert "Welcome, Anna" in facts(page)
    assert "From Postdate <postdate@example.com> To anna@example.com" in facts(page)
    assert re.search(r"Size \d+\.\d KB", facts(page))
    assert '<img src="data:image/png;base64,' in mail(page)
    assert "<main" not in mail(await seen(person, "part=text"))
    source = mail(await seen(person, "part=source"))
    assert source.startswith("From: Postdate <postdate@example.com>")
    assert "Content-Transfer-Encoding: base64" in source


async def test_each_recipient_has_their_turn_with_their_own_name(person: Client) -> None:
    page = await seen(person, "person=2", recipients=THREE, variables__name="")
    assert "2 of 3: b@example.com" in facts(page)
    assert "Welcome, 홍길동" in facts(page)
    assert 'id="previous" formaction="/compose/preview?part=html&amp;person=1"' in page
    assert 'id="next" formaction="/compose/preview?part=html&amp;person=3"' in page
    assert 'id="next" formaction="/compose/preview?part=html&amp;person=1"' in await seen(
        person, "person=3", recipients=THREE
    )


@pytest.mark.parametrize(("asked", "got"), [("0", "1"), ("99", "3"), ("9" * 5000, "1"), ("x", "1"), ("-1", "1")])
async def test_whoever_is_not_there_is_somebody_who_is(person: Client, asked: str, got: str) -> None:
    assert f"{got} of 3:" in facts(await seen(person, f"person={asked}", recipients=THREE))


async def test_what_has_no_value_yet_is_seen_in_its_place_and_said(person: Client) -> None:
    page = await seen(person, variables__name="", recipients="")
    assert "No value yet for name." in facts(page)
    assert "so this is written to name@example.com" in facts(page)
    assert "‹name›" in mail(page)


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ({"template": ""}, "Choose a template, and its mail appears here"),
        ({"template": "email/nothing"}, "There is no template named email/nothing."),
        ({"subject": "{{ name", "recipients": "nobody"}, "plain fields only"),
        ({"subject": "{{ name }}", "variables__name": "x" * 300}, "The subject would be longer than 255 characters."),
        ({"subject": "{{ name.family }}"}, "The template cannot be filled in with these values"),
        ({"variables__name": "x" * 45_000, "subject": "Hi"}, "Gmail cuts messages off at about 102 KB."),
        ({"variables__name": "x" * 300_000}, "The message would be larger than 512 KB."),
    ],
)
async def test_why_there_is_nothing_to_see_is_said_in_words(person: Client, form: dict[str, str], told: str) -> None:
    assert told in facts(await seen(person, **form))


async def test_it_is_said_in_korean(person: Client) -> None:
    page = await seen(person, language="ko", template="email/nothing")
    assert "email/nothing(이)라는 템플릿이 없습니다." in facts(page)


async def test_a_message_that_takes_too_long_is_not_waited_for(app: Quart) -> None:
    wrong = (await look(app.config["POSTDATE"], Letter(template="email/welcome"), 1, patience=0)).wrong
    assert str(wrong) == "Making this message takes too long to show it here."


async def test_the_frame_runs_nothing_fetches_nothing_and_is_shown_by_us_only(person: Client) -> None:
    answer = await person.post("/compose/preview", form=GOOD, headers=OUR_PAGE)
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'self' 'unsafe-inline';")
    assert "frame-ancestors 'self'" in policy
    assert "script" not in policy
    page = await answer.get_data(as_text=True)
    assert '<iframe class="letter" sandbox="allow-popups allow-popups-to-escape-sandbox" srcdoc=' in page
    assert "<script" not in page
    assert "unsafe" not in (await person.get("/compose")).headers["Content-Security-Policy"]


async def test_a_value_cannot_leave_the_frame_that_it_is_shown_in(person: Client) -> None:
    name = '"><script>alert(1)</script>'
    page = await seen(person, variables__name=name, recipients=f"{name} <a@example.com>")
    assert "<script" not in page
    assert "<script" not in mail(page)


async def test_nothing_is_stored_by_looking(person: Client, database: Database) -> None:
    for part in ("html", "text", "source"):
        await seen(person, f"part={part}")
    assert stored(database) == 0


async def test_its_own_buttons_carry_everything_where_the_script_does_not(person: Client) -> None:
    page = await seen(person, recipients=THREE)
    carried = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page))
    assert {name: html.unescape(value) for name, value in carried.items()} == GOOD | {"recipients": THREE}
    assert 'type="hidden"' not in await seen(person, headers={"X-Refresh": "1"}, recipients=THREE)


async def test_of_many_people_only_the_one_is_written_to(person: Client) -> None:
    names = ["x" * 300, *(f"Person {n}" for n in range(1, 2000))]  # a subject with the first would be too long
    people = "email,name_on_it\n" + "\n".join(f"person{n}@example.com,{name}" for n, name in enumerate(names))
    asked = {"recipients": people, "subject": "For {{ name_on_it }}"}
    page = await seen(person, "person=1999", {"X-Refresh": "1"}, **asked)
    assert "1999 of 2000: person1998@example.com" in facts(page)
    assert "For Person 1998" in facts(page)
    assert "The subject would be longer" in facts(await seen(person, "person=1", {"X-Refresh": "1"}, **asked))


@pytest.mark.parametrize(("language", "label"), [("en", "Send now to anna@example.com"), ("ko", "지금 보내기")])
async def test_the_button_it_words_is_in_the_readers_language(person: Client, language: str, label: str) -> None:
    page = await seen(person, language=language, recipients="anna@example.com")
    assert label in html.unescape(page.partition('data-now="')[2].partition('"')[0])


async def test_its_date_is_in_the_zone_in_which_the_worker_dates_the_mail(person: Client) -> None:
    moment = {"when": "later", "scheduled_at": "2027-12-08T09:00", "zone": "America/New_York"}
    source = mail(await seen(person, "part=source", **moment))
    assert "Date: Wed, 08 Dec 2027 14:00:00 +0000" in source
