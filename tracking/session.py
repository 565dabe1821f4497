"""Who is on a connection, and whether they may still be there."""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final

from django.contrib.auth.base_user import AbstractBaseUser

from tracking.authentication import Claims, verify
from tracking.batching import Loader
from tracking.permissions import Decision
from tracking.protocol import Forbidden, TokenExpired, TokenInvalid, TrackingError
from tracking.revocation import Registry

logger = logging.getLogger(__name__)

# How long the decision that a user is active and permitted stands on an open connection.
# 5,000 connections cost 170 checks a second, which share a handful of queries.
RECHECK_INTERVAL: Final = 30.0


class Session:
    """The authenticated side of one connection.

    `authorize` decides whether a user may be here, and until when. `on_end` is told, once, why a
    session that was good is good no longer: at the second its token or its permission expires,
    when its user's sessions are checked again, and within `RECHECK_INTERVAL` after any change.
    """

    __slots__ = (
        "_authorize",
        "_claims",
        "_on_end",
        "_password",
        "_registry",
        "_stale",
        "_task",
        "_timer",
        "_token",
        "_until",
        "_users",
    )

    def __init__(
        self,
        users: Loader[int, AbstractBaseUser],
        registry: Registry,
        authorize: Callable[[AbstractBaseUser], Awaitable[Decision]],
        on_end: Callable[[TrackingError], None],
    ) -> None:
        self._users = users
        self._registry = registry
        self._authorize = authorize
        self._on_end = on_end
        self._token: str | None = None
        self._claims: Claims | None = None
        self._password: int | None = None
        self._until = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[Any] | None = None
        self._stale = False

    async def authenticate(self, token: str) -> None:
        """Accept a message that carries `token`.

        Raise `TokenInvalid`, `TokenExpired` or `Forbidden`. The token of an open session costs
        one comparison; a newer one of the same user extends it.
        """
        if token == self._token and self._claims and time.time() < self._claims.expires_at:
            return
        claims = verify(token)
        if self._claims is None:
            await self._registry.listen()
            self._registry.add(claims.user_id, self)
        elif claims.user_id != self._claims.user_id:
            raise Forbidden("this connection belongs to another user: open one of your own")
        try:
            await self._check(claims)
        except BaseException:
            if self._claims is None:
                self._registry.discard(claims.user_id, self)
            raise
        self._token, self._claims = token, claims
        self._set_timer()

    def recheck(self) -> None:
        """Find out whether the user may still be here, and end if not."""
        # A check under way may have read what is no longer so: it will be made once more.
        self._stale = True
        if self._claims is not None and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self._recheck())

    def close(self) -> None:
        """Stop the clock, and be forgotten."""
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
        if self._claims is not None:
            self._registry.discard(self._claims.user_id, self)

    async def _check(self, claims: Claims, password: int | None = None) -> None:
        self._stale = True
        while self._stale:
            self._stale = False
            user = await self._users.get(claims.user_id)
            if user is None:
                raise TokenInvalid("this account no longer exists or is inactive")
            if not claims.fit(user) or password not in (None, hash(user.password)):
                raise TokenInvalid("the password was changed: log in again")
            decision = await self._authorize(user)
            if not decision:
                raise Forbidden
            self._until = decision.timestamp() if isinstance(decision, datetime) else math.inf
            self._password = hash(user.password)

    async def _recheck(self) -> None:
        claims = self._claims
        assert claims is not None  # noqa: S101 - only an authenticated session is checked again
        try:
            await self._check(claims, self._password)
        except TrackingError as error:
            if claims is self._claims:
                self._end(error)
            else:
                self.recheck()  # A newer token came meanwhile, and is the one to judge.
        except Exception as error:
            # A database that is away decides nothing, but it cannot prolong a permission either.
            logger.warning("A session could not be checked again: %r", error)
            if self._until <= time.time():
                self._end(Forbidden())
        else:
            self._set_timer()

    def _end(self, error: TrackingError) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._on_end(error)

    def _set_timer(self) -> None:
        assert self._claims is not None  # noqa: S101 - as above
        now = time.time()
        delay = min(RECHECK_INTERVAL, self._claims.expires_at - now)
        if self._until > now:
            delay = min(delay, self._until - now)
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(delay, self._on_timer)

    def _on_timer(self) -> None:
        assert self._claims is not None  # noqa: S101 - as above
        if self._claims.expires_at <= time.time():
            self._on_end(TokenExpired())
        else:
            self._set_timer()  # First: a check that takes long must not outlast the token.
            self.recheck()
