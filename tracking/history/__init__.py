"""Every accepted fix: kept, packed, read, exported and erased. The functions for host projects.

A driver is named by its user's id, and a window is from `since` to `until`, exclusively: aware
times.
"""

from datetime import datetime

from tracking.history.archive import export
from tracking.history.erasure import Erased, erase
from tracking.history.fixes import Flags, TrackFix
from tracking.history.past import at
from tracking.history.reading import track
from tracking.history.retention import hold, release
from tracking.history.summary import Gap, Stop, Summary
from tracking.ids import DriverId

__all__ = [
    "Erased",
    "Flags",
    "Gap",
    "Stop",
    "Summary",
    "TrackFix",
    "at",
    "distance",
    "erase",
    "export",
    "hold",
    "release",
    "stops",
    "summary",
    "track",
]


def summary(driver_id: DriverId, since: datetime, until: datetime) -> Summary:
    """Return the distance, the stops and the gaps of a driver's track, read once."""
    found = Summary()
    for fix in track(driver_id, since, until):
        found.add(fix)
    return found.finish()


def distance(driver_id: DriverId, since: datetime, until: datetime) -> float:
    """Return the metres that a driver drove, without implausible fixes and the jitter of stops."""
    return summary(driver_id, since, until).distance


def stops(driver_id: DriverId, since: datetime, until: datetime) -> list[Stop]:
    """Return where a driver stood for at least two minutes, in order."""
    return summary(driver_id, since, until).stops
