"""`python -m bench scale`, with few of everything: each figure is there, and what must be none is none."""

from argparse import Namespace
from pathlib import Path
from shutil import which

import pytest

from bench.scale import measured

pytestmark = pytest.mark.skipif(
    not (which("cc") and Path("/proc/self/smaps_rollup").exists()), reason="needs a C compiler, and Linux"
)


def test_each_figure_is_measured() -> None:
    few = Namespace(rings=30, due=20, deliveries=400, recipients=50, old=600, seconds=1.0)
    figures = {words: figure for words, figure, _ in measured("sqlite", few)}
    assert figures["of them before their instant"] == "0"
    assert float(figures["memory of the worker, at most"].removesuffix(" MB")) > 10
    assert len(figures) == 11
