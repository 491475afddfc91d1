"""Every change of a status, as a statement: the web app awaits it, the worker calls it, nobody else writes one.

    task:      scheduled ─promote─▶ queued ─claim─▶ started ─settle, condemn─▶ finished | failed
                   ▲                  ▲ ▲              │                    (cancelled: it was so before a decision)
                   └─hold, reschedule─┤ └─ give_back, release
    failed, cancelled ─retry, decide──┘      scheduled, queued ─cancel─▶ cancelled ─restore─▶ as it was
                                             scheduled, queued ─edit─▶ scheduled | queued

    delivery:  queued ─mark─▶ sending ─record─▶ sent | failed | unknown | queued (again, later)

due.py has the moves of the timekeeper, held.py and settled.py those of the worker that holds a task, together.py the
same for many tasks of one recipient, shared.py those of several workers that share a large one, people.py those of
people, edited.py the one that rewrites a task, and undone.py those that take them back.

A move names the status it leaves and returns a row only where it moved something. No row means that somebody was
first, which is normal: late, doubled and stale callers find nothing to move. What a worker moves carries its lease's
token besides, so that one given up for dead can no longer write. The database's triggers (alembic/versions) write
the event and the counts of a task's move in the same statement, and cancel what a cancelled task has queued.
"""

from app.tasks.lifecycle.due import (
    CRASHES,
    condemn,
    give_up,
    hold_late,
    hurry,
    hurry_deliveries,
    late,
    lose,
    lose_strays,
    promote,
    release,
    tally,
    waiting,
)
from app.tasks.lifecycle.edited import EDITED, Version, changes, clear, edit, edit_key, version
from app.tasks.lifecycle.held import BATCH, LEASE, claim, keep, mark, mark_some, put_back, record
from app.tasks.lifecycle.moves import WAITING, Move, lock
from app.tasks.lifecycle.people import (
    AGAIN,
    ARRIVED,
    CAN,
    DECIDABLE,
    arrived,
    cancel,
    decide,
    requeue_failed,
    reschedule,
    retry,
    send_again,
    send_now,
    undo,
)
from app.tasks.lifecycle.settled import give_back, settle
from app.tasks.lifecycle.shared import (
    MUCH,
    hand_on,
    helpers,
    holder,
    join,
    joinable,
    keep_helping,
    lost_helpers,
    sign,
    stop_helping,
    tell_lost,
)
from app.tasks.lifecycle.together import claim_together, mark_together, settle_together
from app.tasks.lifecycle.undone import Plan, plan, replan, requeue_cancelled, restore

__all__ = [
    "AGAIN", "ARRIVED", "BATCH", "CAN", "CRASHES", "DECIDABLE", "EDITED", "LEASE", "MUCH", "WAITING", "Move", "Plan",
    "Version", "arrived", "cancel", "changes", "claim", "claim_together", "clear", "condemn", "decide", "edit",
    "edit_key", "give_back", "give_up", "hand_on", "helpers", "hold_late", "holder", "hurry", "hurry_deliveries",
    "join", "joinable", "keep", "keep_helping", "late", "lock", "lose", "lose_strays", "lost_helpers", "mark",
    "mark_some", "mark_together", "plan", "promote", "put_back", "record", "release", "replan", "requeue_cancelled",
    "requeue_failed", "reschedule", "restore", "retry", "send_again", "send_now", "settle", "settle_together", "sign",
    "stop_helping", "tally", "tell_lost", "undo", "version", "waiting",
]  # fmt: skip
