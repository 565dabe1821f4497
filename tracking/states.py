"""Drivers' states: set them, and keep every change.

The allowed changes are those of the Mobility Data Specification 2.0 for passenger services, whose
`stopped` counts as `reserved` at the pickup and as `on_trip` after it:

    non_operational <-> available -> reserved -> on_trip
                            ^------------'----------'

`reserved` and `on_trip` follow from trips (`tracking.trips`), or are set by a host that has no
trips here. A driver off duty (`non_operational`) has no last known location, and its fixes are
refused. All functions take part in the surrounding transaction.
"""

from typing import Final, TypeAlias

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import router, transaction
from django.db.models import Exists, OuterRef
from django.db.models.expressions import Combinable
from django.utils import timezone
from django.utils.translation import gettext as _

from tracking import changes, events
from tracking.arguments import InvalidArguments, id_of, text_reasons
from tracking.ids import DriverId, UserId
from tracking.models import (
    DriverLocation,
    DriverState,
    DriverStateChange,
    EventType,
    State,
    Trip,
)
from tracking.permissions import NO_DRIVER, is_driver
from tracking.protocol import InvalidLocation, degrees

# Latitude and longitude, WGS 84 degrees.
Place: TypeAlias = tuple[float, float]

ALLOWED: Final[dict[str, frozenset[State]]] = {
    State.NON_OPERATIONAL: frozenset({State.AVAILABLE}),
    State.AVAILABLE: frozenset({State.NON_OPERATIONAL, State.RESERVED}),
    State.RESERVED: frozenset({State.AVAILABLE, State.ON_TRIP}),
    State.ON_TRIP: frozenset({State.AVAILABLE}),
}

# The reasons of changes for which none is given: event types of the specification.
_EVENTS: Final[dict[tuple[str, str], str]] = {
    (State.NON_OPERATIONAL, State.AVAILABLE): "service_start",
    ("", State.AVAILABLE): "service_start",
    (State.AVAILABLE, State.NON_OPERATIONAL): "service_end",
    ("", State.NON_OPERATIONAL): "service_end",
    (State.AVAILABLE, State.RESERVED): "reservation_start",
    ("", State.RESERVED): "reservation_start",
    (State.RESERVED, State.ON_TRIP): "trip_start",
    ("", State.ON_TRIP): "trip_start",
    (State.RESERVED, State.AVAILABLE): "provider_cancellation",
    (State.ON_TRIP, State.AVAILABLE): "trip_end",
}

MAX_REASON: Final = 100
MAX_VEHICLE_TYPE: Final = 50
# The ends of so many shifts count as places where the driver usually ends.
SHIFTS: Final = 5


class InvalidState(InvalidArguments):
    """Raised for a state or place that does not exist, a user who is no driver, a text too long.

    `reasons` holds the messages by the name of the argument.
    """


class StateConflict(Exception):
    """Raised if the driver's present state, or the trip that it has, does not allow the change.

    `state` is the present state, and `trip` the trip, if that is the reason.
    """

    def __init__(self, message: str, row: DriverState) -> None:
        super().__init__(message)
        self.driver_id: DriverId = row.driver_id
        self.state = State(row.state)
        self.trip: Trip | None = row.trip


def state_of(driver: AbstractBaseUser | DriverId) -> DriverState | None:
    """Return a driver's state; None for one that never had a state."""
    return DriverState.objects.filter(pk=id_of(driver)).first()


def on_duty() -> Combinable:
    """Return the condition on `DriverLocation` that its driver is not off duty.

    Going off duty deletes the row, but a worker that was writing just then may store it again.
    """
    return ~Exists(DriverState.objects.filter(pk=OuterRef("pk"), state=State.NON_OPERATIONAL))


def set_state(
    driver: AbstractBaseUser | DriverId,
    state: str,
    *,
    reason: str = "",
    place: Place | None = None,
    vehicle_type: str | None = None,
    by: AbstractBaseUser | UserId | None = None,
) -> DriverState:
    """Set a driver's state, keep the change, and return the new state. Setting it again is no
    change.

    `reason` is in your own words, by default the event type of the specification. `place` is where
    the driver is, by default its last known location. `vehicle_type` is kept for later changes.
    `by` is the user who sets it; it is stored. An event is stored with the change, and workers are
    notified after the commit.

    Raise InvalidState, a ValueError; raise StateConflict if the specification does not allow the
    change, or if the driver has a trip: that is completed, canceled or given to another driver.
    """
    new, place = _checked(state, place, reason, vehicle_type)
    driver_id = id_of(driver)
    using = router.db_for_write(DriverState)
    with transaction.atomic(using):
        row, is_new = lock(driver_id)
        if vehicle_type is not None:
            _put_vehicle_type(row, vehicle_type, is_new=is_new)
        if is_new or row.state != new:
            if row.trip_id is not None:
                raise StateConflict(
                    _("This driver has a trip: complete it, cancel it or assign another driver."),
                    row,
                )
            change(row, new, is_new=is_new, reason=reason, place=place, by=by)
    return row


def set_vehicle_type(driver: AbstractBaseUser | DriverId, vehicle_type: str) -> DriverState:
    """Set a driver's vehicle type, in your own words, and return the state, which stays as it is.

    Workers are notified after the commit. Raise InvalidState, a ValueError, for a text too long or
    a driver without a state.
    """
    if reasons := text_reasons(vehicle_type=(vehicle_type, MAX_VEHICLE_TYPE)):
        raise InvalidState(reasons)
    with transaction.atomic(router.db_for_write(DriverState)):
        row, is_new = lock(id_of(driver))
        if is_new:
            raise InvalidState({"driver": [_("This driver has no state yet.")]})
        _put_vehicle_type(row, vehicle_type)
    return row


def _put_vehicle_type(row: DriverState, vehicle_type: str, *, is_new: bool = False) -> None:
    """Set the vehicle type of a locked row, and store it unless the row is yet to be stored."""
    if row.vehicle_type == vehicle_type:
        return
    row.vehicle_type = vehicle_type
    if not is_new:
        using = router.db_for_write(DriverState)
        row.save(using=using, update_fields=["vehicle_type"])
        changes.announce_on_commit(using, drivers=[row.driver_id])


def lock(driver_id: DriverId) -> tuple[DriverState, bool]:
    """Return a driver's state, locked, and False; or for a driver without one, a new row and True.

    The new row is not stored: pass it to `change`. Raise InvalidState for a user who is no driver.
    """
    using = router.db_for_write(DriverState)
    rows = DriverState.objects.using(using).select_for_update().filter(pk=driver_id)  # type: ignore[misc]  # the demo's ids are integers
    if (row := rows.first()) is not None:
        return row, False
    # There is no row to lock yet: transactions that make the first state wait here for each other.
    users = get_user_model()._base_manager.using(using).filter(pk=driver_id)  # type: ignore[misc]  # as above
    user = users.select_for_update(of=("self",), no_key=True).first()
    if user is None:
        raise InvalidState({"driver": [_("There is no such user.")]})
    if (row := rows.first()) is not None:
        return row, False
    if not is_driver(user):
        raise InvalidState({"driver": [str(NO_DRIVER)]})
    return DriverState(driver=user), True


def change(
    row: DriverState,
    state: State,
    *,
    is_new: bool = False,
    trip: Trip | None = None,
    reason: str = "",
    place: Place | None = None,
    by: AbstractBaseUser | UserId | None = None,
) -> None:
    """Change a locked row to `state`, with the trip that it belongs to, and keep the change.

    Raise StateConflict if the change is not allowed.
    """
    using = router.db_for_write(DriverState)
    previous = row.state
    if not is_new and state not in ALLOWED[previous]:
        text = _("A driver who is %(old)s can't become %(new)s.")
        old, new = State(previous).label, state.label
        raise StateConflict(text % {"old": old, "new": new}, row)
    now = timezone.now()
    if place is None:
        place = _last_known(row.driver_id, using)
    row.state, row.since, row.trip = state, now, trip
    if state == State.NON_OPERATIONAL:
        row.off_duty_from, row.off_duty_until = now, None
        if place is not None:
            row.shifts_ended_at = [list(place), *row.shifts_ended_at][:SHIFTS]
    elif previous in ("", State.NON_OPERATIONAL):
        if row.off_duty_from is not None:
            row.off_duty_until = now
        row.shift_began_at = None if place is None else list(place)
    if state == State.NON_OPERATIONAL or previous == State.NON_OPERATIONAL:
        # The second time, what a worker had begun to store before it knew of the first.
        DriverLocation.objects.using(using).filter(pk=row.driver_id).delete()
    row.save(using=using, force_insert=is_new)
    latitude, longitude = place or (None, None)
    DriverStateChange.objects.using(using).create(
        driver_id=row.driver_id,
        previous=previous,
        state=state,
        changed_at=now,
        latitude=latitude,
        longitude=longitude,
        reason=reason or _EVENTS.get((previous, state), ""),
        trip=trip,
        changed_by_id=id_of(by),
    )
    event = events.of_driver(
        row.driver_id,
        EventType.DRIVER_STATE_CHANGED,
        now,
        state=state,
        previous_state=previous or None,
        trip=row.trip_id,
    )
    events.store([event])
    changes.announce_on_commit(using, drivers=[row.driver_id])


def note_place(driver_id: DriverId, latitude: float, longitude: float) -> None:
    """Keep the place where a driver's shift began, unless it is known already."""
    using = router.db_for_write(DriverState)
    with transaction.atomic(using):
        rows = DriverState.objects.using(using).filter(
            pk=driver_id,  # type: ignore[misc]  # as above
            shift_began_at__isnull=True,  # `=None` would mean null in JSON
        )
        if not rows.exclude(state=State.NON_OPERATIONAL).update(
            shift_began_at=[latitude, longitude]
        ):
            return
        begins = DriverStateChange.objects.using(using).filter(
            driver_id=driver_id,  # type: ignore[misc]  # as above
            previous__in=("", State.NON_OPERATIONAL),
        )
        newest = begins.order_by("-changed_at").first()
        if newest is not None and newest.latitude is None:
            newest.latitude, newest.longitude = latitude, longitude
            newest.save(using=using, update_fields=["latitude", "longitude"])


def _last_known(driver_id: DriverId, using: str) -> Place | None:
    rows = DriverLocation.objects.using(using).filter(pk=driver_id)  # type: ignore[misc]  # as above
    return rows.values_list("latitude", "longitude").first()


def _checked(
    state: str, place: Place | None, reason: str, vehicle_type: str | None
) -> tuple[State, Place | None]:
    reasons: dict[str, list[str]] = {}
    if state not in State.values:
        names = ", ".join(State.values)
        reasons["state"] = [_("Give one of: %(names)s.") % {"names": names}]
    if place is not None:
        try:
            place = degrees("lat", place[0], 90), degrees("lon", place[1], 180)
        except InvalidLocation as error:
            reasons["place"] = [str(error)]
    reasons |= text_reasons(
        reason=(reason, MAX_REASON), vehicle_type=(vehicle_type or "", MAX_VEHICLE_TYPE)
    )
    if reasons:
        raise InvalidState(reasons)
    return State(state), place
