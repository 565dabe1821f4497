"""The times in which drivers had a trip, and those of them that its people may see."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from tracking.ids import DriverId, UserId
from tracking.models import Trip, TripAssignment, WatchGrant


class Window(NamedTuple):
    """The time from `since` to `until`, exclusively, in which a driver had a trip."""

    driver_id: DriverId
    since: datetime
    until: datetime


def windows_of(trip: Trip, now: datetime, driver_id: DriverId | None = None) -> list[Window]:
    """Return the times of a trip's drivers up to `now`, in order; with a driver, its own alone."""
    rows = TripAssignment.objects.filter(trip=trip).order_by("since", "pk")
    if driver_id is not None:
        rows = rows.filter(driver_id=driver_id)  # type: ignore[misc]  # the demo's ids are integers
    return _not_empty(
        Window(driver_id, since, min(until or now, now))
        for driver_id, since, until in rows.values_list("driver_id", "since", "until")
    )


def windows_for_rider(trip: Trip, rider_id: UserId, now: datetime) -> list[Window]:
    """Return the times of a trip's drivers up to `now` in which the rider had a grant to watch.

    So the past shows a rider no more than the stream did: a grant ends with its duration, and when
    staff end it.
    """
    grants = WatchGrant.objects.filter(trip=trip, watcher_id=rider_id)  # type: ignore[misc]  # as above
    granted = [
        Window(driver_id, since, min(until, ended_at or until))
        for driver_id, since, until, ended_at in grants.values_list(
            "driver_id", "starts_at", "ends_at", "ended_at"
        )
    ]
    return _not_empty(
        Window(had.driver_id, max(had.since, seen.since), min(had.until, seen.until))
        for had in windows_of(trip, now)
        for seen in granted
        if seen.driver_id == had.driver_id
    )


def _not_empty(windows: Iterable[Window]) -> list[Window]:
    return [window for window in windows if window.since < window.until]
