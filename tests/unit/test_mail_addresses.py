"""What people type and paste as recipients."""

import re
from time import process_time

import email_validator
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.mail import Mistake
from app.mail.addresses import Mailbox, is_address, parse


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


@given(
    st.from_regex(r"[a-z0-9]{1,3}([._+-][a-zA-Z0-9]{1,3}){0,2}", fullmatch=True),
    st.from_regex(r"[a-zA-Z0-9.\[\]\"' _-]{0,12}(\.(com|local|arpa|kr|한국))?", fullmatch=True).map(str.strip),
)
def test_the_short_way_for_plain_addresses_says_what_the_library_says(local: str, domain: str) -> None:
    try:
        said = email_validator.validate_email(f"{local}@{domain}", check_deliverability=False, strict=True).ascii_email
    except email_validator.EmailNotValidError:
        said = None
    assert is_address(f"{local}@{domain}") == (said is not None)
    assert said is None or parse(f"{local}@{domain}").address == said


@pytest.mark.parametrize("name", ["anna", "Anna"])
def test_a_domain_that_only_looks_like_another_is_refused_however_it_is_spelled(name: str) -> None:
    assert not is_address(f"{name}@xn--pple-43d.com")  # its first letter is Cyrillic
    assert is_address(f"{name}@xn--vv4b11d.xn--3e0b707e")


def test_spaces_without_end_are_read_in_no_time() -> None:
    with pytest.raises(Mistake):
        parse("<" + " " * 520 + ">x")
    began = process_time()
    for _ in range(200):
        is_address("<" + " " * 520 + ">x")
    assert process_time() - began < 2  # seconds; looked at from each space anew, it was forty


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


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hong.example.com", "no @"),
        ("hong@@example.com", "more than one @"),
        ("a@b.com@c.com", "more than one @"),
        ("@example.com", "missing before or after"),
        ("hong@", "missing before or after"),
        ("hong gil@example.com", "a space"),
        ("hong@example", "a domain, like"),
        (f"{'a' * 65}@example.com", "longer than 64"),
        ("hong@exam_ple.com", "write it like"),
        ("hong@ex\u0430mple.com", "“\u0430” in “hong@ex\u0430mple.com” is a letter of another alphabet"),
        ("h\u03bfng@example.com", "“\u03bf” in"),
    ],
)
def test_what_is_wrong_is_said(text: str, said: str) -> None:
    with pytest.raises(Mistake, match=re.escape(said)):
        parse(text)


def test_an_address_all_in_another_alphabet_is_one() -> None:
    assert parse("почта@пример.рф").address == "почта@пример.рф"
