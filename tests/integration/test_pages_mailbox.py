"""The built-in mailbox's pages: any mail can be looked at, and none can do anything."""

import time
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path

import pytest
from quart.typing import TestClientProtocol as Client

from app.config import Settings
from app.web import create_app
from tests.integration.test_pages_history import page_of

PIXEL = bytes.fromhex("89504e470d0a1a0a")


def put(settings: Settings, raw: bytes, number: int = 1) -> str:
    """A mail as the mailbox keeps it; its name."""
    folder = settings.var / "mailbox"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{time.time_ns():020d}-{number}.eml"
    path.write_bytes(b"X-Envelope-From: postdate@example.com\r\nX-Envelope-To: anna@example.com\r\n" + raw)
    return path.stem


def mail(html: str = '<h1>Hi</h1><img src="cid:logo@x"><script>alert(1)</script>') -> bytes:
    message = EmailMessage()
    message["From"] = "Postdate <postdate@example.com>"
    message["To"] = "홍길동 <hong@example.com>"
    message["Subject"] = "안녕하세요 <b>"
    message.set_content("Plain & simple")
    message.add_alternative(html, subtype="html")
    message.get_payload()[1].add_related(PIXEL, "image", "png", cid="<logo@x>")  # type: ignore[index, union-attr]
    return message.as_bytes()


async def test_an_empty_mailbox_says_what_it_is_for(person: Client) -> None:
    assert "No mail yet" in await page_of(person, "/mailbox")


async def test_the_newest_is_first(person: Client, settings: Settings) -> None:
    older, newer = put(settings, mail()), put(settings, mail(), 2)
    page = await page_of(person, "/mailbox")
    assert page.index(newer) < page.index(older)
    assert "안녕하세요 &lt;b&gt;" in page
    assert "anna@example.com" in page


async def test_a_mail_is_shown_as_html_as_text_and_as_it_was_sent(person: Client, settings: Settings) -> None:
    name = put(settings, mail())
    page = await page_of(person, f"/mailbox/{name}")
    assert f'src="/mailbox/{name}/html" sandbox="allow-popups' in page
    assert "Plain &amp; simple" in await page_of(person, f"/mailbox/{name}?view=text")
    assert "X-Envelope-To: anna@example.com" in await page_of(person, f"/mailbox/{name}?view=source")


async def test_the_frame_runs_nothing_and_fetches_nothing(person: Client, settings: Settings) -> None:
    answer = await person.get(f"/mailbox/{put(settings, mail())}/html")
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox allow-popups")
    assert "allow-scripts" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert '<img src="data:image/png;base64,iVBORw0KGgo=">' in await answer.get_data(as_text=True)


@pytest.mark.parametrize(
    "name", ["../secret_key", "..%2Fsecret_key", "%2e%2e/secret_key", "0" * 20 + "-1", "x", "0" * 20 + "-1%00", "~"]
)
async def test_no_name_leads_anywhere_else(person: Client, settings: Settings, name: str) -> None:
    settings.var.mkdir(exist_ok=True)
    (settings.var / "secret_key.eml").write_text("Subject: secret")
    for path in (f"/mailbox/{name}", f"/mailbox/{name}/html"):
        assert "secret</h1>" not in await page_of(person, path, 404)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\r\n\r\n",
        b"no header at all",
        b"Subject: =?utf-8?b?!!!?=\r\nFrom: =?x-nonsense?q?a?=\r\n\r\nbody",
        b"Subject: =?utf-8?q?a=0D=0ABcc:_x@y?=\r\n\r\nbody",
        b"Content-Type: text/html; charset=nonsense\r\n\r\n<p>\xff\xfe</p>",
        b'Content-Type: text/html; charset="\xff"\r\n\r\n<p>\xff\xfe</p>',
        b"Content-Type: multipart/mixed\r\n\r\nno boundary",
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: text/plain\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n!!!\r\n--x--",
        b"Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ntext",
        b"From: " + b"<" * 5000 + b"\r\nSubject: \xec\x95\x88\r\nDate: never\r\n\r\n\x00\x01",
    ],
)
async def test_no_mail_is_too_odd_to_be_looked_at(person: Client, settings: Settings, raw: bytes) -> None:
    name = put(settings, raw)
    await page_of(person, "/mailbox")
    for view in ("html", "text", "source"):
        await page_of(person, f"/mailbox/{name}?view={view}")
    await page_of(person, f"/mailbox/{name}/html")


async def test_there_is_no_mailbox_where_mail_goes_out(settings: Settings, tmp_path: Path) -> None:
    outside = replace(settings, smtp_url="smtps://user:password@mail.example.com", mail_stays_here=False)
    assert "mailbox" not in create_app(outside).blueprints


async def test_strangers_read_no_mail(stranger: Client, settings: Settings) -> None:
    name = put(settings, mail())
    for path in ("/mailbox", f"/mailbox/{name}", f"/mailbox/{name}/html"):
        assert (await stranger.get(path)).status_code == 303


async def test_an_address_in_utf_8_is_shown_as_it_is(person: Client, settings: Settings) -> None:
    name = put(settings, "From: 민수@example.com\r\nSubject: 안녕\r\n\r\nbody".encode())
    page = await page_of(person, f"/mailbox/{name}")
    assert "민수@example.com" in page
    assert "안녕" in page


ODD_MAILS = [
    b"Subject: =?utf-8?b?abcde?=\r\n\r\nx",
    b"Subject: =?raw_unicode_escape?q?\\ud800?=\r\n\r\nx",
    b"Content-Type: text/plain; charset=idna\r\n\r\n\xff",
    b"Content-Type: text/plain; charset=undefined\r\n\r\nx",
    b"Content-Type: text/plain; charset=utf-7\r\n\r\n+2AA-",
    b"Content-Type: text/html; charset=raw_unicode_escape\r\n\r\n\\ud800",
    b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(3000)),
]


@pytest.mark.parametrize("raw", ODD_MAILS, ids=range(len(ODD_MAILS)))
async def test_a_hostile_mail_breaks_neither_the_list_nor_its_own_page(
    person: Client, settings: Settings, raw: bytes
) -> None:
    name = put(settings, raw)
    for path in ("/mailbox", f"/mailbox/{name}", f"/mailbox/{name}?view=text", f"/mailbox/{name}/html"):
        assert (await person.get(path)).status_code in (200, 404), path
