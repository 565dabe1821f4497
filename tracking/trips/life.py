"""The life of a trip: created, assigned, driven, complete or canceled.

Each function locks the trip first and then the states of its drivers, in the order of their ids, so
that two dispatchers wait for each other and never deadlock.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import router, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from tracking import changes, events, revocation, states
from tracking.arguments import id_of, text_reasons
from tracking.conf import conf
from tracking.grants import end_grants
from tracking.ids import DriverId, UserId, to_plain
from tracking.models import (
    DriverState,
    EventType,
    State,
    Trip,
    TripAssignment,
    TripChange,
    TripEta,
    TripStatus,
    WatchGrant,
)
from tracking.permissions import NO_DRIVER, is_driver
from tracking.shares.links import end_of_trip
from tracking.trips.errors import (
    DriverTaken,
    DriverUnavailable,
    InvalidTrip,
    StatusConflict,
    TripChanged,
    TripOver,
)
from tracking.trips.waypoints import Given, checked

MAX_RIDERS: Final = 20
MAX_REFERENCE: Final = 100
MAX_VEHICLE: Final = 200
MAX_REASON: Final = 100
# The duration of grants without TRACKING["MAX_GRANT_DURATION"] and without `ends_at`.
LONGEST: Final = timedelta(days=1)

# The order of the statuses; a driver may only go forward.
_ORDER: Final = {status: number for number, status in enumerate(TripStatus)}
# From one stop the way leads to the next one.
_STOPS: Final = (TripStatus.ARRIVED_AT_STOP, TripStatus.ENROUTE_TO_STOP)
# With these the riders are in the car.
_UNDERWAY: Final = frozenset((*_STOPS, TripStatus.ENROUTE_TO_DROPOFF))


def create(
    *,
    riders: Iterable[AbstractBaseUser | UserId] = (),
    reference: str = "",
    driver: AbstractBaseUser | DriverId | None = None,
    waypoints: Iterable[Given] = (),
    vehicle: str = "",
    ends_at: datetime | None = None,
    by: AbstractBaseUser | UserId | None = None,
) -> Trip:
    """Store and return a trip; with a `driver`, assign it at once.

    `waypoints` are mappings with `kind` ("pickup", "stop" or "dropoff"), `lat`, `lon` and perhaps
    `name`, in the order of the drive. `vehicle` describes the car to riders. At `ends_at` the trip
    is no longer followed, even if nobody ends it. `by` is the user who creates it; it is stored.

    Raise InvalidTrip, a ValueError; with a driver, also what `assign` raises.
    """
    rider_ids = list(dict.fromkeys(map(id_of, riders)))
    driver_id = id_of(driver)
    now = timezone.now()
    places = checked(waypoints)
    _check(rider_ids, driver_id, reference, vehicle, ends_at, now)
    with _atomic():
        trip = Trip(
            reference=reference,
            vehicle=vehicle,
            waypoints=places,
            created_at=now,
            ends_at=ends_at,
            created_by_id=id_of(by),
        )
        trip.save(using=_using(), force_insert=True)
        trip.riders.set(rider_ids)
        if driver_id is not None:
            _give(trip, driver_id, now, by)
        _keep(trip, now, previous=None, previous_driver=None, reason="", by=by)
    return trip


def assign(
    trip: Trip | int,
    driver: AbstractBaseUser | DriverId | None,
    *,
    vehicle: str | None = None,
    version: int | None = None,
    reason: str = "",
    by: AbstractBaseUser | UserId | None = None,
) -> Trip:
    """Give a trip to a driver, who becomes reserved, in place of the one who had it. Return it.

    The former driver becomes available, and its watch grants end; new ones open for the riders. The
    status is `new` again. With None for the driver, the trip waits for another one. `vehicle`
    replaces the description; without it, that of a former driver is dropped. Assigning the same
    driver again is no change. `version` is the one that the dispatcher has seen: of two who assign
    the trip at the same time, the second one gets an error, and sees what the first one did.

    Raise InvalidTrip for a user who is no driver, or a rider of the trip; TripOver; TripChanged if
    the trip has another version by now; DriverTaken if the driver has another trip;
    DriverUnavailable if the driver is off duty, or reserved by the host.
    """
    if reasons := text_reasons(vehicle=(vehicle or "", MAX_VEHICLE), reason=(reason, MAX_REASON)):
        raise InvalidTrip(reasons)
    driver_id = id_of(driver)
    with _atomic():
        row = _lock(trip)
        if driver_id == row.driver_id and vehicle in (None, row.vehicle):
            return row
        if version is not None and version != row.version:
            raise TripChanged(row)
        if driver_id not in (None, row.driver_id) and row.riders.filter(pk=driver_id).exists():
            raise InvalidTrip({"driver": [_("This driver is a rider of the trip.")]})
        now = timezone.now()
        status, former = row.status, row.driver_id
        row.vehicle = vehicle if vehicle is not None else "" if former is not None else row.vehicle
        if driver_id != former:
            # In the order of ids, as other transactions lock them.
            for each in sorted({driver_id, former} - {None}):
                if each == former:
                    _take_back(row, now, reason=reason or "provider_cancellation", by=by)
                elif each is not None:
                    _reserve(row, each, reason, by)
            row.status = TripStatus.NEW
            row.driver_id = driver_id
            row.assigned_at = None
            if driver_id is not None:
                _open(row, driver_id, now, by)
        _keep(row, now, previous=status, previous_driver=former, reason=reason, by=by)
    return row


def set_status(
    trip: Trip | int,
    status: str,
    *,
    forward_only: bool = False,
    driver: AbstractBaseUser | DriverId | None = None,
    reason: str = "",
    by: AbstractBaseUser | UserId | None = None,
) -> Trip:
    """Set the status of a trip, and return it. Setting it again is no change.

    `complete` and `canceled` do what the functions of that name do. Once the riders are in the car,
    the driver's state is `on_trip`. With `forward_only` the status may only follow the present one,
    and from a stop lead to the next stop. `driver` is the driver whose app asks for the change.

    Raise InvalidTrip for an unknown status, TripOver, or StatusConflict if the trip has no driver,
    or another one than `driver`, or the status would go back.
    """
    if status not in TripStatus.values:
        names = ", ".join(TripStatus.values)
        raise InvalidTrip({"status": [_("Give one of: %(names)s.") % {"names": names}]})
    if reasons := text_reasons(reason=(reason, MAX_REASON)):
        raise InvalidTrip(reasons)
    new = TripStatus(status)
    with _atomic():
        row = _lock(trip, final=new)
        if driver is not None and row.driver_id != id_of(driver):
            # Assigned to another one meanwhile, who may be far from where this status is true.
            raise StatusConflict(_("This trip has another driver by now."))
        if row.status == new:
            return row
        old = TripStatus(row.status)
        if row.driver_id is None and new != TripStatus.CANCELED:
            raise StatusConflict(_("This trip has no driver yet: assign one first."))
        if forward_only and _ORDER[new] < _ORDER[old] and (old, new) != _STOPS:
            raise StatusConflict(_("The status of a trip can't go back."))
        now = timezone.now()
        driver_id = row.driver_id
        row.status = new
        if new in _UNDERWAY:
            _start(row, by)
        elif row.is_over:
            done = new == TripStatus.COMPLETE
            fallback = "trip_end" if done else "provider_cancellation"
            _take_back(row, now, reason=reason or fallback, by=by)
            row.ended_at = now
            end_of_trip(row)
        _keep(row, now, previous=old, previous_driver=driver_id, reason=reason, by=by)
    return row


def complete(
    trip: Trip | int, *, reason: str = "", by: AbstractBaseUser | UserId | None = None
) -> Trip:
    """End a trip that has arrived, for good: its driver is available, and nobody follows it.

    Completing it again is no change. Raise TripOver if it was canceled, and StatusConflict if it
    has no driver.
    """
    return set_status(trip, TripStatus.COMPLETE, reason=reason, by=by)


def cancel(
    trip: Trip | int, *, reason: str = "", by: AbstractBaseUser | UserId | None = None
) -> Trip:
    """End a trip that is not driven, for good: its driver is available, and nobody follows it.

    Canceling it again is no change. Raise TripOver if it is complete.
    """
    return set_status(trip, TripStatus.CANCELED, reason=reason, by=by)


def release_deleted_driver(instance: AbstractBaseUser, **kwargs: Any) -> None:
    """Receive `pre_delete` of a user: the trip that it has waits for another driver."""
    for trip in Trip.objects.using(_using()).filter(driver=instance.pk, ended_at=None):
        assign(trip, None, reason="driver deleted")


def _lock(trip: Trip | int, final: TripStatus | None = None) -> Trip:
    """Return the stored trip, locked; raise TripOver unless it has the status `final`."""
    pk = trip.pk if isinstance(trip, Trip) else trip
    row = Trip.objects.using(_using()).select_for_update().get(pk=pk)
    if row.is_over and row.status != final:
        raise TripOver(row)
    return row


def _give(trip: Trip, driver_id: Any, now: datetime, by: AbstractBaseUser | UserId | None) -> None:
    _reserve(trip, driver_id, "", by)
    trip.driver_id = driver_id
    _open(trip, driver_id, now, by)


def _reserve(trip: Trip, driver_id: Any, reason: str, by: AbstractBaseUser | UserId | None) -> None:
    """Reserve a driver for the trip; raise if it is not available."""
    try:
        row, is_new = states.lock(driver_id)
    except states.InvalidState as error:
        raise InvalidTrip(error.reasons) from error
    if not is_new and not is_driver(row.driver):  # not any more
        raise InvalidTrip({"driver": [str(NO_DRIVER)]})
    if row.trip is not None:
        raise DriverTaken(driver_id, row.trip)
    if not is_new and row.state != State.AVAILABLE:
        raise DriverUnavailable(driver_id, row.state)
    states.change(row, State.RESERVED, is_new=is_new, trip=trip, reason=reason, by=by)


def _start(trip: Trip, by: AbstractBaseUser | UserId | None) -> None:
    row = _state_for(trip)
    if row is not None and row.state == State.RESERVED:
        states.change(row, State.ON_TRIP, trip=trip, by=by)


def _open(trip: Trip, driver_id: Any, now: datetime, by: AbstractBaseUser | UserId | None) -> None:
    """Open the grants of the riders, and note from when on the driver has the trip."""
    using, by_id = _using(), id_of(by)
    trip.assigned_at = now
    TripAssignment.objects.using(using).create(
        trip=trip, driver_id=driver_id, since=now, assigned_by_id=by_id
    )
    ends_at = _grants_end(trip, now)
    if ends_at <= now:
        raise InvalidTrip({"driver": [_("The trip's time is over: it has an end in the past.")]})
    rider_ids = _riders(trip)
    WatchGrant.objects.using(using).bulk_create(
        WatchGrant(
            driver_id=driver_id,
            watcher_id=rider_id,
            starts_at=now,
            ends_at=ends_at,
            reference=trip.reference,
            trip=trip,
            opened_by_id=by_id,
        )
        for rider_id in rider_ids
    )
    _recheck(rider_ids)


def _grants_end(trip: Trip, now: datetime) -> datetime:
    """Return the end of grants that start now: that of the trip, within the limit."""
    if not conf.MAX_GRANT_DURATION:
        return trip.ends_at or now + LONGEST
    limit = now + timedelta(seconds=conf.MAX_GRANT_DURATION)
    return min(limit, trip.ends_at) if trip.ends_at else limit


def _take_back(
    trip: Trip, now: datetime, *, reason: str, by: AbstractBaseUser | UserId | None
) -> None:
    """Take the trip from its driver, if it has one: it becomes available, and the grants end."""
    using, driver_id = _using(), trip.driver_id
    if driver_id is None:
        return
    row = _state_for(trip)
    if row is not None:
        states.change(row, State.AVAILABLE, reason=reason, by=by)
    TripAssignment.objects.using(using).filter(trip=trip, until=None).update(until=now)
    TripEta.objects.using(using).filter(trip=trip).delete()
    rider_ids = _riders(trip)
    grants = WatchGrant.objects.using(using).filter(
        watcher__in=rider_ids, driver=driver_id, ended_at=None, trip=trip
    )
    end_grants(grants, by=by)


def _state_for(trip: Trip) -> DriverState | None:
    """Return the state of the trip's driver, locked, if it belongs to the trip."""
    rows = DriverState.objects.using(_using()).select_for_update()
    return rows.filter(pk=trip.driver_id, trip=trip).first()


def _keep(
    trip: Trip,
    now: datetime,
    *,
    previous: str | None,
    previous_driver: DriverId | None,
    reason: str,
    by: AbstractBaseUser | UserId | None,
) -> None:
    """Store the trip, its change and the event, and notify workers after the commit."""
    event = None
    if (previous, previous_driver) != (trip.status, trip.driver_id):
        event = events.of_trip(
            trip,
            EventType.TRIP_STATUS_CHANGED,
            now,
            trip.driver_id,
            status=trip.status,
            previous_status=previous,
            previous_driver=None if previous_driver is None else to_plain(previous_driver),
        )
    if previous is not None:
        trip.version += 1
        trip.save(using=_using())
    else:
        trip.save(using=_using(), update_fields=["driver", "assigned_at", "event_count"])
    TripChange.objects.using(_using()).create(
        trip=trip,
        version=trip.version,
        changed_at=now,
        status=trip.status,
        driver_id=trip.driver_id,
        reason=reason,
        changed_by_id=id_of(by),
    )
    if event is not None:
        events.store([event])
    changes.announce_on_commit(_using(), trips=[trip.pk])


def _recheck(user_ids: list[Any]) -> None:
    if user_ids:
        transaction.on_commit(partial(revocation.recheck, user_ids), _using())


def _riders(trip: Trip) -> list[Any]:
    return list(trip.riders.using(_using()).order_by("pk").values_list("pk", flat=True))


def _check(
    rider_ids: list[Any],
    driver_id: DriverId | None,
    reference: str,
    vehicle: str,
    ends_at: datetime | None,
    now: datetime,
) -> None:
    """Raise InvalidTrip with all reasons."""
    reasons: dict[str, list[str]] = {}
    users = get_user_model()._base_manager.using(_using())
    if len(rider_ids) > MAX_RIDERS:
        text = _("A trip has at most %(count)d riders.") % {"count": MAX_RIDERS}
        reasons["riders"] = [text]
    elif users.filter(pk__in=rider_ids).count() < len(rider_ids):
        reasons["riders"] = [_("There is no such user.")]
    if driver_id is not None and driver_id in rider_ids:
        reasons["driver"] = [_("This driver is a rider of the trip.")]
    if ends_at is not None and timezone.is_naive(ends_at):
        reasons["ends_at"] = [_("A time needs a time zone.")]
    elif ends_at is not None and ends_at <= now:
        reasons["ends_at"] = [_("A trip must end in the future.")]
    reasons |= text_reasons(reference=(reference, MAX_REFERENCE), vehicle=(vehicle, MAX_VEHICLE))
    if reasons:
        raise InvalidTrip(reasons)


def _using() -> str:
    return router.db_for_write(Trip)


def _atomic() -> Any:
    return transaction.atomic(_using())
