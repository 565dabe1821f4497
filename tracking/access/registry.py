"""The process's open sessions, and their check when something about a user changes.

`tracking.revocation` sends the notice; each process receives it here. What counts is what the
database and the policies say then.
"""

from collections.abc import Callable
from typing import Any, Protocol

from tracking.engine.receiver import Receiver
from tracking.ids import DriverId, UserId, from_plain
from tracking.revocation import GROUP


class Revocable(Protocol):
    """A session."""

    @property
    def is_open(self) -> bool:
        """Whether its token was judged good."""

    def recheck(self) -> None:
        """Find out whether the user may still be here, and end if not."""


class Registry:
    """The process's open sessions by user."""

    def __init__(
        self, receiver: Receiver, on_change: Callable[[list[UserId]], None] | None = None
    ) -> None:
        """`on_change` is called with the users of whom something changed, after the sessions."""
        self._receiver = receiver
        self._on_change = on_change
        self._sessions: dict[UserId, set[Revocable]] = {}
        # By the user whom they are about, if that is another.
        self._about: dict[UserId, set[Revocable]] = {}
        receiver.handle(GROUP, self._recheck)

    async def listen(self) -> None:
        """Hear of changes from when this returns, so call it before a session's first check."""
        await self._receiver.join(GROUP)

    def add(self, user_id: UserId, session: Revocable, about: DriverId | None = None) -> None:
        """Have `session` checked again with its user's others, and with those about `about`."""
        self._sessions.setdefault(user_id, set()).add(session)
        if about is not None:
            self._about.setdefault(about, set()).add(session)

    def discard(self, user_id: UserId, session: Revocable, about: DriverId | None = None) -> None:
        """Forget `session`."""
        _discard(self._sessions, user_id, session)
        if about is not None:
            _discard(self._about, about, session)

    def count(self, user_id: UserId) -> int:
        """Return how many open sessions a user has in this process.

        A token that is not judged yet may be anybody's invention.
        """
        return sum(session.is_open for session in self._sessions.get(user_id, ()))

    async def _recheck(self, event: dict[str, Any]) -> None:
        user_ids = [from_plain(value) for value in event["users"]]
        for user_id in user_ids:
            for session in (*self._sessions.get(user_id, ()), *self._about.get(user_id, ())):
                session.recheck()
        if self._on_change is not None:
            self._on_change(user_ids)


def _discard(sessions: dict[UserId, set[Revocable]], user_id: UserId, session: Revocable) -> None:
    found = sessions.get(user_id)
    if found is not None:
        found.discard(session)
        if not found:
            del sessions[user_id]
