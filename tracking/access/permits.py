"""Permission for requests with the same token: decided once, and again after each change.

A request over HTTP has no connection that could be closed, so its token's permission is remembered
instead, for as long as a socket's decision stands without a check.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from tracking.access.identities import Identities
from tracking.access.registry import Registry
from tracking.access.session import RECHECK_INTERVAL
from tracking.access.tokens import may_block, verify
from tracking.ids import UserId
from tracking.protocol import Forbidden

# The tokens whose permission is remembered. Beyond it the oldest is dropped, and checked again.
MAX_PERMITS: Final = 1_000


class Permit:
    """The permission of one token's user until a time, in seconds since 1970, or a notice."""

    # It is no connection, so it does not count as one of the user's.
    is_open = False

    def __init__(self, user_id: UserId) -> None:
        self.user_id = user_id
        self.until = time.time() + RECHECK_INTERVAL

    def recheck(self) -> None:
        """End the permission: the next request checks the user again."""
        self.until = 0.0


class Permits:
    """The permissions of tokens that were sent lately. `authorize` decides for a user."""

    def __init__(
        self,
        identities: Identities,
        registry: Registry,
        authorize: Callable[[Any], Awaitable[bool]],
    ) -> None:
        self._identities = identities
        self._registry = registry
        self._authorize = authorize
        self._permits: dict[str, Permit] = {}

    def __len__(self) -> int:
        return len(self._permits)

    async def user_of(self, token: str) -> UserId:
        """Return the id of a token's user, who is permitted.

        Raise `TokenInvalid`, `TokenExpired`, `Forbidden`, or a database error.
        """
        known = self._permits.get(token)
        if known is not None:
            if time.time() < known.until:
                return known.user_id
            self._drop(token)
        claims = await asyncio.to_thread(verify, token) if may_block() else verify(token)
        await self._registry.listen()
        user_id = claims.user_id
        if user_id is None:
            user_id = (await self._identities.user_of(claims)).pk
        permit = Permit(user_id)
        # Before the user is read, so that no notice is missed.
        self._registry.add(user_id, permit)
        try:
            if not await self._authorize(await self._identities.user_of(claims)):
                raise Forbidden
        except BaseException:
            self._registry.discard(user_id, permit)
            raise
        # After a notice it has ended already, and the next request checks again.
        permit.until = min(permit.until, claims.expires_at)
        self._drop(token)  # that of a request at the same time
        self._permits[token] = permit
        if len(self._permits) > MAX_PERMITS:
            self._drop(next(iter(self._permits)))
        return user_id

    def _drop(self, token: str) -> None:
        permit = self._permits.pop(token, None)
        if permit is not None:
            self._registry.discard(permit.user_id, permit)
