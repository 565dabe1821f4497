"""Cutting off: sessions are checked again, on every worker, when something about a user changes.

The change itself is not broadcast, only whose sessions to look at: what counts is what the
database and the policies say then.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer

from tracking.engine.receiver import Receiver
from tracking.throttled_log import Throttle, reason

logger = logging.getLogger(__name__)
logger.addFilter(Throttle())

GROUP: Final = "tracking.recheck"

# A host's request must not hang on a channel layer that does. Open sessions are checked again
# from time to time anyway.
BROADCAST_TIMEOUT: Final = 2.0


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
        self, receiver: Receiver, on_change: Callable[[list[int]], None] | None = None
    ) -> None:
        """`on_change` is called with the users of whom something changed, after the sessions."""
        self._receiver = receiver
        self._on_change = on_change
        self._sessions: dict[int, set[Revocable]] = {}
        # By the user whom they are about, if that is another.
        self._about: dict[int, set[Revocable]] = {}
        receiver.handle(GROUP, self._recheck)

    async def listen(self) -> None:
        """Hear of changes from when this returns, so call it before a session's first check."""
        await self._receiver.join(GROUP)

    def add(self, user_id: int, session: Revocable, about: int | None = None) -> None:
        """Have `session` checked again with its user's others, and with those about `about`."""
        self._sessions.setdefault(user_id, set()).add(session)
        if about is not None:
            self._about.setdefault(about, set()).add(session)

    def discard(self, user_id: int, session: Revocable, about: int | None = None) -> None:
        """Forget `session`."""
        _discard(self._sessions, user_id, session)
        if about is not None:
            _discard(self._about, about, session)

    def count(self, user_id: int) -> int:
        """Return how many open sessions a user has in this process.

        A token that is not judged yet may be anybody's invention.
        """
        return sum(session.is_open for session in self._sessions.get(user_id, ()))

    async def _recheck(self, event: dict[str, Any]) -> None:
        for user_id in event["users"]:
            for session in (*self._sessions.get(user_id, ()), *self._about.get(user_id, ())):
                session.recheck()
        if self._on_change is not None:
            self._on_change(event["users"])


def _discard(sessions: dict[int, set[Revocable]], user_id: int, session: Revocable) -> None:
    found = sessions.get(user_id)
    if found is not None:
        found.discard(session)
        if not found:
            del sessions[user_id]


def recheck(user_ids: Iterable[int]) -> None:
    """Have all open sessions of these users checked again, on every worker.

    For whoever changes what a policy looks at: call it after the change is committed. It never
    raises. With the channel layer away, sessions notice within `session.RECHECK_INTERVAL`.
    """
    event = {"type": GROUP, "users": list(user_ids)}
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        async_to_sync(_broadcast)(event)
    else:
        task = loop.create_task(_broadcast(event))
        _broadcasts.add(task)
        task.add_done_callback(_broadcasts.discard)


# The event loop holds tasks weakly.
_broadcasts: set[asyncio.Task[None]] = set()


async def _broadcast(event: dict[str, Any]) -> None:
    try:
        async with asyncio.timeout(BROADCAST_TIMEOUT):
            layer = get_channel_layer()
            if layer is not None:
                await layer.group_send(GROUP, event)
    except Exception as error:  # each layer has errors of its own
        logger.warning(
            "Open sessions could not be told of a change, they notice later: %s", reason(error)
        )
