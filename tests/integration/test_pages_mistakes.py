"""The compose page refuses: every bad input gets its message, keeps what was typed, and stores nothing."""

import html
import re

import pytest
from quart.typing import TestClientProtocol as Client

from app.db import Database
from tests.integration.test_pages_compose import at_field, later, post, stored

TYPO = "\n".join([*(f"person{n}@example.com" for n in range(499)), "person499@@example.com"])

# fmt: off
BAD: list[tuple[str, dict[str, str], str, str]] = [
    ("nobody", {"recipients": ""}, "recipients", "Give at least one address."),
    ("no address", {"recipients": "anna"}, "recipients",
     "“anna” is not an email address: it has no @."),
    ("a long address", {"recipients": "a" * 65 + "@example.com"}, "recipients", "is not an email address"),
    ("a header in the recipients", {"recipients": "anna@example.com\r\nBcc: eve@example.com"}, "recipients",
     "“Bcc: eve@example.com” is not an email address"),
    ("a control mark", {"recipients": "anna\x01@example.com"}, "recipients", "an invisible character"),
    ("500 addresses, one typo", {"recipients": TYPO}, "recipients",
     "“person499@@example.com” is not an email address: it has more than one @."),
    ("unknown template", {"template": "email/nothing"}, "template", "There is no template named email/nothing."),
    ("template out of the folder", {"template": "../base"}, "template", "There is no template named ../base."),
    ("no template", {"template": ""}, "template", "Choose a template."),
    ("missing variable", {"variables.name": ""}, "variables.name", "Give a value: the message needs it."),
    ("blank variable", {"variables.name": "  "}, "variables.name", "Give a value: the message needs it."),
    ("long variable", {"variables.name": "x" * 10_001}, "variables.name", "Keep this under 10000 characters."),
    ("long subject", {"subject": "x" * 256}, "subject", "Keep this under 255 characters."),
    ("very long subject", {"subject": "x" * 5000}, "subject", "Keep this under 255 characters."),
    ("a header in the subject", {"subject": "Hello\r\nBcc: eve@example.com"}, "subject", "A subject is one line."),
    ("a statement in the subject", {"subject": "{% for a in b %}"}, "subject", "plain fields only"),
    ("a name in the subject that has no value", {"subject": "To {{ company }}"}, "variables.company",
     "Give a value: the message needs it."),
    ("unknown queue", {"queue": "express"}, "queue", "There is no queue named express."),
    ("neither now nor later", {"when": "perhaps"}, "when", "Choose now or later."),
    ("later, no time", later(""), "scheduled_at", "Choose a date and a time, or choose Now."),
    ("later, nonsense", later("next week"), "scheduled_at", "This is not a date and time."),
    ("later, no such day", later("2027-02-30T09:00"), "scheduled_at", "This is not a date and time."),
    ("later, past", later("2020-01-01T09:00"), "scheduled_at", "This moment has passed."),
    ("later, the first moment of all", later("0001-01-01T00:00", "Asia/Seoul"), "scheduled_at", "has passed"),
    ("later, too far", later("2099-01-01T09:00"), "scheduled_at", "more than ten years away"),
    ("later, in New York's gap", later("2027-03-14T02:30", "America/New_York"), "scheduled_at",
     "02:30 does not exist that night in America/New_York, because clocks go forward. "
     "The next one is 2027-03-14 03:30."),
    ("later, in London's fold", later("2027-10-31T01:30", "Europe/London"), "scheduled_at",
     "01:30 happens twice that night in Europe/London, because clocks go back. Choose the first or the second."),
    ("later, no such zone", later("2027-01-01T09:00", "Mars/Olympus"), "zone",
     "There is no time zone named Mars/Olympus. Choose one from the list."),
]
# fmt: on


@pytest.mark.parametrize(("form", "field", "message"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
async def test_bad_input_gets_its_message_keeps_what_was_typed_and_stores_nothing(
    person: Client, database: Database, form: dict[str, str], field: str, message: str
) -> None:
    code, page, _ = await post(person, **form)
    assert code == 422
    assert message in at_field(page, field)
    assert "<title>Error: New mail · Postdate</title>" in page
    assert 'class="summary" role="alert" tabindex="-1" autofocus' in page
    for name, value in form.items():
        assert name == "when" or value.strip() in html.unescape(page), f"{name} was lost"
    assert stored(database) == 0


async def test_what_was_right_is_kept_where_something_else_is_wrong(person: Client, database: Database) -> None:
    typed = {"subject": "Hello {{ name }}", "queue": "low", "variables.name": "Anna <b>"}
    _, page, _ = await post(person, recipients="nobody", **typed)
    assert ">nobody</textarea>" in page.replace("\n", "")
    assert "<option selected>email/welcome</option>" in page
    assert 'name="subject" value="Hello {{ name }}"' in page
    assert 'name="variables.name" value="Anna &lt;b&gt;"' in page
    assert re.search(r'<option value="low" selected>', page)
    assert stored(database) == 0


async def test_every_mistake_is_told_at_once_in_the_order_of_the_fields(person: Client) -> None:
    _, page, _ = await post(person, recipients="bob@@example", **{"variables.name": ""}, **later("", "UTC"), queue="x")
    links = re.findall(r'<li><a href="#([^"]+)"', page)
    assert links == ["recipients", "queue", "scheduled_at"]


async def test_twenty_bad_lines_are_named_and_the_rest_are_counted(person: Client) -> None:
    _, page, _ = await post(person, recipients="\n".join(f"bad{n}" for n in range(50)))
    assert at_field(page, "recipients").count("is not an email address") == 20
    assert "… and 30 more like these." in page


async def test_mistakes_are_told_in_korean(person: Client) -> None:
    _, page, _ = await post(person, language="ko", recipients="", **later("2020-01-01T09:00"))
    assert at_field(page, "recipients") == "받는 사람 주소를 하나 이상 적어 주세요."
    assert "이미 지난 시각입니다." in at_field(page, "scheduled_at")
    assert "<title>오류: 새 메일 · Postdate</title>" in page
    assert '<html lang="ko">' in page


@pytest.mark.parametrize(
    ("at", "said", "label"),
    [
        ("2027-03-14T02:30", "Clocks skip this time in that zone.", "Instead at"),
        ("2020-01-01T09:15", "That was ", "at"),
    ],
)
async def test_a_moment_that_is_none_comes_with_a_button_that_mends_it(
    person: Client, database: Database, at: str, said: str, label: str
) -> None:
    _, page, _ = await post(person, **later(at, "America/New_York"))
    assert said in page
    mends = re.search(r'<div id="fixes">.*?name="do" value="(at-[^"]+)"[^>]*>([^<]*)', page, re.DOTALL)
    assert mends
    assert label in mends[2]
    _, page, _ = await post(person, **later(at, "America/New_York"), do=mends[1])
    assert f'value="{mends[1].removeprefix("at-")}"' in page
    assert "Sends " in page
    assert stored(database) == 0


async def test_the_time_used_last_is_offered_next_time(person: Client) -> None:
    await post(person, **later("2027-12-08T14:35", "Asia/Seoul"))
    await post(person)
    page = html.unescape(await (await person.get("/compose")).get_data(as_text=True))
    assert re.search(r"Last used, (today|tomorrow) <b>14:35</b>", page)
