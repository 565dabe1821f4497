"""Who is on a connection, and whether they may still be there."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from django.contrib.auth.base_user import AbstractBaseUser

from tracking.authentication import Claims, verify
from tracking.batching import Loader
from tracking.protocol import Forbidden, TokenExpired, TokenInvalid, TrackingError

logger = logging.getLogger(__name__)

# How long the decision that a user is active and permitted stands on an open connection.
# 5,000 connections cost 170 checks a second, which share a handful of queries.
RECHECK_INTERVAL: Final = 30.0


class Session:
    """The authenticated side of one connection.

    `authorize` decides whether a user may be here. `on_end` is told, once, why a session that
    was good is good no longer: at the second its token expires, and within `RECHECK_INTERVAL`
    after its user was deactivated or lost the permission.
    """

    __slots__ = ("_authorize", "_claims", "_on_end", "_task", "_timer", "_token", "_users")

    def __init__(
        self,
        users: Loader[int, AbstractBaseUser],
        authorize: Callable[[AbstractBaseUser], Awaitable[bool]],
        on_end: Callable[[TrackingError], None],
    ) -> None:
        self._users = users
        self._authorize = authorize
        self._on_end = on_end
        self._token: str | None = None
        self._claims: Claims | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[Any] | None = None

    async def authenticate(self, token: str) -> None:
        """Accept a message that carries `token`.

        Raise `TokenInvalid`, `TokenExpired` or `Forbidden`. The token of an open session costs
        one comparison; a newer one of the same user extends it.
        """
        if token == self._token and self._claims and time.time() < self._claims.expires_at:
            return
        claims = verify(token)
        if self._claims is not None and claims.user_id != self._claims.user_id:
            raise Forbidden("this connection belongs to another user: open one of your own")
        await self._check(claims)
        self._token, self._claims = token, claims
        self._set_timer(claims)

    def close(self) -> None:
        """Stop the clock."""
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    async def _check(self, claims: Claims) -> None:
        user = await self._users.get(claims.user_id)
        if user is None:
            raise TokenInvalid("this account no longer exists or is inactive")
        if not await self._authorize(user):
            raise Forbidden

    def _set_timer(self, claims: Claims) -> None:
        if self._timer is not None:
            self._timer.cancel()
        delay = min(RECHECK_INTERVAL, claims.expires_at - time.time())
        self._timer = asyncio.get_running_loop().call_later(delay, self._on_timer, claims)

    def _on_timer(self, claims: Claims) -> None:
        if claims.expires_at <= time.time():
            self._on_end(TokenExpired())
            return
        # First, so that a check that takes long never outlasts the token.
        self._set_timer(claims)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._recheck(claims))

    async def _recheck(self, claims: Claims) -> None:
        try:
            await self._check(claims)
        except TrackingError as error:
            if self._timer is not None:
                self._timer.cancel()
            self._on_end(error)
        except Exception as error:  # a database that is away decides nothing
            logger.warning("A session could not be checked again, it goes on: %r", error)
