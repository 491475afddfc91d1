"""What people type and paste as recipients."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.mail import Mistake
from app.mail.addresses import Mailbox, parse, parse_many


@pytest.mark.parametrize(
    ("text", "mailbox"),
    [
        ("a@example.com", Mailbox("a@example.com")),
        ("  a@example.com\t", Mailbox("a@example.com")),
        ("<a@example.com>", Mailbox("a@example.com")),
        ("홍길동 <hong@example.com>", Mailbox("hong@example.com", "홍길동")),
        ("홍길동<hong@example.com>", Mailbox("hong@example.com", "홍길동")),
        ('"Kim, A." <a@example.com>', Mailbox("a@example.com", "Kim, A.")),
        (r'"Kim \"JJ\" Lee" <a@example.com>', Mailbox("a@example.com", 'Kim "JJ" Lee')),
        ("O'Neil (work) <a@example.com>", Mailbox("a@example.com", "O'Neil (work)")),
        ("b@example.com <a@example.com>", Mailbox("a@example.com", "b@example.com")),
        ("First.Last+tag@EXAMPLE.com", Mailbox("First.Last+tag@example.com")),
        ("user@예시.한국", Mailbox("user@xn--vv4b11d.xn--3e0b707e")),
        ("홍@예시.한국", Mailbox("홍@예시.한국")),
    ],
)
def test_an_address_is_read(text: str, mailbox: Mailbox) -> None:
    assert parse(text) == mailbox


@pytest.mark.parametrize("domain", ["example.com", "mail.example", "a.test", "a.invalid"])
def test_domains_reserved_for_tests_are_accepted(domain: str) -> None:
    assert parse(f"a@{domain}").address == f"a@{domain}"


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "a",
            "@",
            "a@",
            "@example.com",
            "a@b",
            "a@localhost",
            "a@b.localhost",
            "a b@example.com",
            "a@exam ple.com",
        ),
        *("a@example.com b@example.com", "a@example..com", ".a@example.com", "a@[127.0.0.1]", '"a b"@example.com'),
        *("a\u200b@example.com", "a@example.com>", "=?utf-8?q?x?=@example.com", f"{'a' * 65}@example.com"),
        *(f"a@{'b' * 64}.com", f"a@{'.'.join(['b' * 60] * 5)}.com", "a" * 100_000, "Name <>", "Name <a@b>"),
    ],
)
def test_what_is_no_address_is_refused_with_a_sentence_that_names_it(text: str) -> None:
    with pytest.raises(Mistake) as caught:
        parse(text)
    assert text.strip()[:20] in str(caught.value).replace("\ufffd", "\u200b")
    assert len(str(caught.value)) < 160


@pytest.mark.parametrize("character", [*"\r\n\t\0\x0b\x0c\x1b\x7f", "\x85", "\x9f", "\u2028", "\u2029", "\ud800"])
@pytest.mark.parametrize(
    "text", ["a{}b@example.com", "Na{}me <a@example.com>", '"N{}" <a@example.com>', "a@ex{}am.com"]
)
def test_control_characters_are_refused(text: str, character: str) -> None:
    with pytest.raises(Mistake, match="invisible"):
        parse(text.format(character))


def test_a_name_may_have_128_characters() -> None:
    assert parse(f"{'가' * 128} <a@example.com>").name == "가" * 128
    with pytest.raises(Mistake, match="longer than 128"):
        parse(f"{'가' * 129} <a@example.com>")


def test_two_addresses_in_one_item_are_refused() -> None:
    with pytest.raises(Mistake, match="more than one"):
        parse("<a@example.com> <b@example.com>")


def test_a_decomposed_korean_name_is_composed() -> None:
    assert parse("\u1112\u1169\u11bc <a@example.com>").name == "홍"


def test_only_a_name_before_the_at_beyond_ascii_needs_smtputf8() -> None:
    assert parse("홍@예시.한국").needs_smtputf8
    assert not parse("홍 <hong@예시.한국>").needs_smtputf8


def test_a_mistake_can_be_translated() -> None:
    with pytest.raises(Mistake) as caught:
        parse("{nobody}")
    assert "{item}" in caught.value.text
    assert caught.value.params == {"item": "{nobody}"}
    assert str(caught.value).startswith("“{nobody}” is not")


def test_a_paste_box_is_split_at_lines_commas_and_semicolons() -> None:
    text = '\ufeffa@example.com, b@example.com;\r\n\n"Kim, A; B" <c@example.com>\r홍길동\t<d@example.com>,,\n'
    found, bad, duplicates = parse_many(text)
    assert [box.address[0] for box in found] == ["a", "b", "c", "d"]
    assert found[2].name == "Kim, A; B"
    assert (bad, duplicates) == ([], 0)


def test_a_bad_item_is_named_and_the_others_are_kept() -> None:
    found, bad, _ = parse_many('a@example.com\n"open quote <x@example.com>, y@example.com\nb@example.com; nobody')
    assert [box.address for box in found] == ["a@example.com", "b@example.com"]
    assert [item for item, _ in bad] == ['"open quote <x@example.com>, y@example.com', "nobody"]


def test_duplicates_are_left_out_and_counted() -> None:
    found, _, duplicates = parse_many("A@example.com, a@EXAMPLE.com, Anna <a@example.com>, b@example.com")
    assert [box.address for box in found] == ["A@example.com", "b@example.com"]
    assert duplicates == 2


@pytest.mark.parametrize("unit", ['"', "<", '\\"', '"a', ",", 'a@"', "<>", "\\"])
def test_a_hostile_paste_takes_linear_time(unit: str) -> None:
    def seconds(size: int) -> float:
        start = time.perf_counter()
        parse_many(unit * (size // len(unit)))
        return time.perf_counter() - start

    # Quadratic would be 64 times as long; the constant is for a busy machine.
    assert seconds(160_000) < 8 * 4 * min(seconds(20_000) for _ in range(3)) + 0.1


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    found, bad, _ = parse_many(text)
    for box in found:
        assert parse(f'"x" <{box.address}>').key == box.key
    assert all(str(mistake) for _, mistake in bad)
