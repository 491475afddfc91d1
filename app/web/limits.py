"""How often somebody may come: counted by where requests come from, by account, or by program."""

from datetime import UTC, datetime
from ipaddress import ip_address

from quart import Quart, g, request
from quart_rate_limiter import RateLimiter
from quart_rate_limiter.store import RateLimiterStoreABC

MOST_REMEMBERED = 10_000


def install(app: Quart) -> None:
    """Have views keep to the limits that they name; where they name nothing to count by, it is the address."""
    RateLimiter(app, key_function=address, store=Remembered())


async def address() -> str:
    """Where the request came from. A proxy is believed where it is a neighbour, and only what it wrote itself."""
    direct = request.remote_addr or ""
    forwarded = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    return forwarded if _is_neighbour(direct) and _is_host(forwarded) else direct


def _is_host(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_neighbour(host: str) -> bool:
    try:
        return ip_address(host).is_private
    except ValueError:
        return True  # a unix socket, or a test


async def account() -> str:
    """The person who asks."""
    user = g.get("user")  # nobody's, where it was refused before anybody was asked for
    return str(user.id if user else "")


async def program() -> str:
    """The program that asks."""
    return str(g.get("token"))


class Remembered(RateLimiterStoreABC):
    """When each may come again; it forgets those whose time has come, so that strangers can't fill the memory."""

    def __init__(self) -> None:
        self._times: dict[str, datetime] = {}
        self._most = MOST_REMEMBERED

    async def before_serving(self) -> None:
        """Nothing to open."""

    async def after_serving(self) -> None:
        """Nothing to close."""

    async def get(self, key: str, default: datetime) -> datetime:
        return self._times.get(key, default)

    async def set(self, key: str, tat: datetime) -> None:
        if len(self._times) >= self._most:
            now = datetime.now(UTC)
            self._times = {known: time for known, time in self._times.items() if time > now}
            self._most = max(MOST_REMEMBERED, 2 * len(self._times))  # where few have gone, it is not tried each time
        self._times[key] = tat
