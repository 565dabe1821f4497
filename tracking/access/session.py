"""The authenticated side of a connection: its principal, and how long it may stay open."""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final

from django.db import Error as DatabaseError

from tracking.access import share_tokens
from tracking.access.identities import Identities
from tracking.access.principals import Principal, PrincipalId
from tracking.access.registry import Registry
from tracking.access.tokens import Claims, may_block, verify
from tracking.conf import conf
from tracking.ids import DriverId, UserId
from tracking.permissions import Decision, Window
from tracking.protocol import (
    Forbidden,
    InvalidMessage,
    OverCapacity,
    TokenExpired,
    TokenInvalid,
    TrackingError,
)
from tracking.throttled_log import Throttle, reason

logger = logging.getLogger(__name__)
logger.addFilter(Throttle())

# Seconds for which the decision that a user is active and permitted stands on an open connection.
# 5,000 connections cost 170 checks a second, which share a handful of queries.
RECHECK_INTERVAL: Final = 30.0

# A permission with an end is checked again at that end, and ends this many seconds later unless the
# check prolonged it. A connection must be closed within a second after its permission ended: this
# is half of it, and the other half is for the close frame to arrive.
PROLONGING_TIMEOUT: Final = 0.5

# Longest delay of the timer in seconds; it is set again until what it waits for is due.
MAX_DELAY: Final = 86_400.0

# Seconds before the token expires at which a client that asked for it is warned.
EXPIRY_WARNING: Final = 30.0


class Session:
    """The authenticated side of one connection.

    `authorize` decides whether a principal is permitted, and until when. `on_end` is called once,
    with the reason, when an open session ends: at the second its token or its permission expires,
    when a check of its user's sessions fails, and within `RECHECK_INTERVAL` after any change. A
    policy that raises ends the session; while the database does not answer, the last decision
    stands.
    """

    __slots__ = (
        "_authorize",
        "_changes",
        "_claims",
        "_ended",
        "_identities",
        "_on_end",
        "_password",
        "_recheck_at",
        "_registry",
        "_takes_share_tokens",
        "_task",
        "_timer",
        "_token",
        "_until",
        "_warn",
        "_warn_at",
        "about",
        "principal",
        "user_id",
    )

    def __init__(
        self,
        identities: Identities,
        registry: Registry,
        authorize: Callable[[Principal], Awaitable[Decision]],
        on_end: Callable[[TrackingError], None],
        *,
        takes_share_tokens: bool = False,
    ) -> None:
        self._identities = identities
        self._registry = registry
        self._authorize = authorize
        self._on_end = on_end
        self._takes_share_tokens = takes_share_tokens
        # Set once a token was accepted.
        self.principal: PrincipalId | None = None
        # The account that it acts for.
        self.user_id: UserId | None = None
        # The driver that it is about: changes of that user cause a check as well.
        self.about: DriverId | None = None
        self._token: str | None = None
        self._claims: Claims | None = None
        self._password: int | None = None
        self._until = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[Any] | None = None
        # The number of notices of changes: a check that began before the last one is repeated.
        self._changes = 0
        # The loop's time of the next check, which only the end of a check moves. None while a
        # scheduled check is running.
        self._recheck_at: float | None = None
        self._ended = False
        self._warn: Callable[[int], None] | None = None
        self._warn_at = math.inf

    @property
    def is_open(self) -> bool:
        """True once a token was accepted."""
        return self._claims is not None

    async def authenticate(self, token: str | None) -> None:
        """Accept a message that carries `token`, or none because an earlier one did.

        Raise `TokenInvalid`, `TokenExpired`, `Forbidden`, `OverCapacity`, or `InvalidMessage` if
        no token was sent yet. The token of an open session costs one comparison; a newer token of
        the same user extends the session.
        """
        if token is None and self._token is None:
            raise InvalidMessage("token is missing: log in and send the access token")
        if token is None or token == self._token:
            if self._claims and time.time() < self._claims.expires_at:
                return
            token = token or self._token
        assert token is not None  # noqa: S101 - for the type checker
        claims = await self._verify(token)
        if self._claims is None:
            await self._registry.listen()
        user_id = claims.user_id
        if user_id is None:
            user_id = (await self._identities.principal_of(claims)).user.pk
        if self._claims is None:
            self._registry.add(user_id, self, self.about)
        elif user_id != self.user_id:
            raise Forbidden("this connection belongs to another user: open one of your own")
        elif claims.expires_at < self._claims.expires_at:
            return  # An older token that arrives late does not shorten the session.
        try:
            principal, until, password = await self._check(claims)
            if self._claims is not None and principal != self.principal:
                raise Forbidden("this connection has another kind of token: open one of your own")
            if self._claims is None:
                # Only now is the token known to be the user's.
                others = self._registry.count(user_id, principal)
                if 0 < conf.MAX_CONNECTIONS_PER_USER <= others:
                    raise OverCapacity("too many connections of this user: close some of them")
        except BaseException:
            if self._claims is None:
                self._registry.discard(user_id, self, self.about)
            raise
        self._until, self._password = until, password
        self._token, self._claims = token, claims
        self.principal, self.user_id = principal, user_id
        # A token with a shorter lifetime has no warning: warnings and renewals would never end.
        warn_at = claims.expires_at - EXPIRY_WARNING
        self._warn_at = warn_at if time.time() < warn_at else math.inf
        self._checked()

    def warn_with(self, warn: Callable[[int], None] | None) -> None:
        """Call `warn` with the remaining seconds, `EXPIRY_WARNING` before each token expires."""
        self._warn = warn
        self._set_timer()

    def recheck(self) -> None:
        """Check that the user is still permitted, and end the session if not."""
        # A running check may have read outdated rows, so it is repeated.
        self._changes += 1
        idle = self._task is None or self._task.done()
        if self._claims is not None and idle and not self._ended:
            self._task = asyncio.get_running_loop().create_task(self._recheck())

    def close(self) -> None:
        """Cancel the timer and running checks, and leave the registry."""
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
        if self.user_id is not None:
            self._registry.discard(self.user_id, self, self.about)

    async def _verify(self, token: str) -> Claims:
        """Return the claims of a token; raise `TokenInvalid` or `TokenExpired`."""
        if self._takes_share_tokens and share_tokens.is_share_token(token):
            return share_tokens.verify(token)
        return await asyncio.to_thread(verify, token) if may_block() else verify(token)

    async def _check(
        self, claims: Claims, password: int | None = None
    ) -> tuple[PrincipalId, float, int]:
        """Return the principal, the end of its permission, and the hash of its password hash."""
        while True:
            changes = self._changes
            principal = await self._identities.principal_of(claims)
            user = principal.user
            # A link stays what it is when the password of its account changes.
            is_user = principal.share is None
            if is_user and password not in (None, hash(user.password)):
                raise TokenInvalid("the password was changed: log in again")
            decision = await self._authorize(principal)
            if not decision:
                raise Forbidden
            if changes == self._changes:
                until = decision.until if isinstance(decision, Window) else decision
                ends_at = until.timestamp() if isinstance(until, datetime) else math.inf
                return principal.id, ends_at, hash(user.password)

    async def _recheck(self) -> None:
        claims = None
        while claims is not self._claims:  # Else a newer token came meanwhile: check that one.
            claims = self._claims
            assert claims is not None  # noqa: S101 - only an authenticated session is rechecked
            end: TrackingError | None = None
            try:
                _, until, password = await self._check(claims, self._password)
                if claims is self._claims:
                    self._until, self._password = until, password
            except TrackingError as error:
                end = error
            except (DatabaseError, OSError) as error:
                # An unavailable database changes no decision, and prolongs no permission.
                logger.warning("A session could not be checked again: %s", reason(error))
                if self._until <= time.time():
                    end = Forbidden()
            except Exception:
                # Raised by the policy; an error never permits.
                logger.exception("A session was ended because checking it again failed")
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
        # Some event loops accept no more than weeks, so a longer delay is split.
        self._timer = loop.call_later(min(max(0.0, delay), MAX_DELAY), self._on_timer)

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
        self._set_timer()  # Set now: a check that takes long must not outlast the token.
