"""Permission for requests with the same token: decided once, and again after each change.

A request over HTTP has no connection that could be closed, so its token's permission is remembered
instead, for as long as a socket's decision stands without a check.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

from tracking.access.identities import Identities
from tracking.access.principals import PrincipalId
from tracking.access.registry import Registry
from tracking.access.session import RECHECK_INTERVAL
from tracking.access.tokens import may_block, verify
from tracking.ids import UserId
from tracking.protocol import Forbidden, TrackingError

# Seconds after which a permission is checked again while it still stands, so that no request waits
# for that.
RENEWAL: Final = RECHECK_INTERVAL / 2
# The tokens whose permission is remembered. Beyond it the oldest is dropped, and checked again.
MAX_PERMITS: Final = 1_000


class Permit:
    """The permission of one token's user until a time, in seconds since 1970, or a notice."""

    # It is no connection, so it does not count as one of the user's.
    is_open = False
    principal: PrincipalId | None = None

    def __init__(self, user_id: UserId) -> None:
        self.user_id = user_id
        now = time.time()
        self.renew_at = now + RENEWAL
        self.until = now + RECHECK_INTERVAL

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
        # One for each token: thousands of requests must not make the same queries.
        self._checks: dict[str, asyncio.Task[Permit]] = {}

    def __len__(self) -> int:
        return len(self._permits)

    async def user_of(self, token: str) -> UserId:
        """Return the id of a token's user, who is permitted.

        Raise `TokenInvalid`, `TokenExpired`, `Forbidden`, or a database error.
        """
        known = self._permits.get(token)
        while known is None or time.time() >= known.until:
            # Again if a notice came meanwhile. A request that is cancelled cancels no other.
            known = await asyncio.shield(self._check(token))
        if time.time() >= known.renew_at:
            self._check(token)
        return known.user_id

    async def close(self) -> None:
        """Stop all checks."""
        checks = list(self._checks.values())
        for check in checks:
            check.cancel()
        if checks:
            await asyncio.wait(checks)

    def _check(self, token: str) -> asyncio.Task[Permit]:
        check = self._checks.get(token)
        if check is None:
            check = self._checks[token] = asyncio.create_task(self._read(token))
            check.add_done_callback(partial(self._checked, token))
        return check

    def _checked(self, token: str, check: asyncio.Task[Permit]) -> None:
        del self._checks[token]
        # While the database does not answer, the last decision stands until its end.
        if not check.cancelled() and isinstance(check.exception(), TrackingError):
            self._drop(token)

    async def _read(self, token: str) -> Permit:
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
        # After a notice it has ended already.
        permit.until = min(permit.until, claims.expires_at)
        self._drop(token)
        self._permits[token] = permit
        if len(self._permits) > MAX_PERMITS:
            self._drop(next(iter(self._permits)))
        return permit

    def _drop(self, token: str) -> None:
        permit = self._permits.pop(token, None)
        if permit is not None:
            self._registry.discard(permit.user_id, permit)
