"""The questions about drafts, and what forgets them, on the real databases."""

from datetime import timedelta

from sqlalchemy import func, select, update

from app.db import now
from app.tasks import drafts
from app.tasks.books import Draft
from app.tasks.model import Task
from tests.parts import Office

CONTENT = {"recipients": "mina@example.com", "subject": "Hello", "template": "email/welcome"}


def keep(office: Office, key: str, user_id: int = 1, age: float = 0, **more: str) -> None:
    with office.database.writing() as db:
        db.add(Draft(key=key, user_id=user_id, content=CONTENT | more))
        db.flush()
        db.execute(update(Draft).where(Draft.key == key).values(updated_at=now(-age)))


def listed(office: Office, user_id: int = 1) -> list[str]:
    return [row.key for row in office.all(drafts.listed(user_id))]


def test_a_person_is_shown_their_own_the_latest_first_but_none_that_is_old_sent_or_thrown_away(office: Office) -> None:
    keep(office, "older", age=60)
    keep(office, "newer")
    keep(office, "theirs", user_id=2)
    keep(office, "old", age=drafts.KEPT + 60)
    keep(office, "thrown", **{drafts.DISCARDED: "yes"})
    keep(office, "became")
    task_id = office.submit(1, rings=False)
    with office.database.writing() as db:
        db.execute(update(Task).where(Task.id == task_id).values(idempotency_key=drafts.task_key(1, "became")))
    assert listed(office) == ["newer", "older"]
    row = office.all(drafts.listed(1))[0]
    assert (row.recipients, row.subject, row.template) == tuple(CONTENT.values())
    with office.database.reading() as db:
        assert db.scalar(drafts.find(1, "theirs")) is None
        assert db.scalar(drafts.find(1, "became")) is None
        assert db.scalar(drafts.find(1, "thrown")) is None
        assert [draft.key for draft in db.scalars(drafts.thrown(1, "thrown"))] == ["thrown"]
        assert [draft.key for draft in db.scalars(drafts.thrown(1, "yes"))] == ["thrown"]
        assert {draft.key for draft in db.scalars(drafts.others(1, "older"))} == {"newer"}


def test_what_is_old_thrown_away_or_too_much_is_forgotten_and_nothing_else(office: Office) -> None:
    keep(office, "old", age=drafts.KEPT + 60)
    keep(office, "thrown long ago", age=drafts.KEPT_DISCARDED + 60, **{drafts.DISCARDED: "yes"})
    keep(office, "thrown", **{drafts.DISCARDED: "yes"})
    keep(office, "theirs", user_id=2, age=3000)
    for n in range(drafts.MOST + 2):
        keep(office, f"mine {n}", age=2000 - n)
    with office.database.writing() as db:
        db.execute(drafts.prune())
        db.execute(drafts.prune_of(1))
    with office.database.reading() as db:
        left = set(db.scalars(select(Draft.key)))
    # The thrown one is the newest, and counts; so the three oldest of the others go.
    assert left == {"thrown", "theirs"} | {f"mine {n}" for n in range(3, drafts.MOST + 2)}


def test_sending_forgets_the_drafts_writer_only(office: Office) -> None:
    keep(office, "a")
    with office.database.writing() as db:
        db.execute(drafts.sent(drafts.task_key(2, "a")))
        db.execute(drafts.sent("api:1:a"))
    assert listed(office) == ["a"]
    with office.database.writing() as db:
        stored = db.scalar(drafts.stored("a"))
        assert stored is not None
        assert timedelta() <= db.execute(select(now())).scalar_one() - stored.updated_at < timedelta(minutes=1)
        db.execute(drafts.sent(drafts.task_key(1, "a")))
    assert office.one(select(func.count()).select_from(Draft))[0] == 0
