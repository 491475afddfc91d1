"""The bytes on the wire, read back by the standard library."""

import re
from datetime import UTC, datetime, timedelta, timezone
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.mail.addresses import CONTROLS, Mailbox
from app.mail.message import Content, Image, compose, encode_body, new_message_id

SENDER = Mailbox("news@example.com", "한빛 회관")
TO = Mailbox("kim@example.com", "Kim, A.")
CONTENT = Content("Hello", "Hello.\n", "<p>Hello.</p>\n")
DATE = datetime(2026, 12, 8, 9, 0, 5, tzinfo=timezone(timedelta(hours=9)))
ID = "<abc.1@example.com>"
LOGO = Image("logo.png", "image/png", bytes(range(256)) * 3)
NAMES = ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"]

ANY_TEXT = st.text(st.characters(codec="utf-8"))
HEADER_TEXT = st.text(st.characters(codec="utf-8").filter(lambda c: not CONTROLS.match(c)), max_size=300)
TRICKY = st.lists(
    st.sampled_from(["=?", "?=", "utf-8?q?", "a=0D=0A", " ", "  ", "홍", "😀", "x" * 80, '"', "\\", ",", ";", "<"])
)
HEADERS = HEADER_TEXT | TRICKY.map("".join)


def wire(content: Content = CONTENT, sender: Mailbox = SENDER, to: Mailbox = TO, **headers: str) -> bytes:
    return compose(content, sender, to, ID, DATE, {name.replace("_", "-"): text for name, text in headers.items()})


def read(data: bytes) -> EmailMessage:
    message = BytesParser(policy=policy.default).parsebytes(data)
    assert isinstance(message, EmailMessage)
    return message


def decoded(data: bytes, name: str) -> str:
    # The older reader: the newer one of Python 3.11.7 loses spaces beside encoded words.
    return str(make_header(decode_header(re.sub(r"\r\n(?=[ \t])", "", message_from_bytes(data)[name]))))


def test_the_fields_are_those_that_were_set() -> None:
    message = read(wire())
    assert message.keys() == NAMES
    assert message["From"].addresses[0].addr_spec == "news@example.com"
    assert message["From"].addresses[0].display_name == "한빛 회관"
    assert message["To"].addresses[0].display_name == "Kim, A."
    assert message["Subject"] == "Hello"
    assert message["Message-ID"] == ID
    assert message["Auto-Submitted"] == "auto-generated"


def test_the_date_keeps_its_zone() -> None:
    data = wire()
    assert b"\r\nDate: Tue, 08 Dec 2026 09:00:05 +0900\r\n" in data
    assert parsedate_to_datetime(read(data)["Date"]) == DATE


def test_a_date_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        compose(CONTENT, SENDER, TO, ID, DATE.replace(tzinfo=None))


def test_a_zone_with_seconds_becomes_utc() -> None:
    odd = DATE.astimezone(timezone(timedelta(seconds=30472)))
    data = compose(CONTENT, SENDER, TO, ID, odd)
    assert parsedate_to_datetime(read(data)["Date"]).astimezone(UTC) == DATE


def test_text_and_html_are_alternatives() -> None:
    message = read(wire(Content("S", "안녕\n", "<p>안녕</p>")))
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert [part.get_content() for part in message.iter_parts()] == ["안녕\r\n", "<p>안녕</p>\r\n"]


def test_images_are_related_to_the_html() -> None:
    message = read(wire(Content("S", "text", '<img src="cid:logo.png@inline">', (LOGO,))))
    text, related = message.iter_parts()
    html, image = related.iter_parts()
    assert [part.get_content_type() for part in (text, related, html, image)] == [
        *("text/plain", "multipart/related", "text/html", "image/png"),
    ]
    assert image["Content-ID"] == f"<{LOGO.cid}>"
    assert image.get_content_disposition() == "inline"
    assert image.get_content() == LOGO.data


def test_lines_end_with_crlf_and_are_short() -> None:
    data = wire(Content("제목 " * 40, "text " * 500 + "\n.\n..\r\n\rend", "<p>글</p>" * 500, (LOGO,)))
    assert data.count(b"\n") == data.count(b"\r") == data.count(b"\r\n")
    assert data.endswith(b"\r\n")
    assert max(map(len, data.split(b"\r\n"))) <= 78


def test_ascii_stays_readable() -> None:
    assert b"\r\nHello.\r\n" in wire()


@pytest.mark.parametrize(
    "subject",
    [
        *("Hello", "안녕하세요", "가" * 255, "a" * 255, "word " * 50 + "end", "x" * 1200, " a", "a ", "a  b", ""),
        *("=?utf-8?q?a=0D=0ABcc:_x@y?=", "=?", "a =?utf-8?b?4pyT?= b", "😀" * 100, "Subject: Bcc: x", "a\u200bb"),
    ],
)
def test_a_subject_comes_back_as_it_was(subject: str) -> None:
    data = wire(Content(subject, "", ""))
    assert read(data).keys() == NAMES
    assert decoded(data, "Subject") == subject


def test_a_long_ascii_subject_is_folded_at_spaces() -> None:
    data = wire(Content("one two three four five " * 10 + "end", "", ""))
    field = data.split(b"Subject: ")[1].split(b"\r\nDate")[0]
    assert b"=?" not in field
    assert len(field.split(b"\r\n")) == 4
    assert all(len(line) <= 78 for line in (b"Subject: " + field).split(b"\r\n"))


@pytest.mark.parametrize("character", [*"\r\n\0\t\x0b\x7f", "\x85", "\u2028", "\u2029", "\ud800"])
def test_control_characters_are_refused_in_every_field(character: str) -> None:
    text = f"a{character}Bcc: x@example.com"
    for attempt in (
        lambda: wire(Content(text, "", "")),
        lambda: wire(to=Mailbox("a@example.com", text)),
        lambda: wire(to=Mailbox(f"a{character}@example.com")),
        lambda: wire(sender=Mailbox("a@example.com", text)),
        lambda: wire(X_Note=text),
        lambda: compose(CONTENT, SENDER, TO, f"<a{character}@b>", DATE),
        lambda: compose(CONTENT, SENDER, TO, ID, DATE, {f"X-{character}": "a"}),
    ):
        with pytest.raises(ValueError):  # noqa: PT011 - which sentence it is does not matter here
            attempt()


@pytest.mark.parametrize(
    "name", ["Bcc", "bcc", "BCC", "To", "Cc", "Content-Type", "Resent-Bcc", "Subject", "", "X Y", "X:"]
)
def test_fields_of_its_own_and_bcc_cannot_be_set(name: str) -> None:
    with pytest.raises(ValueError, match="not a header field"):
        compose(CONTENT, SENDER, TO, ID, DATE, {name: "x@example.com"})


def test_a_long_field_name_leaves_room_for_its_text() -> None:
    assert decoded(compose(CONTENT, SENDER, TO, ID, DATE, {"X" * 40: "😀" * 30}), "X" * 40) == "😀" * 30
    with pytest.raises(ValueError, match="not a header field"):
        compose(CONTENT, SENDER, TO, ID, DATE, {"X" * 41: "a"})


def test_further_fields_are_written_as_they_are() -> None:
    link = f"<https://example.com/{'u' * 120}>"
    data = wire(List_Unsubscribe=link, Reply_To="office@example.com")
    assert b"\r\nList-Unsubscribe: " + link.encode() + b"\r\n" in data
    assert read(data)["Reply-To"] == "office@example.com"


@pytest.mark.parametrize("address", ["a", "a@b@c", "a b@c", "<a@b>", "a@b>,<c@d", "=?utf-8?q?x?=@example.com", ""])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="not an address"):
        wire(to=Mailbox(address))


@pytest.mark.parametrize(
    "message_id", ["", "a@b", "<a>", "<a@b> <c@d>", "<a@b>\r\nBcc: x", "<=?a?=@b>", f"<{'a' * 300}@b>"]
)
def test_what_is_no_message_id_is_refused(message_id: str) -> None:
    with pytest.raises(ValueError, match="Message-ID"):
        compose(CONTENT, SENDER, TO, message_id, DATE)


def test_each_message_id_is_new_and_can_be_sent() -> None:
    ids = {new_message_id("예시.한국"), new_message_id("example.com"), new_message_id("example.com")}
    assert len(ids) == 3
    assert all(compose(CONTENT, SENDER, TO, each, DATE) for each in ids)


def test_all_bytes_are_ascii_unless_an_address_needs_smtputf8() -> None:
    assert wire(Content("제목", "글", "글", (LOGO,)), to=Mailbox("a@example.com", "홍길동")).isascii()
    data = wire(to=Mailbox("홍@예시.한국", "홍길동"))
    assert "<홍@예시.한국>".encode() in data
    assert read(data).keys() == NAMES


def test_a_body_is_encoded_once_for_equal_content() -> None:
    assert encode_body("a", "b") is encode_body("a", "b")


def test_no_part_can_contain_a_boundary() -> None:
    text = "--=_alternative\r\n--=_related--\r\n"
    message = read(wire(Content("S", text, text + "한", (Image("a.png", "image/png", text.encode()),))))
    plain, related = message.iter_parts()
    html, image = related.iter_parts()
    assert plain.get_content() == text
    assert html.get_content() == text + "한\r\n"
    assert image.get_content() == text.encode()


@given(HEADERS, HEADERS, HEADERS)
@settings(max_examples=80, deadline=None)
def test_any_header_text_comes_back_and_adds_no_field(subject: str, name: str, note: str) -> None:
    data = wire(Content(subject, "", ""), to=Mailbox("a@example.com", name), X_Note=note)
    assert read(data).keys() == [*NAMES[:6], "X-Note", *NAMES[6:]]
    assert max(map(len, data.split(b"\r\n"))) <= 998
    assert decoded(data, "Subject") == subject
    assert decoded(data, "X-Note") == note
    to = message_from_bytes(data)["To"]
    assert to.endswith("a@example.com>" if name else "a@example.com")


@given(st.text())
@settings(max_examples=50, deadline=None)
def test_any_text_at_all_comes_back_or_is_refused(subject: str) -> None:
    try:
        data = wire(Content(subject, "", ""))
    except ValueError:
        assert CONTROLS.search(subject)
    else:
        assert read(data).keys() == NAMES


@given(HEADERS.map(lambda text: " ".join(text.split())[:128]))
@settings(max_examples=80, deadline=None)
def test_any_name_comes_back(name: str) -> None:
    value = decoded(wire(to=Mailbox("a@example.com", name)), "To")
    phrase = value.removesuffix("a@example.com").removesuffix("<a@example.com>").rstrip()
    if phrase.startswith('"') and phrase != name:
        phrase = re.sub(r"\\(.)", r"\1", phrase[1:-1])
    assert phrase == name


@given(ANY_TEXT, ANY_TEXT)
@settings(max_examples=100, deadline=None)
def test_any_body_comes_back(text: str, html: str) -> None:
    parts = [part.get_payload(decode=True).decode() for part in read(wire(Content("S", text, html))).iter_parts()]
    assert parts == [re.sub("\r\n|\r|\n", "\r\n", each).removesuffix("\r\n") + "\r\n" for each in (text, html)]
