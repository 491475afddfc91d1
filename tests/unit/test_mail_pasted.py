"""Addresses as people paste them: understood where there is one way to, else refused."""

import pytest

from app.mail.addresses import parse
from app.mail.pasted import understood
from app.mail.people import read_people


@pytest.mark.parametrize(
    ("pasted", "meant"),
    [
        ("a@example.com", ["a@example.com"]),
        ("홍길동 hong@example.com", ["홍길동 <hong@example.com>"]),
        ("Anna Lee  anna@example.com", ["Anna Lee <anna@example.com>"]),
        ("anna\tanna@example.com", ["anna <anna@example.com>"]),
        ("hong@example.com 홍길동", ["홍길동 <hong@example.com>"]),
        ('"Lee, Anna" anna@example.com', ['"Lee, Anna" <anna@example.com>']),
        ("홍길동(hong@example.com)", ["홍길동 <hong@example.com>"]),
        ("홍길동 (hong@example.com)", ["홍길동 <hong@example.com>"]),
        ("(hong@example.com)", ["hong@example.com"]),
        ("hong@example.com.", ["hong@example.com"]),
        ("mailto:hong@example.com?subject=Hi", ["hong@example.com"]),
        ("MAILTO:hong@example.com", ["hong@example.com"]),
        ("Hong <mailto:hong@example.com>", ["Hong <hong@example.com>"]),
        ("홍길동 <hong@example.com", ["홍길동 <hong@example.com>"]),
        ("- a@example.com", ["a@example.com"]),
        ("12. a@example.com", ["a@example.com"]),
        ("Room 3. Floor <a@example.com>", ["Room 3. Floor <a@example.com>"]),
        ("• Anna <a@example.com>", ["Anna <a@example.com>"]),
        ("a@example.com b@example.com", ["a@example.com", "b@example.com"]),
        ("ｈｏｎｇ＠ｅｘａｍｐｌｅ．ｃｏｍ", ["hong@example.com"]),
        ("\u200ba@example.com\ufeff", ["a@example.com"]),
        ("\u3000a@example.com\xa0", ["a@example.com"]),
        ("Anna <a@example.com>", ["Anna <a@example.com>"]),
        ("b@example.com <a@example.com>", ["b@example.com <a@example.com>"]),
    ],
)
def test_it_is_understood(pasted: str, meant: list[str]) -> None:
    assert understood(pasted) == meant
    assert [parse(each) for each in understood(meant[0])] == [parse(meant[0])], "what is shown means the same again"


@pytest.mark.parametrize(
    "pasted",
    [
        "Anna",
        "Bcc: eve@example.com",
        "hong gildong@example.com",
        "Anna a@example.com Ben b@example.com",
        "a @ example.com",
        "<a@b.org> c@d.org",
    ],
)
def test_what_can_be_meant_in_two_ways_is_refused(pasted: str) -> None:
    assert len(read_people(pasted).bad) == 1


def test_people_are_parted_by_marks_of_full_width_as_well() -> None:
    people = read_people("a@example.com，b@example.com；c@example.com、d@example.com\n홍길동 f@example.com")
    assert [person.mailbox.address[0] for person in people.found] == [*"abcdf"]
    assert people.entries[-1] == ("홍길동 <f@example.com>", None)


def test_of_several_in_one_item_none_is_taken_where_one_is_bad() -> None:
    people = read_people("a@example.com b@example, c@example.com")
    assert [person.mailbox.address[0] for person in people.found] == ["c"]
    assert people.without_bad().strip() == "c@example.com"


def test_a_cell_of_a_table_is_understood_too() -> None:
    people = read_people("email,name\nmailto:a@example.com,Anna\n")
    assert people.found[0].mailbox.address == "a@example.com"
