"""The durations of reading: a driver's day, and all drivers at a past moment."""

import json
from collections.abc import Callable, Sequence, Sized
from datetime import date, datetime
from functools import partial
from statistics import median
from typing import Final

from django.contrib.auth import get_user_model
from rest_framework.test import APIClient

from benchmarks.history.figures import Figures, expect, milliseconds
from benchmarks.history.fleet import Fleet
from tracking.history import TrackFix, at, track

# So many different drivers, and so many different moments.
TRACKS: Final = 15
MOMENTS: Final = 10
MAX_MOMENT: Final = 300.0  # milliseconds

DISPATCHER: Final = 100_001


def measure(figures: Figures, fleet: Fleet, day: date, kind: str, max_track: float) -> None:
    """Add the figures of a day that is all hot or all packed, as `kind` says.

    `max_track` is the target in milliseconds of a track. All is read once before, so that it is in
    memory. HTTP is without the network: from the request to the last byte of the body.
    """
    since, until = fleet.shift_of(day)
    drivers = fleet.ids[6 :: max(1, fleet.drivers // TRACKS)][:TRACKS]
    moments = [since + (until - since) * number / (MOMENTS + 1) for number in range(1, MOMENTS + 1)]
    title = f"A driver's day, {kind}: {fleet.fixes:,} fixes with flags"
    calls = [partial(_read_track, driver_id, since, until) for driver_id in drivers]
    _measure_warm(figures, title, calls, fleet.fixes, max_track)
    title = f"The same over HTTP as GeoJSON, {kind}"
    calls = [partial(_request_track, driver_id, since, until) for driver_id in drivers]
    _measure_warm(figures, title, calls, fleet.fixes)
    title = f"{fleet.drivers:,} drivers at a past moment, {kind}"
    calls = [partial(at, moment) for moment in moments]
    _measure_warm(figures, title, calls, fleet.drivers, MAX_MOMENT)
    title = f"The same over HTTP, {kind}"
    calls = [partial(_request_fleet, moment) for moment in moments]
    _measure_warm(figures, title, calls, fleet.drivers, MAX_MOMENT)


def _measure_warm(
    figures: Figures,
    title: str,
    calls: Sequence[Callable[[], Sized]],
    size: int,
    limit: float | None = None,
) -> None:
    """Add the durations of the second time, after checking the size of each result."""

    def check(result: Sized) -> None:
        expect(size, len(_decoded(result)))

    first = median(milliseconds(calls, check))
    figures.note(f"the first time {first:.0f} ms, and then")
    figures.add(title, "ms", milliseconds(calls, check), limit)


def _decoded(result: Sized) -> Sized:
    """Return the fixes of a result, which may be the body of a response."""
    if not isinstance(result, bytes):
        return result
    body = json.loads(result)
    found: Sized = body["results"] if "results" in body else body["geometry"]["coordinates"]
    return found


def _read_track(driver_id: int, since: datetime, until: datetime) -> list[TrackFix]:
    return list(track(driver_id, since, until))


def _request_track(driver_id: int, since: datetime, until: datetime) -> bytes:
    # By the driver itself, as one user may not make all these requests within a minute.
    query = {"from": since.isoformat(), "to": until.isoformat()}
    return _get(driver_id, f"/driver/{driver_id}/track/", query)


def _request_fleet(moment: datetime) -> bytes:
    return _get(DISPATCHER, "/fleet/at/", {"time": moment.isoformat()})


def _get(user_id: int, path: str, query: dict[str, str]) -> bytes:
    client = APIClient(SERVER_NAME="localhost")
    client.force_authenticate(get_user_model()._default_manager.get(pk=user_id))
    response = client.get(path, query)
    body: bytes = response.getvalue()
    expect(200, response.status_code)
    return body
