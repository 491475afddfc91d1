"""Sources that nobody has to trust."""

from contextlib import suppress

import pytest

from app.mail import Mistake
from app.mail.sandbox import LIMIT_KB, Part, SourceError, subject_part


def test_fields_are_filled_in() -> None:
    assert Part("{{ a }} {{ b.c[0] }} {{ d|default('-') }}").render({"a": "<1>", "b": {"c": [2]}, "d": 0}) == "<1> 2 0"


def test_html_is_escaped_and_text_is_not() -> None:
    assert Part("{{ a }}", html=True).render({"a": "<b>&"}) == "&lt;b&gt;&amp;"
    assert Part("{{ a }}").render({"a": "<b>&"}) == "<b>&"


def test_loops_and_conditions_work() -> None:
    source = (
        "{% for k, v in rows|items %}{{ loop.index }}{{ k }}={{ v }}{% if not loop.last %}, {% endif %}{% endfor %}"
    )
    assert Part(source).render({"rows": {"items": "1", "b": "2"}}) == "1items=1, 2b=2"
    assert Part("{% if a == 'x' and b is defined %}yes{% else %}no{% endif %}").render({"a": "x"}) == "no"


def test_variables_are_named_in_the_order_in_which_they_appear() -> None:
    source = "{{ z }}{% for row in rows %}{{ row.a }}{{ loop.index }}{{ y }}{% endfor %}{{ a|join(', ') }}{{ z }}"
    assert Part(source).variables == ["z", "rows", "y", "a"]


EXPRESSIONS = """
'a' * 300000000
'a' * 10 ** 9
9 ** 9 ** 9
'%200000000d'|format(1)
'%200000000d' % 1
'x'.ljust(300000000)
'x'.center(9)
'x'.rjust(9)
'x'.zfill(9)
'{:>999999999}'.format(1)
'a'|center(1000000000)
'a'|indent(1000000000)
'a'|wordwrap(1)
1|round(-1000000000)
a|safe
a|tojson
a|map('upper')
a|attr('b')
a|replace('', a)
a|join(a)
a|join('123456789012345678901')
a|join(*b)
a|truncate(a)
a|trim(a)
a ~ a
a + a
a / a
-a
[a, a]
(a, a)
{'a': a}
range(9)
range(10 ** 9)|list
lipsum()
cycler(1)
a()
a.b()
caller()
self
self._x
''.__class__.__mro__[1].__subclasses__()
a is sameas b
"""


@pytest.mark.parametrize("expression", EXPRESSIONS.strip().splitlines())
def test_what_could_grow_or_reach_out_is_refused(expression: str) -> None:
    with pytest.raises(SourceError):
        Part("{{ " + expression + " }}")
    with pytest.raises(Mistake, match="plain fields only"):
        subject_part("{{ " + expression + " }}")


STATEMENTS = """
{% include 'x' %}
{% import 'x' as x %}
{% from 'x' import y %}
{% extends 'x' %}
{% set a = 1 %}
{% macro m() %}{% endmacro %}
{% block b %}{% endblock %}
{% call x() %}{% endcall %}
{% filter upper %}{% endfilter %}
{% autoescape false %}{% endautoescape %}
{% with a=1 %}{% endwith %}
{% for a in b if a %}{% endfor %}
{% for a in b recursive %}{% endfor %}
{% if %}
{{ a
"""


@pytest.mark.parametrize("source", STATEMENTS.strip().splitlines())
def test_statements_outside_the_language_are_refused(source: str) -> None:
    with pytest.raises(SourceError):
        Part(source)


@pytest.mark.parametrize(
    ("left", "middle", "right"),
    [("(", "a", ")"), ("not ", "a", ""), ("", "a", "|upper"), ("a if a else ", "a", ""), ("", "a", "[0]")],
)
def test_deep_nesting_is_refused(left: str, middle: str, right: str) -> None:
    with pytest.raises(SourceError):
        Part("{{ " + left * 3000 + middle + right * 3000 + " }}")


def test_deep_loops_are_refused() -> None:
    with pytest.raises(SourceError):
        Part("{% for a in b %}" * 40 + "{% endfor %}" * 40)


@pytest.mark.parametrize(
    "source", ["{{ a.__class__ }}", "{{ a['__class__'] }}", "{{ a.upper }}", "{{ a.format }}", "{{ r.keys }}"]
)
def test_attributes_of_python_objects_are_no_fields(source: str) -> None:
    try:
        rendered = Part(source).render({"a": "x", "r": {}})
    except Mistake:
        return
    assert rendered.startswith("<function")  # a wrapped `format`, of no use without a call
    assert "format" in source


def test_the_size_is_limited_while_it_grows() -> None:
    nested = Part("{% for a in x %}{% for b in x %}{% for c in x %}0123456789{% endfor %}{% endfor %}{% endfor %}")
    with pytest.raises(Mistake, match=f"larger than {LIMIT_KB} KB"):
        nested.render({"x": "x" * 10_000})


def test_turns_that_write_nothing_are_counted() -> None:
    with pytest.raises(Mistake, match="larger"):
        Part("{% for a in x %}{% for b in x %}{% endfor %}{% endfor %}").render({"x": "x" * 100_000})


def test_the_limit_is_in_octets() -> None:
    assert Part("{{ a }}").render({"a": "x" * LIMIT_KB * 1024})
    with pytest.raises(Mistake, match="larger"):
        Part("{{ a }}").render({"a": "가" * (LIMIT_KB * 1024 // 3 + 1)})


@pytest.mark.parametrize("chain", ["|urlencode" * 40, "|e|title" * 20, "|join('12345678901234567890')" * 12])
def test_a_chain_of_filters_cannot_grow_without_end(chain: str) -> None:
    with suppress(Mistake):
        assert len(subject_part("{{ a" + chain + " }}").render({"a": "%<" * 500})) <= LIMIT_KB * 1024


@pytest.mark.parametrize(
    "value", [5, object(), {"a": 1}, (10**5000,), float("nan"), [[]]], ids=lambda value: type(value).__name__
)
def test_a_value_that_does_not_fit_is_a_mistake_of_the_values(value: object) -> None:
    part = Part("{% for k, v in x %}{% if k < 'a' %}{{ v }}{% endif %}{% endfor %}{{ x.y.z }}")
    with pytest.raises(Mistake, match="values"):
        part.render({"x": value})


def test_half_a_character_is_refused() -> None:
    with pytest.raises(Mistake, match="half a character"):
        Part("{{ a }}").render({"a": "\ud800"})


def test_a_mistake_names_its_line() -> None:
    with pytest.raises(SourceError) as caught:
        Part("a\nb\n{{ a b }}")
    assert caught.value.line == 3


@pytest.mark.parametrize("source", ["{% if a %}{{ a }}{% endif %}", "{{ a", "{{ '{%' }}", "{{ }}", "{% raw %}"])
def test_a_subject_has_plain_fields_only(source: str) -> None:
    with pytest.raises(Mistake, match="plain fields only"):
        subject_part(source)


def test_a_subject_has_a_limit() -> None:
    with pytest.raises(Mistake, match="too long"):
        subject_part("a" * 1001)


@pytest.mark.parametrize(
    "source",
    [
        "{{ name" + "|e" * 115 + " }}",
        "{{ name" + "[0]" * 80 + " }}",
        "{{ a.b" + ".c" * 60 + " }}",
        "{{ " + "not " * 240 + "a }}",
        "{{ a" + " and a" * 150 + " }}",
        "{{ a" + "==a" * 100 + " }}",
    ],
)
def test_a_subject_that_takes_long_to_compile_is_refused(source: str) -> None:
    with pytest.raises(Mistake, match="plain fields only"):
        subject_part(source)


def test_a_subject_may_have_dots_and_brackets_outside_its_fields() -> None:
    assert subject_part("News... (really) [1] | {{ name }}" + "." * 40).variables == ["name"]
