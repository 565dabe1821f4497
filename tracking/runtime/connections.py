"""The open connections of the process, and the limits on their number."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final, Protocol

from tracking.conf import conf
from tracking.protocol import OverCapacity, TrackingError

# The part of MAX_CONNECTIONS that may be displaced unauthenticated connections that are closing.
MAX_DISPLACED: Final = 0.1


class Connection(Protocol):
    """The interface of a consumer that is used here."""

    address: str

    def fail(self, error: TrackingError) -> None:
        """Send the error, and close the connection."""


class Connections:
    """Counts connections: all, and by client address the unauthenticated ones ("strangers").

    `access.registry` counts the connections of each user. The limits are settings that apply to
    each process; 0 means no limit.
    """

    def __init__(self) -> None:
        self._open: set[Connection] = set()
        self._strangers: set[Connection] = set()
        # Strangers by address, the oldest first.
        self._addresses: defaultdict[str, dict[Connection, None]] = defaultdict(dict)
        self._displaced: set[Connection] = set()

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[Any]:
        return iter(tuple(self._open))

    def admit(self, connection: Connection) -> None:
        """Count a new, unauthenticated connection; raise `OverCapacity`.

        A refused connection counts until it ends.
        """
        self._open.add(connection)
        self._strangers.add(connection)
        strangers = self._addresses[connection.address]
        strangers[connection] = None
        full = 0 < conf.MAX_CONNECTIONS < len(self._open) - len(self._displaced)
        if full and not self._displace_for(connection):
            raise OverCapacity("this server has as many connections as it takes: come back later")
        # Without addresses, as behind a proxy on a Unix socket, all clients would count as one.
        if connection.address and 0 < conf.MAX_UNAUTHENTICATED_PER_ADDRESS < len(strangers):
            raise OverCapacity("too many connections from here wait to authenticate: do so first")

    def _displace_for(self, connection: Connection) -> bool:
        """Close the oldest stranger of the address with the most; return False if none may be.

        An honest client authenticates within a round trip or two. So no address can keep out
        another one that has fewer strangers.
        """
        if len(self._displaced) >= conf.MAX_CONNECTIONS * MAX_DISPLACED:
            return False
        most = max(self._addresses.values(), key=len)
        if len(most) <= len(self._addresses[connection.address]) + 1:
            return False
        displaced = next(iter(most))
        self.authenticated(displaced)
        self._displaced.add(displaced)
        displaced.fail(OverCapacity("others need this connection: authenticate right away"))
        return True

    def authenticated(self, connection: Connection) -> None:
        """Stop counting the connection as unauthenticated."""
        if connection in self._strangers:
            self._strangers.discard(connection)
            strangers = self._addresses[connection.address]
            strangers.pop(connection, None)
            if not strangers:
                del self._addresses[connection.address]

    def remove(self, connection: Connection) -> None:
        """Stop counting a connection that has ended."""
        self._open.discard(connection)
        self._displaced.discard(connection)
        self.authenticated(connection)
