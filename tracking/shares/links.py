"""The life of a share link: created, opened, revoked, ended with its trip."""

import base64
import hashlib
import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, NamedTuple

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import router, transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from tracking import events, revocation
from tracking.arguments import id_of
from tracking.conf import conf
from tracking.ids import UserId
from tracking.log_in import may_log_in
from tracking.models import EventType, Trip, TripShare
from tracking.shares.errors import TooManyShares, TripIsOver
from tracking.shares.rules import may_change_trips, with_members

# The live links of a trip at the most: a link each for family and friends, and no mailing list.
MAX_SHARES: Final = 5

# How long a link lasts without TRACKING["MAX_GRANT_DURATION"] and without an end of the trip.
LONGEST: Final = timedelta(days=1)

# Makes the secrets of links recognizable, to people and to log filters, as `trk_` does for devices.
PREFIX: Final = "trs_"

# The last opening is stored at most this often.
OPENING_RESOLUTION: Final = timedelta(minutes=1)


class NewShare(NamedTuple):
    """A link, and its secret, which is shown this once."""

    share: TripShare
    secret: str


def create(trip: Trip | int, *, by: AbstractBaseUser | UserId) -> NewShare:
    """Store a link to the trip, and return it with its secret, which is stored nowhere.

    `by` is the account that it acts for: the link ends when that account may not log in any more.
    It expires with the trip's latest end, and after TRACKING["MAX_GRANT_DURATION"].

    Raise TripIsOver, TooManyShares if `MAX_SHARES` are live, or Trip.DoesNotExist.
    """
    # 160 random bits: nobody finds one by trying.
    secret = PREFIX + base64.b32encode(secrets.token_bytes(20)).decode().lower()
    with _atomic():
        # Locked, so that two requests at once do not both create the last one.
        row = _lock(trip)
        now = timezone.now()
        expires_at = _expiry(row, now)
        if row.is_over or expires_at <= now:
            raise TripIsOver
        if _rows().filter(trip=row).live(now).count() >= MAX_SHARES:
            raise TooManyShares(MAX_SHARES)
        share = TripShare(
            trip=row,
            created_by_id=id_of(by),
            secret_hash=hash_of(secret),
            created_at=now,
            expires_at=expires_at,
        )
        share.save(using=_using(), force_insert=True)
    return NewShare(share, secret)


def revoke(share: TripShare | int) -> None:
    """End a link now, with its open streams. Do nothing if it has ended or is deleted."""
    pk = share.pk if isinstance(share, TripShare) else share
    with _atomic():
        _end(_rows().filter(pk=pk))


def end_of_trip(trip: Trip) -> None:
    """End all links to a trip that has ended. The caller's transaction has locked it."""
    _end(_rows().filter(trip=trip))


def listed(trip: Trip) -> Any:
    """Return the live links to a trip as a query, with the accounts that they act for."""
    return TripShare.objects.filter(trip=trip).live(timezone.now()).select_related("created_by")


@sensitive_variables("secret")
def resolve(secret: str) -> TripShare | None:
    """Return the link with this secret, live or not, with its trip; None if there is none."""
    # `lower()` turns some others into ASCII letters, such as the Kelvin sign.
    if not secret.isascii() or not secret.lower().startswith(PREFIX):
        return None
    found = with_members(TripShare.objects.filter(secret_hash=hash_of(secret)))
    row: TripShare | None = found.select_related("created_by", "trip__driver", "trip__eta").first()
    return row


def is_open(share: Any, now: datetime) -> bool:
    """Return True if the link shows its trip: it is live, and its account may still share it.

    The link is one of `resolve`.
    """
    trip = share.trip
    return bool(
        share.ended_at is None
        and share.expires_at > now
        and not trip.is_over
        and (trip.ends_at is None or trip.ends_at > now)
        and may_log_in(share.created_by)
        and (share.is_of_rider or may_change_trips(share.created_by))
    )


def load_open(pks: list[int]) -> Mapping[int, TripShare]:
    """Return those links that show their trip now, by id, with their trip and account."""
    now = timezone.now()
    found = with_members(TripShare.objects.filter(pk__in=pks))
    found = found.select_related("created_by", "trip")
    return {share.pk: share for share in found if is_open(share, now)}


def note_opening(pk: int) -> None:
    """Store that a browser has opened the link's stream; the first time, with an event.

    Any number of browsers and workers may do it at once: the event happens once.
    """
    found = _rows().filter(pk=pk).values_list("trip", "opened_at", "last_opened_at").first()
    if found is None:
        return
    trip_id, opened_at, last_opened_at = found
    now = timezone.now()
    if opened_at is not None:
        if last_opened_at < now - OPENING_RESOLUTION:
            _rows().filter(pk=pk).update(last_opened_at=now)
        return
    with _atomic():
        trip = _lock(trip_id)
        now = timezone.now()
        first = _rows().filter(pk=pk, opened_at=None, ended_at=None)
        if not first.update(opened_at=now, last_opened_at=now):
            return
        event = events.of_trip(trip, EventType.SHARE_OPENED, now, trip.driver_id, share=pk)
        trip.save(using=_using(), update_fields=["event_count"])
        events.store([event])


def hash_of(secret: str) -> str:
    """Return what is stored of a secret. Some messengers capitalize what they think is a name."""
    return hashlib.sha256(secret.lower().encode()).hexdigest()


def _end(shares: Any) -> None:
    open_shares = shares.filter(ended_at=None).select_for_update().order_by("pk")
    accounts = dict(open_shares.values_list("pk", "created_by_id"))
    if accounts:
        _rows().filter(pk__in=accounts).update(ended_at=timezone.now())
        _recheck(accounts.values())


def _recheck(user_ids: Iterable[Any]) -> None:
    # The sessions of a link are checked with those of the account that it acts for.
    transaction.on_commit(partial(revocation.recheck, sorted(set(user_ids))), _using())


def _expiry(trip: Trip, now: datetime) -> datetime:
    longest = timedelta(seconds=conf.MAX_GRANT_DURATION) if conf.MAX_GRANT_DURATION else LONGEST
    return min(now + longest, trip.ends_at or now + longest)


def _lock(trip: Trip | int) -> Trip:
    pk = trip.pk if isinstance(trip, Trip) else trip
    return Trip.objects.using(_using()).select_for_update().get(pk=pk)


def _rows() -> Any:
    return TripShare.objects.using(_using())


def _using() -> str:
    return router.db_for_write(TripShare)


def _atomic() -> Any:
    return transaction.atomic(_using())
