"""The users of one process's connections; concurrent requests share queries."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser

from tracking.access.principals import Principal, PrincipalId, user_principal
from tracking.access.tokens import Claims, load_owners, load_users
from tracking.engine.batching import Loader
from tracking.ids import UserId
from tracking.models import TripShare
from tracking.protocol import TokenInvalid, TripEnded
from tracking.shares.links import load_open
from tracking.web_sessions import load_ended


class Identities:
    """Loads users by id and by token. `run` runs a function in a database thread."""

    def __init__(self, run: Callable[..., Awaitable[Any]]) -> None:
        self.users: Loader[UserId, AbstractBaseUser] = Loader(partial(run, load_users))
        self._owners: Loader[str, AbstractBaseUser] = Loader(partial(run, load_owners))
        self._ended: Loader[str, bool] = Loader(partial(run, load_ended))
        self._shares: Loader[int, TripShare] = Loader(partial(run, load_open))

    async def principal_of(self, claims: Claims) -> Principal:
        """Return the principal of a token as the database has it now.

        Raise `TokenInvalid`, or `TripEnded` for a share link that shows its trip no longer.
        """
        if claims.share is None:
            return user_principal(await self.user_of(claims))
        share = await self._shares.get(claims.share)
        if share is None:
            raise TripEnded("this link has ended")
        return Principal(PrincipalId("share_link", share.pk), share.created_by, share)

    async def user_of(self, claims: Claims) -> AbstractBaseUser:
        """Return the user of a token as the database has it now; raise `TokenInvalid`."""
        if claims.user_id is not None:
            user = await self.users.get(claims.user_id)
        else:
            user = await self._owners.get(claims.owner or "")
        ended = claims.web_session is not None and await self._ended.get(claims.web_session)
        return _judge(claims, user, ended=bool(ended))

    async def close(self) -> None:
        """Stop, and cancel pending requests."""
        for loader in (self.users, self._owners, self._ended, self._shares):
            await loader.close()


def user_of(claims: Claims) -> AbstractBaseUser:
    """Return the user of a token, in a thread, as `Identities.user_of` does on the event loop."""
    if claims.user_id is not None:
        user = load_users([claims.user_id]).get(claims.user_id)
    else:
        user = load_owners([claims.owner or ""]).get(claims.owner or "")
    ended = claims.web_session is not None and load_ended([claims.web_session])
    return _judge(claims, user, ended=bool(ended))


def _judge(claims: Claims, user: AbstractBaseUser | None, *, ended: bool) -> AbstractBaseUser:
    if user is None:
        raise TokenInvalid("this account no longer exists or is inactive")
    if not claims.fit(user):
        raise TokenInvalid("the password was changed: log in again")
    if ended:
        raise TokenInvalid("you have logged out: log in again")
    return user
