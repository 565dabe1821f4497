"""Tracks that are kept in the history, hot or packed, for tests."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta

from tracking.history.fixes import TrackFix
from tracking.history.packing import E7, pack
from tracking.history.partitions import create_days, day_of
from tracking.models import HistoryFix, HistorySegment

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


def track_fix(second, latitude=60.0, longitude=25.0, **rest):
    """Return a fix that was measured and arrived `second` seconds after noon."""
    at = rest.pop("at", NOON) + timedelta(seconds=second)
    return TrackFix(at, rest.pop("received_at", at), latitude, longitude, **rest)


def drive(count, *, seconds=5, at=NOON, **rest):
    """Return fixes of a car that goes north at 10 m/s."""
    return [
        track_fix(n * seconds, round(60 + n * seconds * 9e-5, 7), at=at, **rest)
        for n in range(count)
    ]


def keep_hot(driver, fixes):
    """Keep the fixes as hot rows."""
    create_days(HistoryFix, {day_of(fix.recorded_at) for fix in fixes})
    HistoryFix.objects.bulk_create(
        HistoryFix(
            driver_id=driver,
            recorded_at=fix.recorded_at,
            received_at=fix.received_at,
            latitude_e7=round(fix.latitude * E7),
            longitude_e7=round(fix.longitude * E7),
            accuracy=fix.accuracy,
            heading=fix.heading,
            speed=fix.speed,
            battery=fix.battery,
            charging=fix.charging,
            mock=fix.mock,
        )
        for fix in fixes
    )


def keep_packed(driver, fixes):
    """Keep the fixes as packed hours."""
    hours = defaultdict(list)
    for fix in fixes:
        hours[fix.recorded_at.replace(minute=0, second=0, microsecond=0)].append(fix)
    create_days(HistorySegment, map(day_of, hours))
    HistorySegment.objects.bulk_create(
        HistorySegment(
            driver_id=driver,
            hour=hour,
            first_at=found[0].recorded_at,
            count=len(found),
            data=pack(found, hour),
        )
        for hour, found in hours.items()
    )
