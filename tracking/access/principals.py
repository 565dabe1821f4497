"""The party that a connection acts for, as sessions and policies see it."""

from typing import Literal, NamedTuple, TypeAlias

from django.contrib.auth.base_user import AbstractBaseUser

from tracking.ids import UserId
from tracking.models import TripShare

Kind: TypeAlias = Literal["user", "device", "share_link"]


class PrincipalId(NamedTuple):
    """The identifier of a principal: its kind, and the primary key of its row."""

    kind: Kind
    pk: UserId


class Principal(NamedTuple):
    """A user, a device or a share link, and the account that it acts for.

    `user` is the account as the database has it now: the user itself, the driver whose device it
    is, or the rider who shares a trip. Policies decide about that account. `share` is the row of a
    share link.
    """

    id: PrincipalId
    user: AbstractBaseUser
    share: TripShare | None = None


def user_principal(user: AbstractBaseUser) -> Principal:
    """Return the principal of a logged-in user."""
    return Principal(PrincipalId("user", user.pk), user)
