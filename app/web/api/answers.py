"""What the JSON calls give, field by field. Times are RFC 3339 with their offset, `+00:00`."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from app.tasks.model import TaskStatus
from app.web.api.requests import Moment


class Given(BaseModel):
    """What goes out."""

    model_config = ConfigDict(from_attributes=True)


class TaskGiven(Given):
    """A task."""

    id: int
    status: TaskStatus
    template: str
    subject: str | None
    queue: str
    scheduled_at: Moment | None
    created_at: Moment
    started_at: Moment | None
    ended_at: Moment | None
    attempt: int
    recipients: int
    sent: int
    failed: int
    unknown: int
    error: str | None


class TasksGiven(Given):
    """A part of the tasks, newest first, and how many tasks there are in each status."""

    tasks: list[TaskGiven]
    next: str | None
    counts: dict[TaskStatus, int]


class DeliveryGiven(Given):
    """One recipient's message, and what became of it."""

    address: str
    name: str
    status: Literal["queued", "sending", "sent", "failed", "unknown", "cancelled"]
    attempt: int
    message_id: str
    reply: str | None
    updated_at: Moment


class DeliveriesGiven(Given):
    """A part of a task's deliveries, by address."""

    deliveries: list[DeliveryGiven]
    next: str | None


class EventGiven(Given):
    """A move: of the task, or of the delivery to `address`."""

    at: Moment
    from_: str | None = Field(validation_alias="from_status", serialization_alias="from")
    to: str = Field(validation_alias="to_status")
    who: str
    why: str | None
    address: str | None


class EventsGiven(Given):
    """A task's moves and its deliveries', in their order."""

    events: list[EventGiven]


class FieldMistake(Given):
    """What is wrong with one field."""

    field: str
    message: str


class ProblemGiven(Given):
    """What went wrong (RFC 9457), with a message per field."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldMistake]
