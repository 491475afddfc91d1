"""Writes a template's style sheet into its elements, since many mail readers know no style sheets."""

import re

import css_inline

_TAG = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
# In text the stand-in is a comment, in an attribute the serializer may have escaped its angle brackets.
_STAND_IN = re.compile(r"(?:<|&lt;)!--jinja(\d+)--(?:>|&gt;)")

# What cannot be written into an element, such as @media for dark screens, stays in the head.
_INLINER = css_inline.CSSInliner(keep_at_rules=True, load_remote_stylesheets=False)


def inline(source: str) -> str:
    """`source`, a whole HTML document with Jinja tags, with its `<style>` written into the elements.

    Tags are put aside as comments, which HTML allows anywhere, and put back as they were. Raises ValueError for a tag
    that would not come back exactly once and in its place, such as one inside of `<style>`. Loads nothing.
    """
    if "<style" not in source:
        return source
    tags: list[str] = _TAG.findall(source)
    numbers = iter(range(len(tags)))
    inlined = _INLINER.inline(_TAG.sub(lambda _: f"<!--jinja{next(numbers)}-->", source))
    if [int(number) for number in _STAND_IN.findall(inlined)] != list(range(len(tags))):
        raise ValueError("A tag stands where HTML has no place for it, such as inside of a style sheet.")
    return _STAND_IN.sub(lambda match: tags[int(match[1])], inlined)
