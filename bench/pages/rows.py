"""The rows of a year of mail, as SQL that both databases know: one task in a thousand has many recipients."""

from dataclasses import dataclass
from math import gcd

LIVES = {
    "scheduled": (),
    "queued": ("queued",),
    "started": ("queued", "started"),
    "finished": ("queued", "started", "finished"),
    "failed": ("queued", "started", "failed"),
    "cancelled": ("cancelled",),
}
"""Through which statuses a task goes, after it was stored as scheduled."""

FAULTS = 40
"""Causes of failures besides the one of the outage, which is the last."""

NAMES = "mina kim  lee  park jung choi yoon han  shin kang "
PARTY = "guest"
"""How the addresses of one large party begin, eleven months ago; and of nobody else."""


@dataclass(frozen=True)
class Year:
    """So many tasks. What is rare has as many as fill a page; the rest is in proportion to `size`.

    `began` is the first one's moment, in seconds since 1970; the last one was stored just now.
    """

    size: int
    began: int
    length: int = 365 * 86400

    def least(self, share: float) -> int:
        return max(80, round(self.size * share))

    @property
    def step(self) -> int:
        """What spreads 0, 1, 2 … over all of `size`, each once."""
        return next(n for n in range(round(self.size * 0.618), 2 * self.size) if gcd(n, self.size) == 1)

    @property
    def sending(self) -> int:
        """The newest of all, which wait or are sent right now."""
        return self.least(0.002)

    @property
    def outage(self) -> range:
        """Tasks that all failed for one cause, eleven months ago."""
        return range(self.size // 12, self.size // 12 + self.least(0.002))

    @property
    def party(self) -> range:
        """Tasks to addresses that begin as no other does, ten months ago."""
        return range(self.size // 6, self.size // 6 + self.least(0.01))

    @property
    def large(self) -> int:
        """The task of a thousand recipients."""
        return self.size // 2


def made(year: Year, low: int, high: int) -> str:
    """A table `made` of tasks: the number, what became of it, how many people, a number of a person, and when."""
    scheduled, attention, cancelled, failed = (year.least(share) for share in (0.005, 0.005, 0.025, 0.03))
    edges = [scheduled, scheduled + attention, scheduled + attention + cancelled]
    return f"""
    WITH RECURSIVE n(i) AS (SELECT CAST({low} AS bigint) UNION ALL SELECT i + 1 FROM n WHERE i < {high - 1}),
    spread AS (SELECT i, (i * {year.step}) % {year.size} AS p FROM n),
    made AS (SELECT i,
      CASE WHEN i > {year.size - year.sending} THEN CASE WHEN i % 8 = 0 THEN 'started' ELSE 'queued' END
        WHEN i BETWEEN {year.outage[0]} AND {year.outage[-1]} THEN 'failed'
        WHEN p < {edges[0]} THEN 'scheduled' WHEN p < {edges[1]} THEN 'attention'
        WHEN p < {edges[2]} THEN 'cancelled' WHEN p < {edges[2] + failed} THEN 'failed' ELSE 'finished' END AS kind,
      CASE WHEN i = {year.large} THEN 1000 WHEN i % 1000 = 7 THEN 20 ELSE 1 END AS people,
      (i * 7919) % {max(1, year.size // 5)} AS person,
      CAST({year.began} + i * {year.length / year.size!r} AS double precision) AS at
      FROM spread)"""


ADDRESS = f"rtrim(substr('{NAMES}', 1 + CAST(5 * (person % 10) AS integer), 5)) || person || '@example.com'"


def tasks(year: Year, low: int, high: int, at: str) -> str:
    """`at` makes an instant of seconds since 1970, named {}."""
    begun = "kind NOT IN ('scheduled', 'queued', 'cancelled')"
    ended = "kind IN ('finished', 'failed', 'attention', 'cancelled')"
    address = f"CASE WHEN i BETWEEN {year.party[0]} AND {year.party[-1]} THEN '{PARTY}' || i || '@example.org'"
    return f"""
    INSERT INTO tasks (id, status, template, variables, queue, due_at, scheduled_at, rung_at, created_at, started_at,
      ended_at, held, on_unknown, attempt, crashes, token, lease_until, recipients, first_address, sent, failed,
      unknown, who, test, attention, title, title_key, created_by)
    {made(year, low, high)}, worded AS (SELECT *,
      CASE WHEN i % 1000 = 11 THEN 'Good to see you again'
        WHEN i % 2 = 0 THEN 'Welcome to Postdate, Kim' ELSE 'Invoice ' || i || ' is due' END AS title,
      CASE WHEN i % 997 = 5 THEN 'anna@example.com' WHEN i % 3 = 0 THEN 'admin@postdate.local' ELSE 'token billing' END
        AS author
      FROM made)
    SELECT i, CASE kind WHEN 'attention' THEN 'failed' ELSE kind END,
      CASE WHEN i % 1000 = 11 THEN 'email/again' WHEN i % 2 = 0 THEN 'email/welcome' ELSE 'email/reminder' END,
      '{{"name": "Kim"}}', CASE i % 50 WHEN 0 THEN 'low' WHEN 1 THEN 'high' ELSE 'default' END,
      CASE kind WHEN 'scheduled' THEN {at.format(f"at + {year.length}")} ELSE {at.format("at + 5")} END,
      CASE kind WHEN 'scheduled' THEN {at.format(f"at + {year.length}")} END,
      CASE WHEN kind NOT IN ('scheduled', 'cancelled') THEN {at.format("at + 5")} END,
      {at.format("at")}, CASE WHEN {begun} THEN {at.format("at + 5.5")} END,
      CASE WHEN {ended} THEN {at.format("at + 6")} END, false, 'hold', CASE WHEN {begun} THEN 1 ELSE 0 END, 0,
      CASE kind WHEN 'started' THEN '0123456789abcdef0123456789abcdef' END,
      CASE kind WHEN 'started' THEN {at.format("at + 1000000")} END,
      people, {address} ELSE {ADDRESS} END,
      CASE WHEN kind = 'finished' THEN people WHEN kind IN ('failed', 'attention') THEN people - 1 ELSE 0 END,
      CASE kind WHEN 'failed' THEN 1 ELSE 0 END, CASE kind WHEN 'attention' THEN 1 ELSE 0 END,
      CASE WHEN {begun} THEN 'worker here:1' ELSE author END, false, kind = 'attention', title, lower(title), author
    FROM worded"""


def deliveries(year: Year, low: int, high: int, digest: str) -> str:
    """Of the tasks from `low` on; the first recipient of each is the one whom something became of."""
    cause = f"2 + ((id * 31) % {FAULTS}) * ((id * 17) % {FAULTS}) / {FAULTS}"
    outage = f"id BETWEEN {year.outage[0]} AND {year.outage[-1]}"
    return f"""
    INSERT INTO deliveries (task_id, address, name, variables, status, attempt, message_id, reply, fault_id, edition_id,
      written_at, digest, updated_at)
    WITH RECURSIVE others(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM others WHERE k < 999),
    here AS (SELECT * FROM tasks WHERE id >= {low} AND id < {high}),
    everybody AS (SELECT here.*, 0 AS k FROM here
      UNION ALL SELECT here.*, k FROM here JOIN others ON k < recipients WHERE recipients > 1),
    each AS (SELECT *, CASE WHEN ended_at IS NULL THEN 'queued' WHEN status = 'cancelled' THEN 'cancelled'
      WHEN k > 0 OR status = 'finished' THEN 'sent' WHEN attention THEN 'unknown' ELSE 'failed' END AS became
      FROM everybody)
    SELECT id, CASE k WHEN 0 THEN first_address ELSE 'r' || k || '.' || first_address END, '', '{{}}', became,
      CASE WHEN attempt > 0 THEN 1 ELSE 0 END, '<' || id || '.' || k || '.0123456789abcdef@example.com>',
      CASE became WHEN 'sent' THEN '250 2.0.0 Ok: queued as ' || id WHEN 'unknown' THEN 'The connection was lost.'
        WHEN 'failed' THEN '550 5.1.1 <' || first_address || '>: Recipient address rejected' END,
      CASE became WHEN 'failed' THEN CASE WHEN {outage} THEN {FAULTS + 2} ELSE {cause} END END,
      CASE WHEN started_at IS NOT NULL THEN 1 END, started_at, CASE became WHEN 'sent' THEN {digest} END,
      coalesce(ended_at, created_at)
    FROM each ORDER BY id, k"""


def events(low: int, high: int) -> str:
    """What the triggers write on a task's way, in the order in which it goes."""
    moves = [("'scheduled'", "NULL", status, 0) for status in LIVES]
    for status, way in LIVES.items():
        steps = zip(("scheduled", *way), way, range(1, 9), strict=False)
        moves += [(f"'{to}'", f"'{left}'", status, 2 * n) for left, to, n in steps]
    rows = " UNION ALL ".join(f"SELECT '{status}' AS life, {n} AS n, {left} AS left_, {to} AS to_"
                              for to, left, status, n in moves)  # fmt: skip
    return f"""
    INSERT INTO task_events (task_id, at, from_status, to_status, who, why, address)
    WITH moves AS ({rows}), here AS (SELECT * FROM tasks WHERE id >= {low} AND id < {high})
    SELECT task_id, at, left_, to_, who, why, address FROM (
      SELECT t.id AS task_id, n, left_, to_, NULL AS why, NULL AS address,
        CASE n WHEN 0 THEN t.created_at WHEN 2 THEN coalesce(t.rung_at, t.ended_at) WHEN 4 THEN t.started_at
          ELSE t.ended_at END AS at,
        CASE WHEN to_ = 'queued' THEN 'timekeeper' WHEN n = 0 THEN t.created_by ELSE t.who END AS who
      FROM here t JOIN moves ON life = t.status
      UNION ALL
      SELECT t.id, 5, 'sending', d.status, d.reply, d.address, d.updated_at, t.who
      FROM here t JOIN deliveries d ON d.task_id = t.id WHERE d.status IN ('sent', 'failed', 'unknown')) told
    ORDER BY task_id, n"""
