"""What failed for one cause is tried again, on the real databases; what the same mails failed for otherwise is not."""

from sqlalchemy import select

from app.tasks import bulk, lifecycle
from app.tasks.books import Fault
from app.tasks.model import Delivery, Task
from app.tasks.queries import Filter
from tests.integration.sending.test_bulk import ask, highest, wait_for
from tests.integration.sending.test_moves import move
from tests.parts import Office, answer, wait_until


def test_of_a_cause_those_are_tried_again_whom_it_hit_and_nobody_else(office: Office) -> None:
    replies = {"r0": "550 5.1.1 no such user", "r1": "553 5.1.3 bad address"}
    office.sink.script = lambda step, address: replies.get(address[:2]) if step == "rcpt" else None
    with office.worker():
        both, other = office.submit(3), office.submit(["r1@example.com"])
        assert {office.wait_for(each) for each in (both, other)} == {"failed"}
        office.sink.script = lambda step, address: None
        cause = office.one(select(Delivery.fault_id).where(Delivery.address == "r0@example.com"))[0]
        chosen = bulk.Chosen(highest(office), filter=Filter(fault=cause))
        done = wait_for(office, ask(office, "retry", chosen, fault=str(cause)))
        assert (done.total, done.moved) == (1, 1)
        wait_until(lambda: office.sink.addresses["r0@example.com"] == 1, 30, "it is sent")
        assert office.wait_for(both, "failed") == "failed"
    assert office.sink.addresses == {"r0@example.com": 1, "r2@example.com": 1}
    task = office.one(select(Task).where(Task.id == both))[0]
    assert (task.sent, task.failed, office.status(other)) == (2, 1, "failed")
    causes = office.all(select(Fault.words, Fault.n).where(Fault.n > 0))
    assert [tuple(each) for each in causes] == [("553 5.1.3 bad address", 2)]


def test_a_retry_for_a_cause_that_is_gone_by_then_moves_nothing(office: Office) -> None:
    task_id = office.submit(2, rings=False)
    answer(office.database, task_id, {"r0@example.com": "550 5.1.1 no", "r1@example.com": "552 5.2.2 full"})
    assert not move(office, lifecycle.retry([task_id], "boss", fault=4711))
    cause = office.one(select(Delivery.fault_id).where(Delivery.address == "r0@example.com"))[0]
    assert move(office, lifecycle.retry([task_id], "boss", fault=cause), lifecycle.requeue_failed([task_id], cause))
    task = office.one(select(Task).where(Task.id == task_id))[0]
    assert (task.status, task.failed, task.attention) == ("queued", 1, False)
    left = office.all(select(Delivery.address, Delivery.status).order_by(Delivery.address))
    assert [tuple(each) for each in left] == [("r0@example.com", "queued"), ("r1@example.com", "failed")]
