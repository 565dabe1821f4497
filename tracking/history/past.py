"""Everybody at a past moment: each driver's newest fix at that time.

It takes two queries for any number of drivers, and a third one if locations are simulated. A
segment is unpacked only for drivers without a newer fix among the hot rows.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
from django.db.models import F, OuterRef, QuerySet, Subquery, TextField
from django.db.models.functions import Cast, JSONObject

from tracking.engine.database import any_of
from tracking.history.fixes import TrackFix
from tracking.history.packing import E7, unpack_last
from tracking.history.partitions import HOUR, history_db
from tracking.ids import DriverId
from tracking.models import DriverLocation, HistoryFix, HistorySegment
from tracking.people import active

# Drivers whose newest fix is older are left out.
MAX_AGE: Final = timedelta(days=1)

# A real location that is older than a simulated one by at most this is shown in its place.
NEAR: Final = timedelta(seconds=10)
# The fixes of a segment among which a real one is looked for.
_CANDIDATES: Final = 12


class _Row(msgspec.Struct):
    """The columns of `HistoryFix` that are shown, as JSON: the values of one subquery."""

    recorded_at: datetime
    received_at: datetime
    latitude_e7: int
    longitude_e7: int
    accuracy: float | None
    heading: float | None
    speed: float | None
    mock: bool


# SQLite has 0 and 1 for booleans, which only a lax decoder accepts.
_decoder: Final = msgspec.json.Decoder(_Row, strict=False)


def at(time: datetime) -> dict[DriverId, TrackFix]:
    """Return the newest fix of each active driver that was recorded at `time` or before.

    Drivers without one in the last MAX_AGE are left out, as are those without a last known
    location. The fixes have no flags, as those need the fixes around them; but a simulated one is
    replaced by a real one that is NEAR.
    """
    drivers = DriverLocation.objects.using(history_db()).filter(active("driver"))
    newest = drivers.values_list("driver_id", _hot(time), _packed(time, "hour"))
    found: dict[DriverId, TrackFix] = {}
    segments: dict[DriverId, datetime] = {}
    for driver_id, row, hour in newest:
        if row is not None:
            found[driver_id] = _fix(row)
        if hour is not None:
            segments[driver_id] = hour
    simulated = [driver_id for driver_id, fix in found.items() if fix.mock]
    if simulated:
        rows = _of(drivers, simulated).values_list("driver_id", _hot(time, mock=False))
        for driver_id, row in rows:
            if row is not None:
                found[driver_id] = _chosen([found[driver_id], _fix(row)])
    unpacked = [
        driver_id
        for driver_id, hour in segments.items()
        if driver_id not in found or hour + HOUR > found[driver_id].recorded_at
    ]
    if unpacked:
        rows = _of(drivers, unpacked).values_list(
            "driver_id", _packed(time, "hour"), _packed(time, "data")
        )
        for driver_id, hour, data in rows:
            candidates = [found[driver_id]] if driver_id in found else []
            if data is not None:
                candidates += _last(data, hour, time)
            if candidates:
                found[driver_id] = _chosen(candidates)
    oldest = time - MAX_AGE
    return {driver_id: fix for driver_id, fix in found.items() if fix.recorded_at > oldest}


def _last(data: bytes | memoryview, hour: datetime, time: datetime) -> list[TrackFix]:
    """Return the last fix of a segment at `time`, and those before it if it is simulated."""
    newest = unpack_last(data, hour, time, 1)
    if newest and newest[0].mock:
        return unpack_last(data, hour, time, _CANDIDATES)
    return newest


def _of(
    drivers: QuerySet[DriverLocation], driver_ids: Sequence[DriverId]
) -> QuerySet[DriverLocation]:
    return drivers.filter(pk__in=any_of(driver_ids, DriverLocation))


def _hot(time: datetime, **conditions: Any) -> Subquery:
    """Return the expression for a driver's newest hot row at `time`, as the JSON of `_Row`."""
    rows = HistoryFix.objects.filter(
        driver_id=OuterRef("driver_id"),
        recorded_at__lte=time,
        recorded_at__gt=time - MAX_AGE,
        **conditions,
    )
    columns = {name: F(name) for name in _Row.__struct_fields__}
    row = Cast(JSONObject(**columns), TextField())
    return Subquery(rows.order_by("-recorded_at").values(row=row)[:1])


def _packed(time: datetime, column: str) -> Subquery:
    """Return the expression for a column of a driver's newest segment that has a fix at `time`."""
    segments = HistorySegment.objects.filter(
        driver_id=OuterRef("driver_id"),
        hour__lte=time,
        hour__gt=time - MAX_AGE - HOUR,
        first_at__lte=time,
    )
    return Subquery(segments.order_by("-hour").values(column)[:1])


def _fix(row: str) -> TrackFix:
    found = _decoder.decode(row)
    return TrackFix(
        _utc(found.recorded_at),
        _utc(found.received_at),
        found.latitude_e7 / E7,
        found.longitude_e7 / E7,
        found.accuracy,
        found.heading,
        found.speed,
        mock=found.mock,
    )


def _utc(at: datetime) -> datetime:
    # SQLite stores times in UTC, without an offset.
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _chosen(fixes: Iterable[TrackFix]) -> TrackFix:
    """Return the newest fix, or the newest real one that is NEAR."""
    newest_first = sorted(fixes, key=lambda fix: fix.recorded_at, reverse=True)
    newest = newest_first[0]
    for fix in newest_first:
        if newest.recorded_at - fix.recorded_at <= NEAR and not fix.mock:
            return fix
    return newest
