"""The To field takes lists, tables and files, says whom it read there, and lets nobody be sent half of it."""

import html
import re
from io import BytesIO
from typing import Any

import pytest
from quart.datastructures import FileStorage
from quart.typing import TestClientProtocol as Client
from sqlalchemy import select

from app.db import Database
from app.tasks.model import Delivery
from app.web.compose.recipients import LARGEST_FILE
from tests.integration.conftest import OUR_PAGE
from tests.integration.test_pages_compose import GOOD, at_field, post, stored, the_task
from tests.integration.test_pages_history import page_of

TABLE = "이메일,이름,Company\nhong@example.com,홍길동,한빛\nMina Kim <mina@example.com>,,Acme\nbo@example.com,Bo,"


def typed(page: str) -> str:
    """What stands in the To field."""
    found = re.search(r'<textarea id="recipients".*?>\n(.*?)</textarea>', page, re.DOTALL)
    assert found
    return html.unescape(found[1])


def told(page: str) -> str:
    """What the page says of the people in it."""
    found = re.search(r'<div class="counted".*?</div>', page, re.DOTALL)
    assert found
    return " ".join(html.unescape(re.sub("<[^>]*>", " ", found[0])).split())


def people(database: Database) -> dict[str, tuple[str, dict[str, str]]]:
    with database.reading() as db:
        return {each.address: (each.name, each.variables) for each in db.scalars(select(Delivery))}


async def upload(client: Client, name: str, content: bytes, **changed: str) -> tuple[int, str]:
    form = GOOD | {"recipients": "", "do": "upload"} | changed
    files = {"file": FileStorage(BytesIO(content), filename=name)}
    answer = await client.post("/compose?lang=en", form=form, files=files, headers=OUR_PAGE)
    return answer.status_code, await answer.get_data(as_text=True)


async def test_a_table_gives_everybody_their_own_values(person: Client, database: Database) -> None:
    changed = {"subject": "For {{ company }}", "variables.company": "everybody else", "variables.name": "friend"}
    code, page, _ = await post(person, recipients=TABLE, **changed)
    assert code == 303, page
    assert people(database) == {
        "hong@example.com": ("홍길동", {"name": "홍길동", "company": "한빛"}),
        "mina@example.com": ("Mina Kim", {"name": "Mina Kim", "company": "Acme"}),
        "bo@example.com": ("Bo", {"name": "Bo"}),
    }
    assert the_task(database).variables == {"company": "everybody else", "name": "friend"}


async def test_the_values_of_a_table_are_part_of_what_was_sent(person: Client, database: Database) -> None:
    key = "00000000-0000-0000-0000-000000000000"
    assert (await post(person, recipients=TABLE, key=key, subject="{{ company }}", **{"variables.company": "x"}))[
        0
    ] == 303
    changed = TABLE.replace("Acme", "Other")
    code, _, _ = await post(person, recipients=changed, key=key, subject="{{ company }}", **{"variables.company": "x"})
    assert (code, stored(database)) == (409, 1)


async def test_who_has_no_value_in_the_table_is_named_and_counted(person: Client, database: Database) -> None:
    rows = "\n".join(f"p{n}@example.com,{'Acme' if n > 6 else ''}" for n in range(20))
    form = {"recipients": f"email,company\n{rows}", "subject": "{{ company }}", "variables.company": " "}
    code, page, _ = await post(person, **form)
    assert (code, stored(database)) == (422, 0)
    said = at_field(page, "variables.company")
    assert said.startswith("7 of 20 people have no value for company: p0@example.com, p1@example.com,")
    assert said.endswith("p4@example.com …")


async def test_a_field_says_from_which_column_it_comes(person: Client) -> None:
    _, page, _ = await post(person, recipients=TABLE, do="look", subject="{{ company }}", variables__name="")
    assert "From the column “Company”" in page
    assert "From the column “이름”" in page
    assert 'id="variables.name" name="variables.name" value=""' in page


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("anna@example.com", "1 person"),
        ("a@example.com, b@example.com; A@example.com", "2 people · 1 duplicate left out"),
        (TABLE, "3 people from a table · columns: 이메일, 이름, Company"),
        ("", ""),
    ],
)
async def test_the_page_says_how_many_people_there_are(person: Client, text: str, said: str) -> None:
    code, page, _ = await post(person, recipients=text, do="look")
    assert code == 200
    assert told(page).startswith(said)
    assert 'class="wrong"' not in page


async def test_the_first_rows_of_a_table_are_shown(person: Client) -> None:
    _, page, _ = await post(person, recipients=TABLE, do="look")
    assert '<th scope="col">Company</th>' in page
    assert "<td>mina@example.com</td><td>Mina Kim</td><td>Acme</td>" in page


async def test_duplicates_are_named_when_it_is_sent(person: Client) -> None:
    await post(person, recipients="a@example.com, A@example.com")
    assert "1 duplicate left out (A@example.com)." in await page_of(person, "/history")


@pytest.mark.parametrize("action", [{}, {"do": "look"}])
async def test_bad_lines_are_named_by_their_number(person: Client, database: Database, action: dict[str, str]) -> None:
    text = "email,name\na@example.com,A\nnobody,N\n,N\nb@example.com,B"
    _, page, _ = await post(person, recipients=text, **action)
    said = at_field(page, "recipients")
    assert "Line 3: “nobody” is not an email address" in said
    assert "Line 4: There is no address in this row." in said
    assert typed(page) == text
    assert "Leave out the 2 bad lines" in page
    assert stored(database) == 0


async def test_bad_lines_are_left_out_by_a_button_and_nothing_else_is(person: Client) -> None:
    text = "a@example.com, nobody\r\n\r\nMina <mina@example.com>\r\nno one\r\nb@example.com"
    code, page, _ = await post(person, recipients=text, do="leave-out")
    assert code == 200
    assert typed(page) == "a@example.com\n\nMina <mina@example.com>\nb@example.com"
    assert told(page) == "3 people"


ENCODED = [TABLE.encode(), TABLE.encode("utf-8-sig"), TABLE.encode("utf-16"), TABLE.encode("cp949")]


@pytest.mark.parametrize("content", ENCODED, ids=["UTF-8", "UTF-8 with mark", "UTF-16", "CP949"])
async def test_a_file_is_read_whatever_its_encoding(person: Client, database: Database, content: bytes) -> None:
    code, page = await upload(person, "list.csv", content)
    assert code == 200
    assert typed(page) == TABLE
    assert told(page).startswith("Read from list.csv. 3 people from a table")
    assert stored(database) == 0


async def test_a_list_is_added_to_a_list_and_a_table_takes_its_place(person: Client) -> None:
    _, page = await upload(person, "more.txt", b"b@example.com", recipients="a@example.com\r\n")
    assert typed(page) == "a@example.com\nb@example.com"
    assert "more.txt was added to what was here." in told(page)
    _, page = await upload(person, "list.csv", TABLE.encode(), recipients="a@example.com")
    assert typed(page) == TABLE
    assert "list.csv took the place of what was here" in told(page)


async def test_a_file_that_was_chosen_and_not_read_yet_is_read_before_anything_is_sent(
    person: Client, database: Database
) -> None:
    _, page = await upload(person, "more.txt", b"b@example.com", recipients="a@example.com", do="")
    assert typed(page) == "a@example.com\nb@example.com"
    assert stored(database) == 0


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("", b"", "Choose a file first."),
        ("empty.csv", b" \n", "The file empty.csv is empty."),
        ("book.xlsx", b"PK\x03\x04\x14\x00\x06\x00", "This is not a text file."),
        ("cut.csv", b"\xff\xfea", "This is not a text file."),
        (
            "big.csv",
            b"a@example.com\n" * (LARGEST_FILE // 14 + 1),
            "The file big.csv is too large: 1.5 MB are possible.",
        ),
        ("huge.csv", b"a@example.com\n" * 300_000, "The file huge.csv is too large: 1.5 MB are possible."),
    ],
    ids=["none", "empty", "no text", "half a character", "large", "larger than a page"],
)
async def test_a_file_that_cannot_be_read_is_a_mistake_and_what_was_typed_stays(
    person: Client, name: str, content: bytes, said: str
) -> None:
    code, page = await upload(person, name, content, recipients="a@example.com", subject="Kept")
    assert code == 200
    assert said in at_field(page, "recipients")
    assert typed(page) == "a@example.com"
    assert 'name="subject" value="Kept"' in page


async def test_what_is_written_may_not_be_larger_than_a_page_in_any_encoding(person: Client) -> None:
    part = f'--cut\r\nContent-Disposition: form-data; name="recipients"\r\n\r\n{"x" * 2_100_000}\r\n--cut--\r\n'
    headers = OUR_PAGE | {"Content-Type": "multipart/form-data; boundary=cut"}
    assert (await person.post("/compose", data=part, headers=headers)).status_code == 413
    small = part.replace("x" * 2_000_000, "")
    assert (await person.post("/compose", data=small, headers=headers)).status_code == 422


async def test_the_templates_own_subject_can_be_edited(person: Client) -> None:
    _, page, _ = await post(person, do="subject")
    assert 'name="subject" value="Welcome, {{ name }}"' in page
    _, page, _ = await post(person, do="subject", subject="Mine")
    assert 'name="subject" value="Mine"' in page


async def test_ten_thousand_people_are_too_few_to_wait_for_and_one_more_is_too_many(
    person: Client, database: Database
) -> None:
    rows = "\n".join(f"p{n}@example.com,Name {n}" for n in range(10_001))
    code, page, _ = await post(person, recipients=f"email,name\n{rows}")
    assert code == 422
    assert "These are 10001 recipients; 10000 at once are possible." in at_field(page, "recipients")
    good = f"email,name\n{rows.rpartition(chr(10))[0]}"
    code, _, _ = await post(person, recipients=good, confirmed="10000", typed="10000")
    assert code == 303
    assert the_task(database).recipients == 10_000


async def test_the_page_speaks_korean_about_people(person: Client) -> None:
    _, page, _ = await post(person, language="ko", recipients=f"{TABLE}\nnobody", do="look")
    assert "표에서 3명 · 열: 이메일, 이름, Company · 읽을 수 없는 항목 1건" in told(page)
    assert "5번째 줄: “nobody”: 이메일 주소가 아닙니다." in at_field(page, "recipients")


SHEET = "email,Full name,직장,Since\nanna@example.com,Anna,Acme,2019\nbo@example.com,Bo,,2020"


def variables(database: Database) -> list[dict[str, Any]]:
    with database.reading() as db:
        return [*db.scalars(select(Delivery.variables).order_by(Delivery.id))]


async def test_a_field_is_filled_from_the_column_that_somebody_chose(person: Client, database: Database) -> None:
    form = {"recipients": SHEET, "subject": "{{ company }}", "variables__company": "Beta", "columns__company": "직장"}
    _, page, _ = await post(person, do="look", variables__name="", **form)
    assert '<option value="직장" selected>From the column “직장”</option>' in page
    assert "Columns that this mail does not use: Since." in page
    code, page, _ = await post(person, variables__name="", **form)
    assert code == 303, page
    assert variables(database) == [{"name": "Anna", "company": "Acme"}, {"name": "Bo"}]
    assert the_task(database).variables == {"company": "Beta"}


async def test_a_column_of_the_fields_name_is_left_alone_where_somebody_says_so(
    person: Client, database: Database
) -> None:
    code, page, _ = await post(person, recipients=SHEET, variables__name="all of you", columns__name="-")
    assert code == 303, page
    assert variables(database) == [{}, {}]
    assert the_task(database).variables == {"name": "all of you"}


async def test_a_chosen_column_that_is_gone_from_the_table_is_no_choice(person: Client, database: Database) -> None:
    await post(person, recipients=SHEET, variables__name="", columns__name="Nickname")
    assert [each["name"] for each in variables(database)] == ["Anna", "Bo"]


async def test_a_choice_of_column_is_kept_in_a_draft(person: Client) -> None:
    key = "00000000-0000-0000-0000-000000000001"
    await post(person, recipients=SHEET, key=key)
    form = {"recipients": SHEET, "template": "email/welcome", "columns.name": "직장", "key": key[:-1] + "2"}
    await person.post("/drafts", form=form, headers=OUR_PAGE)
    page = await page_of(person, f"/compose?draft={form['key']}")
    assert '<option value="직장" selected>' in page


async def test_without_a_table_there_is_no_column_to_choose(person: Client) -> None:
    for people in ("anna@example.com", "email\nanna@example.com"):
        _, page, _ = await post(person, recipients=people, do="look")
        assert 'name="columns.name"' not in page


async def test_braces_in_a_value_are_told_before_they_go_out_as_they_stand(person: Client, database: Database) -> None:
    code, page, _ = await post(person, variables__name="Dear {{ 비고 }}")
    assert (code, stored(database)) == (422, 0)
    assert at_field(page, "variables.name").startswith("“{{ 비고 }}” would be in the mail just so")
    code, _, _ = await post(person, variables__name="{ not a place }")
    assert code == 303


@pytest.mark.parametrize(("language", "label"), [("en", "Name"), ("ko", "이름")])
async def test_a_common_field_is_called_by_its_word_in_the_language_in_use(
    person: Client, language: str, label: str
) -> None:
    page = await page_of(person, f"/compose?template=email/welcome&lang={language}")
    assert f'<label for="variables.name">{label}</label>' in page
