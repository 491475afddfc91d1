"""The measurements: python -m bench NAME."""

import sys
from importlib import import_module
from pathlib import Path

NAMES = sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))

if __name__ == "__main__":
    name, *rest = sys.argv[1:] or [""]
    if name not in NAMES:
        sys.exit(f"usage: python -m bench {' | '.join(NAMES)} [--help]")
    sys.exit(import_module(f"bench.{name}").main(rest))
