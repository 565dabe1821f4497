"""The process's open sessions, which are checked again when something about a user changes.

`tracking.revocation` sends the notice, and each process receives it here. The notice carries no
decision: the database and the policies are asked again.
"""

from collections.abc import Callable
from typing import Any, Protocol

from tracking.access.principals import PrincipalId
from tracking.engine.receiver import Receiver
from tracking.ids import DriverId, UserId, from_plain
from tracking.revocation import GROUP


class Revocable(Protocol):
    """A session that can be checked again. `principal` is known once it is open."""

    principal: PrincipalId | None

    @property
    def is_open(self) -> bool:
        """True once its token was accepted."""

    def recheck(self) -> None:
        """Check that the session is still permitted, and end it if not."""


class Registry:
    """The process's open sessions by user."""

    def __init__(
        self, receiver: Receiver, on_change: Callable[[list[UserId]], None] | None = None
    ) -> None:
        """Call `on_change` with the users that changed, after their sessions were checked."""
        self._receiver = receiver
        self._on_change = on_change
        self._sessions: dict[UserId, set[Revocable]] = {}
        # By the user that they are about, if that is another one than their own.
        self._about: dict[UserId, set[Revocable]] = {}
        receiver.handle(GROUP, self._recheck)

    async def listen(self) -> None:
        """Receive notices of changes from now on; call this before a session's first check."""
        await self._receiver.join(GROUP)

    def add(self, user_id: UserId, session: Revocable, about: DriverId | None = None) -> None:
        """Check `session` again whenever `user_id` or `about` changes."""
        self._sessions.setdefault(user_id, set()).add(session)
        if about is not None:
            self._about.setdefault(about, set()).add(session)

    def discard(self, user_id: UserId, session: Revocable, about: DriverId | None = None) -> None:
        """Remove `session`."""
        _discard(self._sessions, user_id, session)
        if about is not None:
            _discard(self._about, about, session)

    def count(self, user_id: UserId, principal: PrincipalId | None = None) -> int:
        """Return how many open sessions a user has in this process, or another principal of it.

        Sessions whose token is not verified yet do not count, as it may be forged. Those of a share
        link do not count as its rider's, who does not know how many people have it.
        """
        sessions = self._sessions.get(user_id, ())
        principal = principal or PrincipalId("user", user_id)
        return sum(each.is_open and each.principal == principal for each in sessions)

    def recheck(self, user_ids: list[UserId]) -> None:
        """Check the sessions of these users again, and those that are about them."""
        for user_id in user_ids:
            for session in (*self._sessions.get(user_id, ()), *self._about.get(user_id, ())):
                session.recheck()

    async def _recheck(self, event: dict[str, Any]) -> None:
        user_ids = [from_plain(value) for value in event["users"]]
        self.recheck(user_ids)
        if self._on_change is not None:
            self._on_change(user_ids)


def _discard(sessions: dict[UserId, set[Revocable]], user_id: UserId, session: Revocable) -> None:
    found = sessions.get(user_id)
    if found is not None:
        found.discard(session)
        if not found:
            del sessions[user_id]
