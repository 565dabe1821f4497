"""The drivers of the fleet as a dispatcher lists them: the query, its order, and the rows.

They are read from the database and not from the fleet in memory: it has no zones and no drivers who
are off duty, is cold in a process without viewers, and a page that another process answers would
not continue this one's.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from django.contrib.auth import get_user_model
from django.db.models import (
    Case,
    CharField,
    DateTimeField,
    Exists,
    F,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Value,
    When,
)
from django.db.models.functions import Coalesce, Concat, Lower, NullIf, Trim
from msgspec import Meta

from tracking.engine.database import any_of
from tracking.history.partitions import history_db
from tracking.ids import MAX_ID, DriverId
from tracking.models import DriverLocation, HistoryFix, State, Trip, TripStatus, ZoneVisit
from tracking.people import NAME_FIELDS, USER_IDS, active, full_name, search_lookups
from tracking.protocol import format_time
from tracking.protocol.encoding import format_degrees
from tracking.protocol.frames import Id
from tracking.rest.trip_output import Time
from tracking.status import Status, has_status, status_of

UNKNOWN: Final = "unknown"
STATUSES: Final = (*Status.values, UNKNOWN)

# Whom a dispatcher looks at first.
_BY_STATE: Final = (State.ON_TRIP, State.RESERVED, State.AVAILABLE, State.NON_OPERATIONAL)
_BY_WAITING: Final = (State.AVAILABLE, State.ON_TRIP, State.RESERVED, State.NON_OPERATIONAL)
# For drivers without a state.
_NEVER: Final = datetime(9999, 1, 1, tzinfo=UTC)
# The digits of the largest integer id.
_MAX_DIGITS: Final = len(str(MAX_ID))


class ZoneName(msgspec.Struct):
    """A zone, and its name."""

    id: int
    name: str


class DriverTrip(msgspec.Struct):
    """The trip that a driver has now."""

    id: int
    reference: str
    status: Annotated[str, Meta(extra_json_schema={"enum": list(TripStatus.values)})]


class DriverRow(msgspec.Struct, rename={"user_id": "userId"}):
    """A driver of the fleet."""

    user_id: Id
    name: str
    state: Annotated[str | None, Meta(extra_json_schema={"enum": [*State.values, None]})]
    since: Annotated[Time | None, Meta(description="When the driver got this state.")]
    status: Annotated[str, Meta(description=f"One of: {', '.join(STATUSES)}.")]
    vehicle_type: str
    zones: Annotated[list[ZoneName], Meta(description="Where the driver is now.")]
    trip: Annotated[
        DriverTrip | None, Meta(description="Null too for staff who may not view trips.")
    ]
    battery: Annotated[int | None, Meta(description="In percent, if the history has the fix.")]
    charging: bool | None
    recorded_at: Time | None
    location_lat: str | None
    location_lon: str | None


class Order(NamedTuple):
    """An order of drivers: the names of its keys, and the expressions to annotate."""

    keys: tuple[str, ...]
    expressions: Mapping[str, Any]


def everybody() -> QuerySet[Any]:
    """Return the active users who have a state or a location, with both.

    Whoever was given a trip has a state.
    """
    users = get_user_model()._default_manager.filter(active())
    known = Q(driver_state__isnull=False) | Q(driver_location__isnull=False)
    found: QuerySet[Any] = users.filter(known)
    return found.select_related("driver_state", "driver_location")


def with_status(drivers: QuerySet[Any], status: str, now: datetime) -> QuerySet[Any]:
    """Return the drivers with a status."""
    if status == UNKNOWN:
        return drivers.filter(driver_location__isnull=True)
    located = DriverLocation.objects.filter(has_status(Status(status), now), pk=OuterRef("pk"))
    return drivers.filter(Exists(located))


def inside(drivers: QuerySet[Any], zone_id: int) -> QuerySet[Any]:
    """Return the drivers who are in a zone."""
    visits = ZoneVisit.objects.filter(zone=zone_id, zone__is_active=True, exited_at=None)
    return drivers.filter(pk__in=visits.values("driver"))


def found(drivers: QuerySet[Any], text: str) -> QuerySet[Any]:
    """Return the drivers whose name or address contains a text, or whose id it is."""
    matches = Q()
    for lookup in search_lookups():
        matches |= Q(**{lookup: text})
    # isdecimal() and int() accept the digits of any script; int() refuses very long texts.
    number = text.isdecimal() and len(text) <= _MAX_DIGITS
    driver_id = USER_IDS.parse(str(int(text)) if number else text)
    if driver_id is not None:
        matches |= Q(pk=driver_id)
    return drivers.filter(matches)


def _by(states: Sequence[State]) -> Order:
    """Return the order of states; in a state, those who have it for the longest time are first."""
    ranks = [When(driver_state__state=state, then=rank) for rank, state in enumerate(states)]
    return Order(
        ("rank", "at"),
        {
            "rank": Case(*ranks, default=len(states), output_field=IntegerField()),
            "at": Coalesce("driver_state__since", Value(_NEVER, output_field=DateTimeField())),
        },
    )


def _by_name() -> Order:
    """Return the order of `full_name`, in lower case."""
    parts: list[Any] = [F(name) for name in NAME_FIELDS]
    name: Any = F(get_user_model().USERNAME_FIELD)
    if parts:
        spaced = [each for part in parts for each in (part, Value(" "))]
        own = Trim(Concat(*spaced, output_field=CharField()))
        name = Coalesce(NullIf(own, Value("")), name)
    return Order(("name_key",), {"name_key": Lower(name, output_field=CharField())})


ORDERS: Final[Mapping[str, Order]] = {
    "state": _by(_BY_STATE),
    "waiting": _by(_BY_WAITING),
    "name": _by_name(),
}


def ordered(drivers: QuerySet[Any], order: Order) -> QuerySet[Any]:
    """Return the drivers in an order, which their ids make definite."""
    annotated: QuerySet[Any] = drivers.annotate(**order.expressions)
    return annotated.order_by(*order.keys, "pk")


def following(drivers: QuerySet[Any], order: Order, last: Sequence[Any]) -> QuerySet[Any]:
    """Return those of ordered drivers who come after the keys and the id of the last one seen.

    So a driver who is not moved in the order is on one page, however others are.
    """
    names = (*order.keys, "pk")
    later = Q()
    for number, name in enumerate(names):
        same = dict(zip(names[:number], last[:number], strict=True))
        later |= Q(**same, **{f"{name}__gt": last[number]})
    return drivers.filter(later)


def keys_of(driver: Any, order: Order) -> list[Any]:
    """Return the keys and the id of a driver, for `following`."""
    return [getattr(driver, name) for name in (*order.keys, "pk")]


def rows_of(drivers: Sequence[Any], now: datetime, *, with_trips: bool) -> list[DriverRow]:
    """Return the rows of drivers, in three more queries for all of them."""
    ids = [driver.pk for driver in drivers]
    zones = _zones(ids)
    trips = _trips(ids) if with_trips else {}
    batteries = _batteries(getattr(driver, "driver_location", None) for driver in drivers)
    return [
        _row(
            driver,
            now,
            zones.get(driver.pk, []),
            trips.get(driver.pk),
            batteries.get(driver.pk, (None, None)),
        )
        for driver in drivers
    ]


def _row(
    driver: Any,
    now: datetime,
    zones: list[ZoneName],
    trip: DriverTrip | None,
    battery: tuple[int | None, bool | None],
) -> DriverRow:
    state = getattr(driver, "driver_state", None)
    location = getattr(driver, "driver_location", None)
    return DriverRow(
        driver.pk,
        full_name(driver),
        None if state is None else state.state,
        None if state is None else format_time(state.since),
        UNKNOWN if location is None else status_of(location, now).value,
        "" if state is None else state.vehicle_type,
        zones,
        trip,
        *battery,
        None if location is None else format_time(location.recorded_at),
        None if location is None else format_degrees(location.latitude),
        None if location is None else format_degrees(location.longitude),
    )


def _zones(ids: list[DriverId]) -> dict[DriverId, list[ZoneName]]:
    visits = ZoneVisit.objects.filter(
        driver__in=any_of(ids, ZoneVisit), exited_at=None, zone__is_active=True
    )
    zones: dict[DriverId, list[ZoneName]] = {}
    rows = visits.order_by("zone__name", "zone").values_list("driver_id", "zone_id", "zone__name")
    for driver_id, zone_id, name in rows:
        zones.setdefault(driver_id, []).append(ZoneName(zone_id, name))
    return zones


def _trips(ids: list[DriverId]) -> dict[DriverId, DriverTrip]:
    trips = Trip.objects.filter(driver__in=any_of(ids, Trip), ended_at=None)
    rows = trips.values_list("driver_id", "pk", "reference", "status")
    return {row[0]: DriverTrip(row[1], row[2], row[3]) for row in rows if row[0] is not None}


def _batteries(
    locations: Iterable[DriverLocation | None],
) -> dict[DriverId, tuple[int | None, bool | None]]:
    """Return the battery and the charging of the newest fixes that are in the hot history.

    By its primary key, the cheapest way: the newest fix is the last known location.
    """
    times = {each.pk: each.recorded_at for each in locations if each is not None}
    if not times:
        return {}
    fixes = HistoryFix.objects.using(history_db()).filter(
        driver_id__in=list(times), recorded_at__in=list(set(times.values()))
    )
    rows = fixes.values_list("driver_id", "recorded_at", "battery", "charging")
    return {pk: (battery, charging) for pk, at, battery, charging in rows if times[pk] == at}
