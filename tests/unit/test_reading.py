"""A mail as it is shown: its links lead away from the page, and its source says what was sent."""

from app.web.reading import read

MAIL = """Subject: x\r
Content-Type: text/html; charset=utf-8\r
\r
<a href="https://example.com" target="_top">here</a> <abbr>a</abbr> <AREA href="/x">"""


def test_a_link_opens_a_page_of_its_own() -> None:
    shown = read(MAIL.encode())
    apart = 'target="_blank" rel="noopener noreferrer"'
    assert shown.html == (
        f'<a {apart} href="https://example.com" target="_top">here</a> <abbr>a</abbr> <AREA {apart} href="/x">'
    )
    assert apart not in shown.source
