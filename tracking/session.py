"""Who is on a connection, and whether they may still be there."""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import Error as DatabaseError

from tracking.authentication import Claims, verify
from tracking.conf import conf
from tracking.monitoring.throttled_log import Throttle
from tracking.permissions import Decision
from tracking.pipeline.batching import Loader
from tracking.protocol import (
    Forbidden,
    InvalidMessage,
    OverCapacity,
    TokenExpired,
    TokenInvalid,
    TrackingError,
)
from tracking.revocation import Registry

logger = logging.getLogger(__name__)
logger.addFilter(Throttle())

# How long the decision that a user is active and permitted stands on an open connection.
# 5,000 connections cost 170 checks a second, which share a handful of queries.
RECHECK_INTERVAL: Final = 30.0

# A permission that has a time is asked about again at that time, and ends so long after it
# whatever became of the question. Half of the second within which whoever lost a permission is
# to be cut off: the other half is for the close to arrive.
PROLONGING_TIMEOUT: Final = 0.5

# Seconds before the token runs out that whoever asked for it is warned.
EXPIRY_WARNING: Final = 30.0


class Session:
    """The authenticated side of one connection.

    `authorize` decides whether a user may be here, and until when. `on_end` is told, once, why a
    session that was good is good no longer: at the second its token or its permission expires,
    when its user's sessions are checked again, and within `RECHECK_INTERVAL` after any change. A
    policy that fails ends it; a database that does not answer leaves the last decision standing.
    """

    __slots__ = (
        "_authorize",
        "_changes",
        "_claims",
        "_ended",
        "_on_end",
        "_password",
        "_recheck_at",
        "_registry",
        "_task",
        "_timer",
        "_token",
        "_until",
        "_users",
        "_warn",
        "_warn_at",
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
        # How often a change was told of: a check that began before the last one begins anew.
        self._changes = 0
        # The loop's time of the next check, which only the end of a check moves. None while one
        # that was due is under way.
        self._recheck_at: float | None = None
        self._ended = False
        self._warn: Callable[[int], None] | None = None
        self._warn_at = math.inf

    @property
    def user_id(self) -> int | None:
        """Whose session it is, once it is somebody's."""
        return self._claims and self._claims.user_id

    async def authenticate(self, token: str | None) -> None:
        """Accept a message that carries `token`, or none because an earlier one did.

        Raise `TokenInvalid`, `TokenExpired`, `Forbidden`, `OverCapacity`, or `InvalidMessage` if
        no token ever came. The token of an open session costs one comparison; a newer one of the
        same user extends it.
        """
        if token is None and self._token is None:
            raise InvalidMessage("token is missing: log in and send the access token")
        if token is None or token == self._token:
            if self._claims and time.time() < self._claims.expires_at:
                return
            token = token or self._token
        assert token is not None  # noqa: S101 - for the type checker
        claims = verify(token)
        if self._claims is None:
            await self._registry.listen()
            self._registry.add(claims.user_id, self)
            if 0 < conf.MAX_CONNECTIONS_PER_USER < self._registry.count(claims.user_id):
                self._registry.discard(claims.user_id, self)
                raise OverCapacity("too many connections of this user: close some of them")
        elif claims.user_id != self._claims.user_id:
            raise Forbidden("this connection belongs to another user: open one of your own")
        elif claims.expires_at < self._claims.expires_at:
            return  # An older one that came late shortens nothing.
        try:
            self._until, self._password = await self._check(claims)
        except BaseException:
            if self._claims is None:
                self._registry.discard(claims.user_id, self)
            raise
        self._token, self._claims = token, claims
        # A token that is to live for less than that has no warning: it would never end.
        warn_at = claims.expires_at - EXPIRY_WARNING
        self._warn_at = warn_at if time.time() < warn_at else math.inf
        self._checked()

    def warn_with(self, warn: Callable[[int], None] | None) -> None:
        """Have `warn` told `EXPIRY_WARNING` before each token runs out, in how many seconds."""
        self._warn = warn
        self._set_timer()

    def recheck(self) -> None:
        """Find out whether the user may still be here, and end if not."""
        # A check under way may have read what is no longer so: it will be made once more.
        self._changes += 1
        idle = self._task is None or self._task.done()
        if self._claims is not None and idle and not self._ended:
            self._task = asyncio.get_running_loop().create_task(self._recheck())

    def close(self) -> None:
        """Stop the clock, and be forgotten."""
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
        if self._claims is not None:
            self._registry.discard(self._claims.user_id, self)

    async def _check(self, claims: Claims, password: int | None = None) -> tuple[float, int]:
        """Return until when the permission lasts, and the hash of the user's password hash."""
        while True:
            changes = self._changes
            user = await self._users.get(claims.user_id)
            if user is None:
                raise TokenInvalid("this account no longer exists or is inactive")
            if not claims.fit(user) or password not in (None, hash(user.password)):
                raise TokenInvalid("the password was changed: log in again")
            decision = await self._authorize(user)
            if not decision:
                raise Forbidden
            if changes == self._changes:
                until = decision.timestamp() if isinstance(decision, datetime) else math.inf
                return until, hash(user.password)

    async def _recheck(self) -> None:
        claims = None
        while claims is not self._claims:  # Else a newer token came meanwhile: judge that one.
            claims = self._claims
            assert claims is not None  # noqa: S101 - only an authenticated session is rechecked
            end: TrackingError | None = None
            try:
                standing = await self._check(claims, self._password)
                if claims is self._claims:
                    self._until, self._password = standing
            except TrackingError as error:
                end = error
            except (DatabaseError, OSError) as error:
                # A database that is away decides nothing, but it cannot prolong a permission.
                logger.warning("A session could not be checked again: %r", error)
                if self._until <= time.time():
                    end = Forbidden()
            except Exception:
                # Of the policy, and an error in it is never a yes.
                logger.exception("A session was ended, as checking it again failed")
                end = Forbidden()
        if end is None:
            self._checked()
        else:
            self._end(end)

    def _end(self, error: TrackingError) -> None:
        if self._ended:
            return
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()
        self._on_end(error)

    def _checked(self) -> None:
        soon = min(RECHECK_INTERVAL, self._until - time.time())
        self._recheck_at = asyncio.get_running_loop().time() + soon
        self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._ended:
            return
        assert self._claims is not None  # noqa: S101 - as above
        loop = asyncio.get_running_loop()
        delay = min(self._claims.expires_at, self._until + PROLONGING_TIMEOUT) - time.time()
        if self._recheck_at is not None:
            delay = min(delay, self._recheck_at - loop.time())
        if self._warn is not None:
            delay = min(delay, self._warn_at - time.time())
        self._timer = loop.call_later(max(0.0, delay), self._on_timer)

    def _on_timer(self) -> None:
        assert self._claims is not None  # noqa: S101 - as above
        now = time.time()
        if self._claims.expires_at <= now:
            self._end(TokenExpired())
            return
        if self._until + PROLONGING_TIMEOUT <= now:
            self._end(Forbidden())
            return
        if self._warn is not None and self._warn_at <= now:
            self._warn_at = math.inf
            self._warn(round(self._claims.expires_at - now))
        if self._recheck_at is not None and self._recheck_at <= asyncio.get_running_loop().time():
            self._recheck_at = None
            self.recheck()
        self._set_timer()  # Now: a check that takes long must not outlast the token.
