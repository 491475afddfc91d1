"""What happens again and again is told once."""

from datetime import UTC, datetime, timedelta

from app.tasks.model import TaskEvent
from app.web.task.timeline import folded

BEGAN = datetime(2026, 11, 27, tzinfo=UTC)


def events(words: str) -> list[TaskEvent]:
    """A move for each letter, a minute apart: s(tarted), q(ueued), or anything else."""
    to = {"s": "started", "q": "queued"}
    return [
        TaskEvent(
            at=BEGAN + timedelta(minutes=n), from_status=None, to_status=to.get(word, word), who=f"worker {n}", why=word
        )
        for n, word in enumerate(words)
    ]


def told(words: str) -> str:
    return " ".join(f"{each.times if each.times > 1 else ''}{each.event.why}" for each in folded(events(words)))


def test_rounds_of_the_same_moves_are_told_once() -> None:
    assert told("c" + "sq" * 5 + "sf") == "c 5s 5q s f"
    assert told("sxq" * 4) == "4s 4x 4q"
    assert told("aaaa") == "4a"


def test_what_happens_twice_is_told_twice() -> None:
    assert told("csqsqsf") == "c s q s q s f"
    assert told("") == ""
    assert told("abcabd") == "a b c a b d"


def test_the_last_one_is_told_and_when_the_first_one_was() -> None:
    tried, back = folded(events("sqsqsq"))
    assert (tried.since, tried.event.at) == (BEGAN, BEGAN + timedelta(minutes=4))
    assert (back.since, back.event.at) == (BEGAN + timedelta(minutes=1), BEGAN + timedelta(minutes=5))


def test_other_reasons_and_other_people_are_other_moves() -> None:
    found = events("sssss")
    found[2].why = "another reason"
    found[4].who = "anna@example.com"
    assert [each.times for each in folded(found)] == [1] * 5


def test_hours_of_trouble_are_folded_in_no_time() -> None:
    assert [each.times for each in folded(events("sq" * 5000))] == [5000, 5000]
