"""The rows of events: made, and stored in the transaction that causes them."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import router

from tracking.ids import DriverId, to_plain
from tracking.models import Event, EventType, Trip


def of_trip(
    trip: Trip, kind: EventType, at: datetime, driver_id: DriverId | None, **facts: Any
) -> Event:
    """Return the next event of a trip, to be stored.

    The trip is locked, and its `event_count` grows: the caller saves it. The payload names the
    trip, its reference, the driver and the number of the event, followed by `facts`.
    """
    trip.event_count += 1
    names = {
        "trip": trip.pk,
        "reference": trip.reference,
        "driver": None if driver_id is None else to_plain(driver_id),
        "sequence": trip.event_count,
    }
    return Event(
        type=kind,
        occurred_at=at,
        driver_id=driver_id,  # type: ignore[misc]  # the demo's ids are integers
        trip=trip,
        sequence=trip.event_count,
        data=names | facts,
    )


def of_driver(
    driver_id: DriverId, kind: EventType, at: datetime, key: str | None = None, **facts: Any
) -> Event:
    """Return an event of a driver, to be stored.

    If several workers may notice it, `key` is the same in all of them: the first one stores it.
    """
    data = {"driver": to_plain(driver_id)} | facts
    return Event(
        type=kind,
        occurred_at=at,
        driver_id=driver_id,  # type: ignore[misc]  # as above
        data=data,
        key=key,
    )


def store(events: Iterable[Event]) -> None:
    """Store events; those whose key is stored already are left out."""
    rows = Event.objects.using(router.db_for_write(Event))
    plain: list[Event] = []
    keyed: list[Event] = []
    for event in events:
        (plain if event.key is None else keyed).append(event)
    rows.bulk_create(plain)
    rows.bulk_create(keyed, ignore_conflicts=True)


def delete_of_deleted_user(instance: AbstractBaseUser, **kwargs: Any) -> None:
    """Receive `post_delete` of a user: delete the events of the driver."""
    Event.objects.using(router.db_for_write(Event)).filter(driver=instance.pk).delete()
