"""The process's open connections, and how many there may be."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Protocol

from django.utils.module_loading import import_string

from tracking.conf import conf
from tracking.protocol import OverCapacity


class Connection(Protocol):
    """A consumer, as far as it is known here."""

    address: str


class Connections:
    """Counts connections: all, and by client address those that are not authenticated yet.

    Those of a user are counted by `revocation.Registry`, which knows them. The limits are settings,
    of this process alone; 0 means none.
    """

    def __init__(self) -> None:
        self._open: set[Connection] = set()
        self._strangers: set[Connection] = set()
        self._addresses: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[Any]:
        return iter(tuple(self._open))

    def admit(self, connection: Connection) -> None:
        """Count a new connection, of a stranger; raise `OverCapacity`.

        One that is refused counts too, until it is gone.
        """
        self._open.add(connection)
        self._strangers.add(connection)
        self._addresses[connection.address] += 1
        if 0 < conf.MAX_CONNECTIONS < len(self._open):
            raise OverCapacity("this server has as many connections as it takes: come back later")
        # Without an address, as behind a proxy on a Unix socket, all would be one client.
        strangers = self._addresses[connection.address] if connection.address else 0
        if 0 < conf.MAX_UNAUTHENTICATED_PER_ADDRESS < strangers:
            raise OverCapacity("too many connections from here wait to authenticate: do so first")

    def authenticated(self, connection: Connection) -> None:
        """Count the connection no longer as a stranger's."""
        if connection in self._strangers:
            self._strangers.discard(connection)
            self._addresses[connection.address] -= 1
            if not self._addresses[connection.address]:
                del self._addresses[connection.address]

    def remove(self, connection: Connection) -> None:
        """Forget a connection that has ended."""
        self._open.discard(connection)
        self.authenticated(connection)


def address_of(scope: dict[str, Any]) -> str:
    """Return whom a connection comes from, as `TRACKING["CLIENT_ADDRESS"]` sees it."""
    address: str = import_string(conf.CLIENT_ADDRESS)(scope)
    return address


def peer_address(scope: dict[str, Any]) -> str:
    """Return the address of the other end, which is a proxy's if there is one."""
    host: str = (scope.get("client") or [""])[0]
    return host
