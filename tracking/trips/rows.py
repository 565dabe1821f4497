"""Trips as their streams need them, read in database threads."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from tracking.conf import conf
from tracking.ids import DriverId, UserId
from tracking.models import Trip, TripStatus
from tracking.protocol import encode_trip
from tracking.trips.content import content_of, shared_content_of, with_content


class TripRow(NamedTuple):
    """A trip, and its encoded frame.

    Of the driver, nothing recorded before `since` is shown; it is None without one. From `until`
    on nobody follows the trip; it is None without a limit.
    """

    id: int
    version: int
    frame: str
    riders: frozenset[UserId]
    driver_id: DriverId | None
    since: datetime | None
    until: datetime | None
    # The final status, once the trip has ended.
    ended: TripStatus | None
    # The frame without the seconds to the arrival, which pass.
    lasting: str = ""
    # The encoded frame for those who have a link to the trip.
    shared_frame: str = ""

    def is_for(self, user_id: UserId) -> bool:
        """Return True for the riders of the trip, and for the driver that has it now."""
        return user_id in self.riders or user_id == self.driver_id

    def says_the_same_as(self, other: "TripRow") -> bool:
        """Return True if nothing has changed but the time."""
        if not self.lasting:
            return self == other
        mine = self._replace(frame="", shared_frame="")
        return mine == other._replace(frame="", shared_frame="")


def load_trips(trip_ids: list[int]) -> Mapping[int, TripRow]:
    """Return the trips that exist, by id."""
    riders: defaultdict[int, list[Any]] = defaultdict(list)
    members = Trip.riders.through._default_manager.filter(trip__in=trip_ids)
    for trip_id, rider_id in members.values_list("trip_id", Trip.riders.field.m2m_reverse_name()):
        riders[trip_id].append(rider_id)
    trips = with_content(Trip.objects.filter(pk__in=trip_ids))
    return {trip.pk: _row(trip, frozenset(riders[trip.pk])) for trip in trips}


def load_versions(trip_ids: list[int]) -> Mapping[int, int]:
    """Return the versions of the trips that exist, by id."""
    return dict(Trip.objects.filter(pk__in=trip_ids).values_list("pk", "version"))


def _row(trip: Trip, riders: frozenset[UserId]) -> TripRow:
    since = None
    limits = [trip.ends_at] if trip.ends_at is not None else []
    if trip.assigned_at is not None and trip.driver_id is not None:
        # As for a watch grant.
        since = trip.assigned_at - timedelta(seconds=conf.GRANT_LEAD_TIME)
        if conf.MAX_GRANT_DURATION:
            limits.append(trip.assigned_at + timedelta(seconds=conf.MAX_GRANT_DURATION))
    until = min(limits, default=None)
    content = content_of(trip)
    frame = lasting = encode_trip(content)
    if content.eta is not None:
        content.eta.seconds = 0
        lasting = encode_trip(content)
    return TripRow(
        trip.pk,
        trip.version,
        frame,
        riders,
        trip.driver_id,
        since,
        until,
        TripStatus(trip.status) if trip.is_over else None,
        lasting,
        encode_trip(shared_content_of(trip)),
    )
