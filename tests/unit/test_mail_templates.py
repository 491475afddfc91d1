"""Templates on disk, and those that come with the app."""

import os
import re
import struct
import time
from pathlib import Path

import pytest

from app.mail import Mistake
from app.mail.styles import inline
from app.mail.templates import Templates

OWN = Path(__file__).parents[2] / "templates"


@pytest.fixture
def templates(tmp_path: Path) -> Templates:
    write(tmp_path, "email/hello", "Subject: Hello, {{ name }}\n\nDear {{ name }},\n{{ text }}\n", "<p>{{ text }}</p>")
    return Templates(tmp_path)


def write(root: Path, name: str, text: str, html: str) -> None:
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.with_suffix(".txt").write_text(text, "utf-8")
    file.with_suffix(".html").write_text(html, "utf-8")


def test_a_template_is_found_and_filled_in(templates: Templates) -> None:
    template = templates.get("email/hello")
    assert (template.name, template.subject, template.variables) == (
        "email/hello",
        "Hello, {{ name }}",
        ["name", "text"],
    )
    content = template.render({"name": "A & B", "text": "<3"})
    assert (content.subject, content.text, content.html) == ("Hello, A & B", "Dear A & B,\n<3", "<p>&lt;3</p>")


def test_names_are_sorted_and_have_both_files(templates: Templates) -> None:
    write(templates.root, "email/also", "Subject: a\n\n", "")
    write(templates.root, "email/team/deep", "Subject: a\n\n", "")
    (templates.root / "email/alone.txt").write_text("Subject: a\n\n")
    (templates.root / "page.html").write_text("")
    assert templates.names() == ["email/also", "email/hello", "email/team/deep"]


def test_what_is_left_out_is_known_and_why(templates: Templates) -> None:
    write(templates.root, "email/공지", "Subject: a\n\n", "")
    (templates.root / "email/alone.txt").write_text("Subject: a\n\n")
    (templates.root / "email/lonely.html").write_text("")
    (templates.root / "page.html").write_text("")
    assert [(file, str(why).partition("out: ")[2]) for file, why in templates.left_out()] == [
        ("email/alone.txt", "alone.html is missing beside it."),
        ("email/lonely.html", "lonely.txt is missing beside it."),
        ("email/공지.html", "a template’s name has letters from a to z, digits, _ and -."),
        ("email/공지.txt", "a template’s name has letters from a to z, digits, _ and -."),
    ]


@pytest.mark.parametrize(
    "name", ["", "hello", "email/none", "../email/hello", "email/../email/hello", "/etc/passwd", "a\0b"]
)
def test_there_is_no_template_of_another_name(templates: Templates, name: str) -> None:
    templates.get("email/hello")
    with pytest.raises(Mistake, match="There is no template named"):
        templates.get(name)


def test_a_template_is_read_once_and_again_when_it_changes(templates: Templates) -> None:
    first = templates.get("email/hello")
    assert templates.get("email/hello") is first
    write(templates.root, "email/hello", "Subject: New\n\nnew", "<p>new</p>")
    os.utime(templates.root / "email/hello.txt", ns=(1, 1))
    time.sleep(Templates.SEEN)
    assert templates.get("email/hello").subject == "New"
    (templates.root / "email/hello.html").unlink()
    time.sleep(Templates.SEEN)
    with pytest.raises(Mistake, match="no template"):
        templates.get("email/hello")


def test_missing_values_are_named(templates: Templates) -> None:
    template = templates.get("email/hello")
    assert template.missing({"name": "A"}) == ["text"]
    assert template.missing({"name": None, "text": ""}) == ["name"]
    with pytest.raises(Mistake, match=r"needs a value for name, text\."):
        template.render({})


def test_another_subject_can_be_given(templates: Templates) -> None:
    template = templates.get("email/hello")
    content = template.render({"name": "A", "text": "t", "place": "<Seoul>"}, subject=" {{ place }}\n & {{ name }} ")
    assert content.subject == "<Seoul> & A"
    assert template.missing({"name": "A", "text": "t"}, subject="{{ place }}") == ["place"]


def test_another_subject_needs_its_own_names_only(templates: Templates) -> None:
    write(templates.root, "email/hello", "Subject: {{ old }}\n\ntext", "<p>text</p>")
    assert templates.get("email/hello").render({}, subject="Hi").subject == "Hi"


@pytest.mark.parametrize(
    ("subject", "sentence"),
    [(" ", "write a subject"), ("a" * 256, "longer than 255"), ("a\0", "invisible"), ("{% if %}", "plain fields")],
)
def test_a_subject_that_cannot_be_sent_is_refused(templates: Templates, subject: str, sentence: str) -> None:
    with pytest.raises(Mistake, match=sentence):
        templates.get("email/hello").render({"name": "A", "text": "t"}, subject=subject)


@pytest.mark.parametrize(
    ("text", "html", "reason"),
    [
        ("Hello\n\ntext", "", r"must begin with “Subject: …”"),
        ("Subject: a\ntext", "", "an empty line"),
        ("Subject: a\n\n1\n{{ a b }}", "", r"hello\.txt, line 4:"),
        ("Subject: a\n\n", "<style>p {}</style>\n<p>{% set a = 1 %}", r"hello\.html, line 2: “assign” is not allowed"),
        ("Subject: a\n\n", "<style>p { color: {{ a }} }</style>", "no place for it"),
        ("Subject: a\n\n", '<img src="cid:none.png">', r"no image images/none\.png"),
        ("Subject: a\n\n", '<img src="cid:a.svg">', "not a PNG"),
    ],
)
def test_a_template_with_a_mistake_says_which(templates: Templates, text: str, html: str, reason: str) -> None:
    write(templates.root, "email/hello", text, html)
    with pytest.raises(Mistake, match=f"The template email/hello has a mistake: .*{reason}"):
        templates.get("email/hello")


def test_only_images_that_the_html_shows_are_taken(templates: Templates) -> None:
    images = templates.root / "email/images"
    images.mkdir()
    for name in ("a.png", "b.png"):
        (images / name).write_bytes(name.encode())
    write(templates.root, "email/hello", "Subject: a\n\n", '<img src="cid:a.png"><img src="cid:a.png">')
    content = templates.get("email/hello").render({})
    assert [(image.name, image.type, image.data) for image in content.images] == [("a.png", "image/png", b"a.png")]
    assert content.html.count(f"cid:{content.images[0].cid}") == 2


def test_styles_are_written_into_the_elements_and_tags_stay() -> None:
    source = (
        "<html><head><style>p { color: red } @media (x) { p { color: blue } }</style></head><body>"
        '{% if a > 1 and b < "2" %}<p class="{% if c %}d{% endif %}" title="{{ e|default("&") }}">{{ f & g }}</p>'
        "{% endif %}<table><tbody>{% for r in rows %}<tr><td>{{ r }}</td></tr>{# a < b #}{% endfor %}</tbody></table>"
        "</body></html>"
    )
    inlined = inline(source)
    tags = re.compile(r"\{[{%#].*?[}%#]\}")
    assert tags.findall(inlined) == tags.findall(source)
    assert 'style="color: red;">{{ f & g }}</p>' in inlined
    assert "<tbody>{% for r in rows %}<tr>" in inlined
    assert "@media (x)" in inlined
    assert "p { color: red }" not in inlined


def test_the_templates_that_come_with_the_app() -> None:
    templates = Templates(OWN)
    assert {"email/reminder", "email/welcome"} <= set(templates.names())
    assert templates.get("email/welcome").variables == ["name"]
    for name in templates.names():
        template = templates.get(name)
        content = template.render({variable: f"<{variable}>" for variable in template.variables})
        assert all(f"<{variable}>" in content.text for variable in template.variables)
        assert all(f"&lt;{variable}&gt;" in content.html for variable in template.variables)
        assert "://" not in content.html + content.text


def test_the_logo_is_a_small_png() -> None:
    (logo,) = Templates(OWN).get("email/welcome").images
    assert logo.data.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", logo.data[16:24]) == (112, 112)
    assert len(logo.data) <= 4096
