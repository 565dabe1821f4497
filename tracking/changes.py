"""Notices that drivers' states or trips have changed, for every worker.

A notice names what changed and carries no content: workers read the database. `runtime.changes`
receives it.
"""

from collections.abc import Iterable
from typing import Final

from django.db import connections, transaction

from tracking.engine import notices
from tracking.ids import DriverId, to_plain

GROUP: Final = "tracking.changes"


def announce(
    drivers: Iterable[DriverId] = (), trips: Iterable[int] = (), etas: Iterable[int] = ()
) -> None:
    """Have all workers read the states of these drivers and these trips again.

    `etas` are trips of which only the time of arrival has changed. If such a notice is lost, the
    next one says the same.

    Call it after the commit. It never raises. While the channel layer is unavailable, workers
    notice changes by reading the database, within half a second.
    """
    notice = {"type": GROUP, "drivers": [*map(to_plain, drivers)], "trips": [*trips]}
    if etas := [*etas]:
        notice["etas"] = etas
    notices.send(GROUP, notice)


def announce_on_commit(
    using: str, drivers: Iterable[DriverId] = (), trips: Iterable[int] = ()
) -> None:
    """Do as `announce` does after the commit, once for all changes of a transaction."""
    waiting = (entry[1] for entry in connections[using].run_on_commit)
    pending = next((each for each in waiting if isinstance(each, _Pending)), None)
    if pending is not None:
        # If this is rolled back, and what came before is not, some are read again without a change.
        pending.add(drivers, trips)
    else:
        pending = _Pending()
        pending.add(drivers, trips)
        transaction.on_commit(pending, using)


class _Pending:
    """The changes of a transaction, to be announced after its commit."""

    def __init__(self) -> None:
        self._drivers: dict[DriverId, None] = {}
        self._trips: dict[int, None] = {}

    def add(self, drivers: Iterable[DriverId], trips: Iterable[int]) -> None:
        self._drivers.update(dict.fromkeys(drivers))
        self._trips.update(dict.fromkeys(trips))

    def __call__(self) -> None:
        announce([*self._drivers], [*self._trips])
