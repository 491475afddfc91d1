"""Fills in Jinja sources that nobody has to trust.

Jinja's sandbox keeps a template from reaching Python, but not from eating all memory and time. So the language itself
is small: fields, comparisons, `if`, `for`, and filters that cannot grow what they are given by much. There are no
calls, no arithmetic and no literals of lists, hence no expression that is much larger than its input; what loops can
add up to is counted while it is written.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache, wraps

import jinja2
from jinja2 import meta, nodes
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from app.mail import N_, Mistake
from app.mail.needs import needed

LIMIT_KB = 512
CANNOT_FILL = N_("The template cannot be filled in with these values: {reason}")
TOO_LARGE = N_("The message would be larger than {limit} KB.")
STEPS = 50_000
ARGUMENT_LIMIT = 20

# fmt: off
NODES = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.Getattr, nodes.Getitem,
    nodes.Slice, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.CondExpr, nodes.Filter,
    nodes.Test, nodes.Keyword, nodes.If, nodes.For, nodes.Tuple,
)
FILTERS = (
    "capitalize", "d", "default", "e", "escape", "first", "items", "join", "last", "length", "lower", "title",
    "trim", "truncate", "upper", "urlencode",
)
TESTS = (
    "boolean", "defined", "eq", "even", "false", "ge", "gt", "le", "lt", "mapping", "ne", "none", "number", "odd",
    "sequence", "string", "true", "undefined",
)
# fmt: on


def _bounded(function: Callable[..., object]) -> Callable[..., object]:
    # One filter multiplies by little, a chain of them by anything.
    @wraps(function)
    def bounded(*args: object, **kwargs: object) -> object:
        result = function(*args, **kwargs)
        if isinstance(result, str) and len(result) > LIMIT_KB * 1024:
            raise _too_large()
        return result

    return bounded


class _Sandbox(ImmutableSandboxedEnvironment):
    def __init__(self, autoescape: bool) -> None:
        super().__init__(autoescape=autoescape, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
        self.globals.clear()
        self.filters = {name: _bounded(self.filters[name]) for name in FILTERS}
        self.tests = {name: self.tests[name] for name in TESTS}

    def is_safe_attribute(self, obj: object, attr: str, value: object) -> bool:
        # Fields are data: items of mappings. The one object with attributes of use is the `loop` of a `for`.
        return isinstance(obj, LoopContext) and super().is_safe_attribute(obj, attr, value)


_HTML, _TEXT = _Sandbox(autoescape=True), _Sandbox(autoescape=False)


class SourceError(Exception):
    """A source that is not in the language. `line` counts from 1."""

    def __init__(self, reason: str, line: int = 1) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line


class Part:
    """A compiled source. `variables` are the names of the values that it shows, in the order in which they appear;
    `needed` are those without which it cannot be filled in.
    """

    def __init__(self, source: str, *, html: bool = False) -> None:
        """Compile `source`; values are escaped if it is `html`. Raises SourceError."""
        self.source = source
        environment = _HTML if html else _TEXT
        try:
            tree = environment.parse(source)
            _check(tree)
            self.variables = _variables(tree)
            must = needed(tree)
            self.needed = [name for name in self.variables if name in must]
            self._template = jinja2.Template.from_code(environment, environment.compile(tree), {})
        except jinja2.TemplateSyntaxError as error:
            raise SourceError(error.message or "", error.lineno) from None
        except (RecursionError, MemoryError, SyntaxError, ValueError, OverflowError):
            raise SourceError("It is too large or nested too deeply.") from None

    def render(self, variables: Mapping[str, object]) -> str:
        """Fill it in. Raises Mistake if it grows beyond 512 KB of UTF-8, or cannot be filled in with these values."""
        pieces, size = [], 0
        try:
            for step, piece in enumerate(self._template.generate({**variables, **self._lacking(variables)})):
                size += len(piece)
                if size > LIMIT_KB * 1024 or step > STEPS:
                    raise _too_large()
                pieces.append(piece)
        except Mistake:
            raise
        except Exception as error:
            # Whatever a value can break in the engine, the person who gave the value can mend.
            raise Mistake(CANNOT_FILL, reason=str(error)) from error
        return _measured("".join(pieces))

    def _lacking(self, variables: Mapping[str, object]) -> dict[str, jinja2.Undefined]:
        """What can be asked about, and is missing; whatever else is missing is an error."""
        free = (name for name in self.variables if name not in self.needed)
        return {name: jinja2.Undefined(name=name) for name in free if variables.get(name) is None}


def _check(tree: nodes.Template) -> None:
    for node in tree.find_all(nodes.Node):
        what = _refused(node)
        if what:
            raise SourceError(f"“{what}” is not allowed in a template.", node.lineno)
        if isinstance(node, nodes.For):
            # Each turn of a loop writes something, if only nothing, so that `render` can count the turns.
            node.body.insert(0, nodes.Output([nodes.TemplateData("")], lineno=node.lineno))


def _refused(node: nodes.Node) -> str | None:
    if not isinstance(node, NODES):
        return type(node).__name__.lower()
    if isinstance(node, nodes.Name) and node.name == "self":
        return "self"
    if isinstance(node, nodes.Tuple) and node.ctx == "load":
        return "tuple"
    if isinstance(node, nodes.For) and (node.test or node.recursive):
        return "for … if" if node.test else "recursive"
    if isinstance(node, nodes.Filter) and not _has_small_arguments(node):
        return f"{node.name}(…)"
    return None


def _has_small_arguments(node: nodes.Filter) -> bool:
    # A separator as long as its list would square the output. What `default` is given is written once at most.
    arguments = [*node.args, *(keyword.value for keyword in node.kwargs)]
    if node.dyn_args or node.dyn_kwargs:
        return False
    return node.name in ("d", "default") or all(
        isinstance(each, nodes.Const) and len(str(each.value)) <= ARGUMENT_LIMIT for each in arguments
    )


def _variables(tree: nodes.Template) -> list[str]:
    needed = meta.find_undeclared_variables(tree)
    return [name for name in dict.fromkeys(node.name for node in tree.find_all(nodes.Name)) if name in needed]


def _too_large() -> Mistake:
    return Mistake(TOO_LARGE, limit=LIMIT_KB)


def _measured(text: str) -> str:
    try:
        size = len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError:
        raise Mistake(N_("A value contains half a character; please type it again.")) from None
    if size > LIMIT_KB * 1024:
        raise _too_large()
    return text


SUBJECT_SOURCE_LIMIT = 1000
LONGEST_CHAIN = 12  # filters, parts, lookups and operators in a subject's fields; compiling grows with their cube
_LINK = re.compile(r"[|.\[(<>=!~+*/%-]|\b(?:and|or|not|if|else|in|is)\b")
_FIELD = re.compile(r"{{.*?(?:}}|$)", re.DOTALL)


@lru_cache(maxsize=256)
def subject_part(source: str) -> Part:
    """Compile a subject that a person typed: fields only, no statements. Raises Mistake."""
    if len(source) > SUBJECT_SOURCE_LIMIT:
        raise Mistake(N_("The subject is too long."))
    try:
        if "{%" in source:
            raise SourceError("a statement")
        if sum(len(_LINK.findall(field)) for field in _FIELD.findall(source)) > LONGEST_CHAIN:
            raise SourceError("too much at once")
        return Part(source)
    except SourceError:
        raise Mistake(N_("The subject can have plain fields only, such as {example}."), example="{{ name }}") from None
