"""What comes in with a request, before anybody reads it: nothing that no database could hold."""

from collections.abc import Iterable, Mapping
from typing import Any

from quart import Quart
from quart import Request as QuartRequest
from quart.wrappers.base import BaseRequestWebsocket
from werkzeug.datastructures import ImmutableMultiDict, MultiDict, iter_multi_items
from werkzeug.exceptions import BadHost
from werkzeug.routing import IntegerConverter, MapAdapter, ValidationError

LARGEST_ID = 2**63 - 1


class Site(Quart):
    """Whatever name it is called by: one that no host could have finds the same pages."""

    def create_url_adapter(self, request: BaseRequestWebsocket | None) -> MapAdapter | None:
        try:
            return super().create_url_adapter(request)
        except BadHost:
            assert request  # noqa: S101 (it is the request's)
            query = request.query_string.decode()
            return self.url_map.bind("", request.root_path, None, request.scheme, request.method, request.path, query)


class Id(IntegerConverter):
    """`<int:…>` in a path, if a database can have such an id; anything larger is not found."""

    regex = "[0-9]{1,19}"

    def to_python(self, value: str) -> int:
        if int(value) > LARGEST_ID:
            raise ValidationError
        return int(value)


class Fields(ImmutableMultiDict[str, Any]):
    """The fields of a form or an address, without NUL: Postgres holds none, and nobody types one."""

    def __init__(self, given: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None) -> None:
        super().__init__([(_without_nul(name), _without_nul(value)) for name, value in iter_multi_items(given or ())])


def _without_nul(value: Any) -> Any:
    return value.replace("\0", "") if isinstance(value, str) else value


class Request(QuartRequest):
    """A request whose `form` and `args` are Fields; but for programs, which are told of their mistakes instead."""

    @property
    def parameter_storage_class(self) -> type[MultiDict[str, Any]]:  # type: ignore[override]  # it is only read
        return ImmutableMultiDict if self.path.startswith("/api/") else Fields
