"""Trips as the REST API answers them."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, TypeAlias

import msgspec
from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import QuerySet
from msgspec import Meta

from tracking.ids import UserId
from tracking.models import Trip
from tracking.protocol import format_time
from tracking.protocol.frames import TripContent
from tracking.trips.content import content_of, with_content

Time: TypeAlias = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]


class TripDetails(TripContent):
    """A trip: the content of its frame, and what only the REST API has."""

    riders: Annotated[list[UserId], Meta(description="For a rider, that rider alone.")]
    created_at: Time
    assigned_at: Annotated[Time | None, Meta(description="When it got the driver it has now.")]
    ended_at: Time | None
    ends_at: Annotated[Time | None, Meta(description="The latest end.")]
    version: Annotated[int, Meta(ge=1, description="It grows with each change.")]


def with_users(trips: QuerySet[Trip]) -> QuerySet[Trip]:
    """Return the query with all that `detail_of` needs."""
    return with_content(trips).prefetch_related("riders")


def detail_of(trip: Trip, user: AbstractBaseUser) -> dict[str, Any]:
    """Return the answer for a user who may see the trip.

    A rider of a shared trip does not see who else rides.
    """
    riders: Iterable[Any] = (rider.pk for rider in trip.riders.all())
    riders = sorted(riders)
    content = content_of(trip)
    details = TripDetails(
        **{name: getattr(content, name) for name in TripContent.__struct_fields__},
        riders=[user.pk] if user.pk in riders and not sees_all(user) else riders,
        created_at=format_time(trip.created_at),
        assigned_at=_time(trip.assigned_at),
        ended_at=_time(trip.ended_at),
        ends_at=_time(trip.ends_at),
        version=trip.version,
    )
    built: dict[str, Any] = msgspec.to_builtins(details)
    return built


def sees_all(user: Any) -> bool:
    """Return True for staff who may view all trips, as in the admin."""
    return bool(user.is_staff and user.has_perm("tracking.view_trip"))


def _time(at: datetime | None) -> str | None:
    return None if at is None else format_time(at)
