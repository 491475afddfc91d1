"""Which values a template needs, and which it can do without: where it says itself what happens if they are missing."""

from collections.abc import Iterator

from jinja2 import nodes

Names = frozenset[str]
NONE: Names = frozenset()

ASKING = ("defined", "undefined")
"""Tests of whether there is a value."""


def needed(tree: nodes.Template) -> set[str]:
    """The names that are used somewhere where nothing makes up for a missing value. Loops' own names are among them.

    A lack is dealt with by `default`, by a test like `is defined`, by being what an `if`, `or` or `and` decides on, and
    by standing where such a decision has said that there is a value.
    """
    return set(_needed(tree, NONE))


def _needed(node: nodes.Node | None, sure: Names, asked: bool = False) -> Iterator[str]:
    """`sure` have values here. `asked`: it is only asked of this node whether it has one."""
    match node:
        case nodes.Name():
            if node.ctx == "load" and not asked and node.name not in sure:
                yield node.name
        case nodes.Filter() if node.name in ("d", "default"):
            yield from _needed(node.node, sure, asked=True)
            for argument in (*node.args, *node.kwargs):
                yield from _needed(argument, sure)
        case nodes.Test() if node.name in ASKING:
            yield from _needed(node.node, sure, asked=True)
        case nodes.Not() | nodes.And() | nodes.Or() | nodes.CondExpr():
            yield from _of_decision(node, sure, asked)
        case nodes.If():
            yield from _of_branches(node, sure)
        case nodes.For():
            yield from _of_loop(node, sure)
        case nodes.Node():
            yield from _of_all(node.iter_child_nodes(), sure)


def _of_decision(node: nodes.Expr, sure: Names, asked: bool) -> Iterator[str]:
    match node:
        case nodes.Not():
            yield from _needed(node.node, sure, asked)
        case nodes.And() | nodes.Or():
            yield from _needed(node.left, sure, asked=True)
            yield from _needed(node.right, sure | _sure(node.left, isinstance(node, nodes.And)), asked)
        case nodes.CondExpr():
            yield from _needed(node.test, sure, asked=True)
            yield from _needed(node.expr1, sure | _sure(node.test, True), asked)
            yield from _needed(node.expr2, sure | _sure(node.test, False), asked)


def _of_branches(node: nodes.If, sure: Names) -> Iterator[str]:
    for branch in (node, *node.elif_):
        yield from _needed(branch.test, sure, asked=True)
        yield from _of_all(branch.body, sure | _sure(branch.test, True))
        sure |= _sure(branch.test, False)
    yield from _of_all(node.else_, sure)


def _of_loop(node: nodes.For, sure: Names) -> Iterator[str]:
    targets = node.target, *node.target.find_all(nodes.Name)
    yield from _needed(node.iter, sure, asked=bool(node.else_))
    yield from _of_all(node.body, sure | {each.name for each in targets if isinstance(each, nodes.Name)})
    yield from _of_all(node.else_, sure)


def _of_all(several: Iterator[nodes.Node] | list[nodes.Node], sure: Names) -> Iterator[str]:
    for each in several:
        yield from _needed(each, sure)


def _sure(test: nodes.Node, so: bool) -> Names:
    """The names that have a value where `test` comes out `so`."""
    match test:
        case nodes.Name():
            return frozenset({test.name}) if so else NONE
        case nodes.Test() if isinstance(test.node, nodes.Name) and test.name == ("defined" if so else "undefined"):
            return frozenset({test.node.name})
        case nodes.Not():
            return _sure(test.node, not so)
        case nodes.And() | nodes.Or():
            left, right = _sure(test.left, so), _sure(test.right, so)
            return left | right if isinstance(test, nodes.And) == so else left & right
    return NONE
