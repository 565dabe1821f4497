"""Notices that drivers' states or trips have changed, for every worker.

A notice names what changed and carries no content: workers read the database. `runtime.changes`
receives it.
"""

from collections.abc import Iterable
from typing import Final

from tracking.engine import notices
from tracking.ids import DriverId, to_plain

GROUP: Final = "tracking.changes"


def announce(drivers: Iterable[DriverId] = (), trips: Iterable[int] = ()) -> None:
    """Have all workers read the states of these drivers and these trips again.

    Call it after the commit. It never raises. While the channel layer is unavailable, workers
    notice changes by reading the database, within half a second.
    """
    notices.send(GROUP, {"type": GROUP, "drivers": [*map(to_plain, drivers)], "trips": [*trips]})
