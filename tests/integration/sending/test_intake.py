"""New tasks that come in while others are being stored: in one transaction, and each as though it were alone."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from itertools import chain

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from werkzeug.exceptions import NotFound

from app.mail.addresses import parse
from app.tasks import lifecycle, submit
from app.tasks.model import Delivery, Task
from app.tasks.request import Recipient, Request
from app.web.intake import Intake, KeyReused
from tests.parts import Office

Stored = list[list[int]]


@pytest.fixture(name="stored")
def _stored() -> Stored:
    """The ids of what was told to be stored, each time."""
    return []


@pytest.fixture(name="intake")
async def _intake(office: Office, stored: Stored) -> AsyncIterator[Intake]:
    intake = Intake(office.database, "example.com", lambda tasks: stored.append([task.id for task in tasks]))
    yield intake
    await intake.close()


def wanted(*addresses: str, key: str | None = None, digest: str | None = None) -> Request:
    recipients = [Recipient(parse(address)) for address in addresses]
    return Request("email/welcome", recipients, "tester", {"name": "Kim"}, key=key, digest=digest, title="Welcome")


async def all_of(intake: Intake, requests: Sequence[Request]) -> list[submit.Stored | BaseException]:
    return await asyncio.gather(*map(intake.store, requests), return_exceptions=True)


def one_writes(office: Office) -> bool:
    """Whether what waits is stored together."""
    return office.database.engine.dialect.name == "sqlite"


def kind(answer: object) -> type:
    return type(answer) if isinstance(answer, BaseException) else Task


def in_rows(office: Office, what: type[Task] | type[Delivery]) -> int:
    return int(office.one(select(func.count()).select_from(what))[0])


async def test_what_waits_is_stored_together_and_told_of_once(intake: Intake, stored: Stored, office: Office) -> None:
    with office.database.writing() if one_writes(office) else nullcontext():  # nothing is stored meanwhile
        storing = asyncio.create_task(all_of(intake, [wanted(f"r{n}@example.com") for n in range(10)]))
        await asyncio.sleep(0.1)
    tasks = await storing
    await intake.close()
    of = dict(office.all(select(Task.id, Task.first_address)))
    assert [of[task.id] for task in tasks if not isinstance(task, BaseException)] == [
        f"r{n}@example.com" for n in range(10)
    ]
    if one_writes(office):
        assert len(stored) <= 2, "what came before anything was begun, and the rest"
    assert sorted(chain(*stored)) == sorted(task.id for task in tasks if not isinstance(task, BaseException))
    assert in_rows(office, Task) == in_rows(office, Delivery) == 10


async def test_a_large_one_is_a_transaction_of_its_own(intake: Intake, stored: Stored, office: Office) -> None:
    large = wanted(*(f"r{n}@example.com" for n in range(1001)))
    await all_of(intake, [large, wanted("a@example.com"), wanted("b@example.com")])
    await intake.close()
    assert stored[0] == [1] or not one_writes(office)
    assert in_rows(office, Delivery) == 1003


async def test_each_has_its_own_answer(intake: Intake, stored: Stored, office: Office) -> None:
    await intake.store(wanted("first@example.com", key="k1", digest="a"))
    answers = await all_of(intake, [
        wanted("a@example.com"),
        wanted("b@example.com", key="k1", digest="b"),
        replace(wanted("c@example.com"), instead_of=99),
        wanted("first@example.com", key="k1", digest="a"),
        wanted("d@example.com", key="k2", digest="d"),
        wanted("d@example.com", key="k2", digest="d"),
    ])  # fmt: skip
    answers += await all_of(intake, [wanted("d@example.com", key="k2", digest="other")])
    kinds = [kind(answer) for answer in answers]
    assert kinds == [Task, KeyReused, NotFound, Task, Task, Task, KeyReused]
    ids = [answer.id for answer in answers if not isinstance(answer, BaseException)]
    assert (ids[1], ids[2]) == (1, ids[3])
    assert in_rows(office, Task) == 3
    await intake.close()
    assert sorted(chain(*stored)) == sorted({*ids}), "what was known already is not rung for again"


async def test_what_the_database_refuses_spoils_none_of_the_others(
    intake: Intake, stored: Stored, office: Office
) -> None:
    twice = wanted("same@example.com", "same@example.com")  # there is one row for an address
    answers = await all_of(intake, [wanted("a@example.com"), twice, wanted("b@example.com", key="k", digest="d")])
    assert [kind(answer) for answer in answers] == [Task, IntegrityError, Task]
    await intake.close()
    assert in_rows(office, Task) == in_rows(office, Delivery) == 2
    assert sorted(chain(*stored)) == sorted(answer.id for answer in answers if not isinstance(answer, BaseException))


async def test_an_error_of_no_database_spoils_none_of_the_others_either(
    intake: Intake, stored: Stored, office: Office
) -> None:
    half = replace(wanted("half@example.com"), title="\ud800")  # of a character: no database takes it
    twice = wanted("same@example.com", "same@example.com")
    answers = await all_of(intake, [wanted("a@example.com"), twice, half, wanted("b@example.com")])
    assert [kind(answer) for answer in answers] == [Task, IntegrityError, UnicodeEncodeError, Task]
    await intake.close()
    assert in_rows(office, Task) == len([*chain(*stored)]) == 2


async def test_when_nobody_can_be_told_the_next_ones_are_stored_nevertheless(office: Office) -> None:
    def tell(tasks: Sequence[submit.Stored]) -> None:
        raise RuntimeError("Redis is full")

    intake = Intake(office.database, "example.com", tell)
    for n in range(2):
        assert await asyncio.wait_for(intake.store(wanted(f"r{n}@example.com")), 5)
    await intake.close()


async def test_at_the_end_all_is_stored_that_was_asked_for_and_nothing_more(intake: Intake, office: Office) -> None:
    asked = [asyncio.create_task(intake.store(wanted(f"r{n}@example.com"))) for n in range(20)]
    await asyncio.sleep(0)
    await intake.close()
    assert len(await asyncio.gather(*asked)) == in_rows(office, Task) == 20
    with pytest.raises(RuntimeError):
        await intake.store(wanted("late@example.com"))


async def test_a_mail_that_waits_for_another_one_does_not_keep_the_rest_waiting(office: Office, intake: Intake) -> None:
    if one_writes(office):
        return
    head = office.submit(1, rings=False)
    with office.database.writing() as db:
        db.execute(lifecycle.lock(head))
        waits = asyncio.create_task(intake.store(replace(wanted("z@example.com"), instead_of=head)))
        await asyncio.sleep(0.1)
        assert await asyncio.wait_for(intake.store(wanted("y@example.com")), 5)
        assert not waits.done()
    assert await asyncio.wait_for(waits, 5)


async def test_webs_that_store_at_once_do_not_wait_for_one_another_in_a_circle(office: Office) -> None:
    webs = [Intake(office.database, "example.com", lambda tasks: None) for _ in range(2)]
    for turn in range(5):
        some = [[wanted(f"w{n}t{turn}r{k}@example.com") for k in range(20)] for n in range(2)]
        answers = await asyncio.gather(*map(all_of, webs, some))
        assert {kind(answer) for answer in chain(*answers)} == {Task}
    for web in webs:
        await web.close()


async def test_whoever_has_gone_leaves_a_task_that_is_rung_for(intake: Intake, stored: Stored, office: Office) -> None:
    asking = asyncio.create_task(intake.store(wanted("a@example.com")))
    await asyncio.sleep(0)
    asking.cancel()
    await intake.close()
    assert asking.cancelled()
    assert stored == [[1]]
    assert in_rows(office, Task) == 1


async def test_two_webs_with_the_same_key_store_one_task(intake: Intake, office: Office) -> None:
    other = Intake(office.database, "example.com", lambda tasks: None)
    some = [wanted("a@example.com", key=f"k{n}", digest="d") for n in range(20)]
    answers = await asyncio.gather(all_of(intake, some), all_of(other, some))
    assert [task.id for task in answers[0] if not isinstance(task, BaseException)] == [
        task.id for task in answers[1] if not isinstance(task, BaseException)
    ]
    assert in_rows(office, Task) == 20
    await other.close()
