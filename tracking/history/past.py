"""Everybody at a past moment: each driver's newest fix at that time.

It takes two queries for any number of drivers, and at most two more if locations are simulated. A
segment is unpacked only for drivers without a newer fix among the hot rows.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any, Final

import msgspec
from django.db.models import F, OuterRef, Q, Subquery, TextField
from django.db.models.functions import Cast, JSONObject

from tracking.engine.database import any_of
from tracking.history.fixes import TrackFix
from tracking.history.packing import E7, CorruptSegment, unpack_last
from tracking.history.partitions import HOUR, history_db
from tracking.history.rows import bounded
from tracking.ids import DriverId
from tracking.models import DriverLocation, HistoryFix, HistorySegment
from tracking.people import active

logger = logging.getLogger(__name__)

# Drivers whose newest fix is older are left out.
MAX_AGE: Final = timedelta(days=1)

# A real location that is older than a simulated one by at most this is shown in its place.
NEAR: Final = timedelta(seconds=10)


class _Row(msgspec.Struct):
    """The columns of `HistoryFix`, as JSON: the values of one subquery."""

    recorded_at: datetime
    received_at: datetime
    latitude_e7: int
    longitude_e7: int
    accuracy: float | None
    heading: float | None
    speed: float | None
    battery: int | None
    charging: bool | None
    mock: bool


# SQLite has 0 and 1 for booleans, which only a lax decoder accepts.
_decoder: Final = msgspec.json.Decoder(_Row, strict=False)


def at(time: datetime) -> dict[DriverId, TrackFix]:
    """Return the newest fix of each active driver that was recorded at `time` or before.

    Drivers without one in the last MAX_AGE are left out, as are those without a last known
    location, and those whose packed hour is damaged, which is logged. The fixes have no flags, as
    those need the fixes around them; but a simulated one is replaced by a real one that is NEAR.
    """
    time = bounded(time)
    oldest = time - MAX_AGE
    drivers = DriverLocation.objects.using(history_db()).filter(active("driver"))
    newest = drivers.values_list("driver_id", _hot(time, oldest), _newest_hour(time))
    found: dict[DriverId, list[TrackFix]] = {}
    hours: dict[DriverId, datetime] = {}
    for driver_id, row, hour in newest:
        found[driver_id] = [_fix(row)] if row is not None else []
        if hour is not None and (row is None or hour + HOUR > _needed_since(found[driver_id])):
            hours[driver_id] = hour
    simulated = {driver_id: fixes for driver_id, fixes in found.items() if _is_simulated(fixes)}
    if simulated:
        since = min(map(_needed_since, simulated.values()))
        rows = drivers.filter(pk__in=any_of(list(simulated), DriverLocation))
        for driver_id, row in rows.values_list("driver_id", _hot(time, since, mock=False)):
            if row is not None:
                found[driver_id].append(_fix(row))
    _add_packed(found, hours, time)
    # The real fix before a simulated one may be of the hour before.
    hours = {
        driver_id: hour - HOUR
        for driver_id, hour in hours.items()
        if _is_simulated(found[driver_id]) and hour > _needed_since(found[driver_id])
    }
    _add_packed(found, hours, time)
    chosen = {driver_id: _chosen(fixes) for driver_id, fixes in found.items() if fixes}
    return {driver_id: fix for driver_id, fix in chosen.items() if fix.recorded_at > oldest}


def _add_packed(
    found: dict[DriverId, list[TrackFix]], hours: dict[DriverId, datetime], time: datetime
) -> None:
    """Add the last fixes at `time` of these packed hours; leave out drivers with a damaged one."""
    for driver_id, hour, data in _segments(hours):
        try:
            found[driver_id] += _last(data, hour, time)
        except CorruptSegment as error:
            # One damaged hour must not hide all other drivers; an older place would be wrong.
            found[driver_id] = []
            logger.error("Left out driver %s, hour %s: %s", driver_id, hour.isoformat(), error)


def _last(data: bytes | memoryview, hour: datetime, time: datetime) -> list[TrackFix]:
    """Return the last fix of a segment at `time`, and all that are NEAR it if it is simulated."""
    count = 1
    fixes = unpack_last(data, hour, time, count)
    while len(fixes) == count and fixes[-1].mock and fixes[0].recorded_at >= _needed_since(fixes):
        count *= 16
        fixes = unpack_last(data, hour, time, count)
    return fixes


def _segments(
    hours: dict[DriverId, datetime],
) -> Iterable[tuple[DriverId, datetime, bytes | memoryview]]:
    """Return a packed hour of each of these drivers, if it is there: driver, hour and data."""
    if not hours:
        return []
    drivers: defaultdict[datetime, list[DriverId]] = defaultdict(list)
    for driver_id, hour in hours.items():
        drivers[hour].append(driver_id)
    # At most as many conditions as MAX_AGE has hours.
    asked = (
        Q(hour=hour, driver_id__in=any_of(ids, DriverLocation)) for hour, ids in drivers.items()
    )
    rows = HistorySegment.objects.using(history_db()).filter(reduce(or_, asked))
    return rows.values_list("driver_id", "hour", "data")


def _hot(time: datetime, since: datetime, **conditions: Any) -> Subquery:
    """Return the expression for a driver's newest hot row at `time`, as the JSON of `_Row`.

    Older ones than `since` do not count.
    """
    rows = HistoryFix.objects.filter(
        driver_id=OuterRef("driver_id"),
        recorded_at__lte=time,
        recorded_at__gte=since,
        **conditions,
    )
    columns = {name: F(name) for name in _Row.__struct_fields__}
    row = Cast(JSONObject(**columns), TextField())
    return Subquery(rows.order_by("-recorded_at").values(row=row)[:1])


def _newest_hour(time: datetime) -> Subquery:
    """Return the expression for a driver's newest packed hour that has a fix at `time`."""
    segments = HistorySegment.objects.filter(
        driver_id=OuterRef("driver_id"),
        hour__lte=time,
        hour__gt=time - MAX_AGE - HOUR,
        first_at__lte=time,
    )
    return Subquery(segments.order_by("-hour").values("hour")[:1])


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
        found.battery,
        found.charging,
        found.mock,
    )


def _utc(at: datetime) -> datetime:
    # SQLite stores times in UTC, without an offset.
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _needed_since(fixes: Iterable[TrackFix]) -> datetime:
    """Return the time of the newest fix, or the oldest time NEAR it if it is simulated."""
    newest = max(fixes, key=lambda fix: fix.recorded_at)
    return newest.recorded_at - NEAR if newest.mock else newest.recorded_at


def _is_simulated(fixes: Sequence[TrackFix]) -> bool:
    """Return True if there are fixes, and no real one among them can be chosen."""
    return len(fixes) > 0 and _chosen(fixes).mock


def _chosen(fixes: Iterable[TrackFix]) -> TrackFix:
    """Return the newest fix, or the newest real one that is NEAR."""
    newest_first = sorted(fixes, key=lambda fix: fix.recorded_at, reverse=True)
    newest = newest_first[0]
    for fix in newest_first:
        if newest.recorded_at - fix.recorded_at <= NEAR and not fix.mock:
            return fix
    return newest
