"""Every sentence is there in Korean, none is left over; moments and spans read as people write them."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po

from app.mail import Mistake
from app.web import i18n

ROOT = Path(__file__).parents[2]
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "N_": None}
NOON = datetime(2026, 12, 8, 0, 0, tzinfo=UTC)


def sentences() -> Iterator[str]:
    """Every msgid in the code and the pages."""
    sources = [("python", path) for path in ROOT.glob("app/**/*.py")]
    sources += [("jinja2", path) for path in ROOT.glob("templates/*.html")]
    for method, path in sources:
        for _, found, _, _ in extract_from_file(method, path, keywords=KEYWORDS):
            yield found if isinstance(found, str) else found[0]


def singular(message: Message) -> str:
    """What is looked up: of a sentence that counts something, how it is said of one."""
    return str(message.id if isinstance(message.id, str) else message.id[0])


@pytest.fixture(scope="module")
def korean() -> Catalog:
    with (i18n.CATALOGUES / "ko.po").open("rb") as file:
        return read_po(file, locale="ko", abort_invalid=True)


@pytest.fixture(autouse=True)
def english_afterwards() -> Iterator[None]:
    yield
    i18n.speak("en")


def test_every_sentence_is_there_in_korean_and_certain(korean: Catalog) -> None:
    said = {singular(message) for message in korean if message.string and not message.fuzzy}
    assert sorted(set(sentences()) - said) == []


def test_no_korean_sentence_is_left_over(korean: Catalog) -> None:
    assert sorted({singular(message) for message in korean if message.id} - set(sentences())) == []
    assert not korean.obsolete


def test_no_sentence_is_translated_twice() -> None:
    written = re.findall(r'^msgid "(.+)"$', (i18n.CATALOGUES / "ko.po").read_text(), re.MULTILINE)
    assert sorted({each for each in written if written.count(each) > 1}) == []


def test_every_translation_has_the_places_of_its_original(korean: Catalog) -> None:
    def places(text: object) -> set[str]:
        return set(re.findall(r"\{(\w+)\}", str(text)))

    wrong = [message.id for message in korean if message.id and places(message.id) != places(message.string)]
    assert wrong == []


def test_a_mistake_within_a_mistake_is_said_in_the_language_in_use() -> None:
    i18n.speak("ko")
    mistake = Mistake("Line {line}: {why}", line=3, why=Mistake("There is no address in this row."))
    assert i18n.translate(mistake) == "3번째 줄: 이 줄에 주소가 없습니다."
    assert str(mistake) == "Line 3: There is no address in this row."


def test_a_mistake_is_said_in_the_language_in_use() -> None:
    mistake = Mistake("There is no template named {name}.", name="{x} <b>")
    assert i18n.translate(mistake) == "There is no template named {x} <b>."
    i18n.speak("ko")
    assert i18n.translate(mistake) == "{x} <b>(이)라는 템플릿이 없습니다."


@pytest.mark.parametrize(
    ("language", "expected"),
    [("en", "Tue 8 Dec 2026, 09:00 Asia/Seoul"), ("ko", "2026년 12월 8일 (화) 09:00 Asia/Seoul")],
)
def test_a_moment_has_24_hours_and_its_zone(language: str, expected: str) -> None:
    i18n.speak(language)
    assert i18n.moment(NOON, "Asia/Seoul") == expected


@pytest.mark.parametrize(
    ("seconds", "english", "korean"),
    [
        (0, "now", "지금"),
        (0.9, "now", "지금"),
        (14 * 60 + 20, "in 14 minutes", "14분 후"),
        (-3 * 3600 - 5, "3 hours ago", "3시간 전"),
        (-1, "1 second ago", "1초 전"),
        (15 * 86400 + 60, "in 15 days", "15일 후"),
        (400 * 86400, "in 400 days", "400일 후"),
    ],
)
def test_a_span_has_one_unit_and_no_weeks(seconds: float, english: str, korean: str) -> None:
    assert i18n.relative(NOON + timedelta(seconds=seconds), NOON) == english
    i18n.speak("ko")
    assert i18n.relative(NOON + timedelta(seconds=seconds), NOON) == korean


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.2, "1 second"), (12.4, "12 seconds"), (150, "2 minutes"), (5400, "2 hours"), (1e6, "12 days")],
)
def test_how_long_something_takes_has_one_unit(seconds: float, said: str) -> None:
    assert i18n.span(seconds) == said


def test_one_recipient_is_named_and_the_others_are_counted() -> None:
    assert i18n.people("anna@example.com", 1) == "anna@example.com"
    assert i18n.people("anna@example.com", 3) == "anna@example.com and 2 more"
