"""Limits on how much is handed over: in no stretch more than they say, and hardly less."""

from hypothesis import given
from hypothesis import strategies as st

from app.tasks.limit import SLOTS, Limit, turn, with_one

LIMITS = st.builds(Limit, st.just(""), st.integers(1, 40), st.sampled_from([1, 60, 3600, 86_400]))
PAUSES = st.lists(st.floats(0, 0.2), min_size=1, max_size=120)
"""Between two who ask, in lengths of the limit."""


@given(LIMITS, PAUSES, st.floats(1.7e9, 1.9e9))
def test_no_stretch_has_more_than_the_limit(limit: Limit, pauses: list[float], moment: float) -> None:
    uses: dict[str, int] = {}
    taken: list[float] = []
    for pause in pauses:
        moment += pause * limit.seconds
        if turn(limit, uses, moment) <= moment:
            uses = with_one(limit, uses, moment)
            taken.append(moment)
    slot = limit.seconds / SLOTS
    assert all(sum(at <= each <= at + limit.seconds + slot / 2 for each in taken) <= limit.most for at in taken)
    assert len(uses) <= SLOTS + 2


@given(LIMITS, st.floats(1.7e9, 1.9e9))
def test_who_comes_at_their_turn_finds_room_and_a_thirtieth_is_lost_at_most(limit: Limit, began: float) -> None:
    uses: dict[str, int] = {}
    moment = began
    for _ in range(3 * limit.most):
        moment = turn(limit, uses, moment)
        assert turn(limit, uses, moment) == moment
        uses = with_one(limit, uses, moment)
    assert moment - began <= 2 * limit.seconds * (1 + 2 / SLOTS) + 0.001
