"""What RQ calls, by the names in ring/job.py. One process has one sender."""

from app import log
from app.config import read_settings
from app.worker.sender import Sender

logger = log.get("worker")
_sender: Sender | None = None


def use(sender: Sender) -> None:
    """Make `sender` the one that the rings of this process go to."""
    global _sender
    _sender = sender


def _the_sender() -> Sender:
    """Under a plain `rq worker` it is made from the environment, at the first ring."""
    if _sender is None:
        use(Sender.from_settings(read_settings()))
        return _the_sender()
    return _sender


def ring(task_id: int, attempt: int) -> None:
    """The one function that RQ may call."""
    _the_sender().work((task_id, attempt, ""))


def rang(job: object, connection: object, result: object) -> None:
    """RQ's success callback: settle, in case the function did not come to it."""
    _the_sender().settle()


def failed_to_ring(
    job: object, connection: object, kind: type[BaseException], error: BaseException, trace: object
) -> None:
    """RQ's failure callback: what the function left in hand is given back, through the same moves as everything."""
    logger.error("the worker stumbled", error=f"{kind.__name__}: {error}")
    _the_sender().stumble(error)
