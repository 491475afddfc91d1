"""The commands say what is wrong with how they were called, and then do nothing."""

import pytest

from app.__main__ import main


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["token"], "A token needs a name, which says whose it is: ./run token billing"),
        (["token", "a", "b"], "token NAME"),
        (["tokens"], "There is no command tokens."),
        (["web", "now"], "token NAME"),
    ],
)
def test_a_wrong_call_is_told(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert said in capsys.readouterr().err
