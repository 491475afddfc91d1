"""Which values a template needs, and which may be missing: told from how it uses them."""

import pytest

from app.mail.sandbox import Part, subject_part

CAN_DO_WITHOUT = """
{{ memo|default("-") }}
{{ memo|d("-")|upper }}
{{ memo|default(default_value="-") }}
{% if memo %}{{ memo }}{% endif %}
{% if memo %}{{ memo|trim }} and {{ memo|first }}{% endif %}
{% if memo is defined %}{{ memo }}{% endif %}
{% if memo is undefined %}-{% else %}{{ memo }}{% endif %}
{% if not memo %}-{% else %}{{ memo }}{% endif %}
{% if not memo %}-{% elif memo == "xy" %}{{ memo }}{% endif %}
{% if memo and memo == "xy" %}{{ memo }}{% endif %}
{% if not memo or memo == "-" %}-{% else %}{{ memo }}{% endif %}
{{ memo if memo else "-" }}
{{ memo if memo }}
{{ "-" if not memo else memo }}
{{ memo or "-" }}
{{ memo and memo|upper }}
{% for each in memo %}{{ each }}{% else %}-{% endfor %}
{% if memo %}{% for each in memo %}{{ each }}{{ loop.index }}{% endfor %}{% endif %}
"""

NEEDS = """
{{ memo }}
{{ memo|upper }}
{{ memo.x|default("-") }}
{{ memo|trim|default("-") }}
{% if memo %}{{ memo }}{% endif %}{{ memo }}
{% if memo %}-{% else %}{{ memo }}{% endif %}
{% if memo or "" %}{{ memo }}{% endif %}
{% if memo == "x" %}-{% endif %}
{% if memo == "x" and memo %}-{% endif %}
{% if memo is none %}-{% else %}{{ memo }}{% endif %}
{{ "" or memo }}
{{ ""|default(memo) }}
{{ memo if 1 else "-" }}
{% for each in memo %}{{ each }}{% endfor %}
{% for each in memo %}{{ memo }}{% else %}-{% endfor %}
{% for memo in "ab" %}{{ memo }}{% endfor %}{{ memo }}
"""


@pytest.mark.parametrize("source", CAN_DO_WITHOUT.strip().splitlines())
@pytest.mark.parametrize("given", [{}, {"memo": None}], ids=["absent", "none"])
def test_what_is_made_up_for_may_be_missing(source: str, given: dict[str, None]) -> None:
    part = Part(source)
    assert (part.variables, part.needed) == (["memo"], [])
    assert part.render(given) in ("", "-")
    assert part.render({"memo": "xy"}) not in ("", "-")


@pytest.mark.parametrize("source", NEEDS.strip().splitlines())
def test_what_is_shown_anyhow_is_needed(source: str) -> None:
    assert Part(source).needed == ["memo"]


def test_empty_text_is_a_value() -> None:
    assert Part('[{{ memo|default("-") }}]').render({"memo": ""}) == "[]"


def test_a_subject_of_ones_own_can_do_without_too() -> None:
    part = subject_part('News{{ " for " if team }}{{ team|default("") }}, {{ name }}')
    assert (part.variables, part.needed) == (["team", "name"], ["name"])
    assert part.render({"name": "Anna"}) == "News, Anna"
