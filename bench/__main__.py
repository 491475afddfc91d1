"""The measurements: python -m bench NAME."""

import ast
import sys
from importlib import import_module
from pathlib import Path

HERE = Path(__file__).parent


def names() -> dict[str, str]:
    """Every module here whose first words are the command that runs it, and its docstring's first line."""
    files = {(path.parent.name if path.stem == "__init__" else path.stem): path
             for path in (*HERE.glob("[a-z]*.py"), *HERE.glob("*/__init__.py"))}  # fmt: skip
    docs = {name: (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n")[0]
            for name, path in sorted(files.items())}  # fmt: skip
    return {name: doc for name, doc in docs.items() if doc.startswith(f"`python -m bench {name}")}


if __name__ == "__main__":
    name, *rest = sys.argv[1:] or [""]
    if name not in names():
        print("What can be measured; each takes --help:\n", *names().values(), sep="\n", file=sys.stderr)
        sys.exit(bool(name))
    sys.exit(import_module(f"bench.{name}").main(rest))
