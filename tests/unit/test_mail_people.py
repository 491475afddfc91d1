"""Whom a mail goes to: lists and tables, as people type them, paste them and export them."""

import signal
import sys
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.mail.addresses import parse
from app.mail.people import People, read_people
from app.mail.tables import MOST_COLUMNS, column_for


def addresses(people: People) -> list[str]:
    return [person.mailbox.address for person in people.found]


def test_a_list_is_split_at_lines_commas_and_semicolons() -> None:
    text = '\ufeffa@example.com, b@example.com;\r\n\n"Kim, A; B" <c@example.com>\r홍길동\t<d@example.com>,,\n'
    people = read_people(text)
    assert [address[0] for address in addresses(people)] == ["a", "b", "c", "d"]
    assert people.found[2].mailbox.name == "Kim, A; B"
    assert (people.bad, people.again, people.columns) == ((), (), ())


def test_a_bad_item_is_named_with_its_line_and_the_others_are_kept() -> None:
    people = read_people('a@example.com\n"open quote <x@example.com>, y@example.com\nb@example.com; nobody')
    assert addresses(people) == ["a@example.com", "b@example.com"]
    assert [(bad.line, bad.why.params["item"]) for bad in people.bad] == [
        (2, '"open quote <x@example.com>, y@example.com'),
        (3, "nobody"),
    ]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a@x.com\nbad\nb@x.com", "a@x.com\nb@x.com"),
        ("bad\na@x.com", "a@x.com"),
        ("a@x.com\nbad", "a@x.com\n"),
        ("a@x.com, bad, b@x.com", "a@x.com, b@x.com"),
        ("a@x.com, bad\nb@x.com", "a@x.com\nb@x.com"),
        ("bad; a@x.com", " a@x.com"),
        ("one, two\na@x.com", "\na@x.com"),
        ("email,name\nbad,B\na@x.com,A\n,\nb@x.com,B,C,D", "email,name\na@x.com,A\n,\n"),
        ('email,note\nbad,"two\nlines"\na@x.com,"two\nlines"', 'email,note\na@x.com,"two\nlines"'),
    ],
)
def test_leaving_out_what_is_bad_takes_just_that(text: str, left: str) -> None:
    assert read_people(text).without_bad() == left
    assert not read_people(left).bad


def test_duplicates_are_left_out_and_named() -> None:
    people = read_people("A@example.com, a@EXAMPLE.com, Anna <a@example.com>, b@example.com")
    assert addresses(people) == ["A@example.com", "b@example.com"]
    assert people.again == ("a@example.com", "a@example.com")
    assert read_people("email\na@x.com\nA@x.com").again == ("A@x.com",)


@pytest.mark.parametrize(
    "text",
    [
        "email,name,company\nhong@example.com,홍길동,한빛\nmina@example.com,Mina,",
        "\ufeffemail;name;company\r\nhong@example.com;홍길동;한빛\r\nmina@example.com;Mina;\r\n",
        "company\tE-Mail Address\tName\n한빛\thong@example.com\t홍길동\n\tmina@example.com\tMina",
        '"name","Email","company"\n"홍길동","hong@example.com","한빛"\n\n"Mina","mina@example.com"\n,,\n',
        "이메일,이름,company\n홍길동 <hong@example.com>,,한빛\nmina@example.com,Mina,",
        "who,company,name\nhong@example.com,한빛,홍길동\nmina@example.com,,Mina",
    ],
)
def test_a_table_is_read_whatever_its_separator_and_the_order_of_its_columns(text: str) -> None:
    people = read_people(text)
    assert people.bad == ()
    assert [(person.mailbox.address, person.mailbox.name) for person in people.found] == [
        ("hong@example.com", "홍길동"),
        ("mina@example.com", "Mina"),
    ]
    assert [person.cells.get("company", "") for person in people.found] == ["한빛", ""]
    name = column_for("name", people.columns)
    assert name
    assert [person.cells[name] for person in people.found] == ["홍길동", "Mina"]


def test_of_several_words_for_an_address_the_clearest_is_its_column() -> None:
    people = read_people("주소,이메일\n서울,a@example.com")
    assert addresses(people) == ["a@example.com"]
    assert people.found[0].cells["주소"] == "서울"


@pytest.mark.parametrize(
    "text",
    [
        "anna\nben@example.com",  # a mistyped address, not a header
        "anna, ben\ncarl@example.com, dora@example.com",
        "Kim, A <a@example.com>\nb@example.com",
        "",
        "\n\n",
    ],
)
def test_a_list_is_not_taken_for_a_table(text: str) -> None:
    assert read_people(text).columns == ()


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("nobody,N,", "is not an email address"),
        (",Nobody,", "no address in this row"),
        ("a@example.com,Doe, Jane,Acme", "has 4 cells, the first line has 3"),
        ('"a@example.com,N,', "quotation mark"),
        ('a@example.com,"N"x,', "quotation mark"),
        (f"a@example.com,{'n' * 129},", "longer than 128"),
        ('a@example.com,"N\0",', "invisible"),
        ('a@example.com,"Ann\nb@example.com,Bob\nc@example.com,Carl",', "quotation mark"),
    ],
)
def test_a_bad_row_is_named_with_its_line_and_the_others_are_kept(row: str, said: str) -> None:
    people = read_people(f'email,name,company\nfirst@example.com,"Two\nlines",\n{row}\nlast@example.com,L,')
    assert addresses(people) == ["first@example.com", "last@example.com"]
    [bad] = people.bad
    assert bad.line == 4
    assert said in str(bad.why)


@pytest.mark.parametrize(
    ("variable", "columns", "column"),
    [
        ("company", ["Company", "company"], "company"),
        ("company_name", ["email", "Company name"], "Company name"),
        ("회사", ["이메일", "회사"], "회사"),
        ("name", ["이름"], "이름"),
        ("name", ["성명", "Name"], "Name"),
        ("name", ["이메일", "성함"], "성함"),
        ("email", ["email"], "email"),
        ("date", ["이메일", "일시"], "일시"),
        ("event", ["행사명", "event"], "event"),
        ("place", ["email", "장소"], "장소"),
        ("company", ["email", "firm"], None),
        ("name", [], None),
    ],
)
def test_a_variable_finds_its_column(variable: str, columns: list[str], column: str | None) -> None:
    assert column_for(variable, columns) == column


HOSTILE = ['"', "<", '\\"', '"a', ",", 'a@"', "<>", "\\", '"\n', 'x","\n', "a\n", '""\n', ",,\n", "\t@\n"]


@pytest.mark.parametrize("unit", HOSTILE)
@pytest.mark.parametrize("head", ["", "email,b\n"])
def test_a_hostile_paste_twice_as_long_takes_twice_the_calls(unit: str, head: str) -> None:
    def calls(size: int) -> int:
        counted = 0

        def count(_frame: FrameType, event: str, _what: object) -> None:
            nonlocal counted
            counted += event in ("call", "c_call")  # a generator that goes on is called, too

        before = sys.getprofile()
        read_people.cache_clear()
        sys.setprofile(count)
        try:
            read_people(head + unit * (size // len(unit)))
        finally:
            sys.setprofile(before)
        return counted

    read_people("warm@example.com")  # what is made once is not counted
    assert calls(4_000) < 2.5 * calls(2_000)  # quadratic: 4


@pytest.mark.parametrize("unit", ['"', "<", '\\"', '"a', 'a@"', "<>", "\\"])
def test_a_hostile_paste_without_an_end_costs_no_minute_within_one_call(unit: str) -> None:
    """What is quadratic inside a regular expression makes no more calls: it takes 250,000,000,000 steps here."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise AssertionError("a minute of computing for half a megabyte, which takes less than a second")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, 60)  # of this process alone, however busy the machine is
    try:
        read_people.cache_clear()
        read_people(unit * (500_000 // len(unit)))
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    people = read_people(text)
    for person in people.found:
        assert parse(f'"x" <{person.mailbox.address}>').key == person.mailbox.key
    assert all(str(bad.why) for bad in people.bad)


@given(st.lists(st.text(alphabet='a@x.com,;\t"\n<> 홍', max_size=30), max_size=6))
def test_any_table_is_read_or_refused_and_what_is_left_without_the_bad_is_good(rows: list[str]) -> None:
    text = "\n".join(["email,name", *rows])
    people = read_people(text)
    again = read_people(people.without_bad())
    assert not again.bad
    assert addresses(again) == addresses(people)


def test_a_first_line_of_thousands_of_cells_is_no_table() -> None:
    head = ",".join(["email", *(f"c{n}" for n in range(MOST_COLUMNS))])
    assert not read_people(f"{head}\na@example.com").columns
    assert read_people(f"{head.rpartition(',')[0]}\na@example.com").columns
