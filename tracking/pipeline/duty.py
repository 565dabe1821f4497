"""The states of the drivers that report to this process, and the fixes that are refused off duty.

A driver's state is read once and kept; `runtime.changes` brings each change. A driver without a
state is never refused anything, and costs one entry.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from tracking.engine.batching import Loader
from tracking.engine.database import any_of
from tracking.fix import Fix
from tracking.ids import DriverId
from tracking.models import DriverState, State
from tracking.protocol import RECORDED_OFF_DUTY, OffDuty
from tracking.states import note_place
from tracking.throttled_log import Throttle, reason

logger = logging.getLogger(__name__)
logger.addFilter(Throttle())

# Drivers whose state is remembered, some 100 bytes each without a state. Beyond this the oldest is
# dropped; that driver's next message reads it again.
MAX_DRIVERS: Final = 65_536


class StateRow(NamedTuple):
    """A driver's state as the database has it: see `tracking.models.DriverState`."""

    driver_id: DriverId
    state: str
    since: datetime
    trip_id: int | None
    vehicle_type: str
    off_duty_from: datetime | None
    off_duty_until: datetime | None
    shift_began_at: list[float] | None
    shifts_ended_at: list[list[float]]

    @property
    def is_off_duty(self) -> bool:
        return self.state == State.NON_OPERATIONAL

    def was_off_duty(self, at: datetime) -> bool:
        """Return True if `at` is in the driver's last time off duty, which may go on."""
        if self.off_duty_from is None or at < self.off_duty_from:
            return False
        return self.off_duty_until is None or at < self.off_duty_until

    def hides(self, at: datetime) -> bool:
        """Return True if no location recorded at `at` is shown: off duty, or of a past shift."""
        return self.is_off_duty or (self.off_duty_until is not None and at < self.off_duty_until)


def load_states(driver_ids: list[DriverId]) -> Mapping[DriverId, StateRow]:
    """Return the states by driver; drivers that never had one are missing."""
    rows = DriverState.objects.filter(pk__in=any_of(driver_ids, DriverState))
    return {row[0]: StateRow(*row) for row in rows.values_list(*StateRow._fields)}


class Duty:
    """The known drivers' states. `run` runs a function in a database thread that may write."""

    def __init__(
        self,
        load: Callable[[list[DriverId]], Awaitable[Mapping[DriverId, StateRow]]],
        run: Callable[..., Awaitable[Any]],
    ) -> None:
        self._loader = Loader(load)
        self._run = run
        self._rows: dict[DriverId, StateRow | None] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def known(self) -> list[DriverId]:
        """The drivers whose state is remembered."""
        return list(self._rows)

    def knows(self, driver_id: DriverId) -> bool:
        """Return True if a driver's state is remembered."""
        return driver_id in self._rows

    async def of(self, driver_id: DriverId) -> StateRow | None:
        """Return a driver's state, None if it never had one; raise database errors."""
        try:
            return self._rows[driver_id]
        except KeyError:
            row = await self._loader.get(driver_id)
        # A change that came meanwhile is newer.
        row = self._rows.setdefault(driver_id, row)
        if len(self._rows) > MAX_DRIVERS:
            del self._rows[next(iter(self._rows))]
        return row

    def apply(self, rows: Mapping[DriverId, StateRow]) -> None:
        """Take over states that were read again."""
        for driver_id in rows.keys() & self._rows.keys():
            self._rows[driver_id] = rows[driver_id]

    def accepted(self, row: StateRow | None, fixes: Sequence[Fix]) -> Sequence[Fix]:
        """Return the fixes that were not recorded off duty; raise `OffDuty` if there is none.

        `row` is the driver's state. While a driver is off duty, nothing is accepted. The first fix
        of a shift tells where it began.
        """
        if row is None:
            return fixes
        if row.is_off_duty:
            raise OffDuty
        if row.off_duty_from is not None:
            fixes = [fix for fix in fixes if not row.was_off_duty(fix.recorded_at)]
            if not fixes:
                raise OffDuty(RECORDED_OFF_DUTY)
        if row.shift_began_at is None:
            for fix in fixes:
                if not row.hides(fix.recorded_at):  # Not a late one of the shift before.
                    self._begin_shift(row, fix)
                    break
        return fixes

    def _begin_shift(self, row: StateRow, fix: Fix) -> None:
        place = [fix.latitude, fix.longitude]
        self._rows[row.driver_id] = row._replace(shift_began_at=place)
        task = asyncio.create_task(self._note(row, fix))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _note(self, row: StateRow, fix: Fix) -> None:
        try:
            await self._run(note_place, row.driver_id, fix.latitude, fix.longitude)
        except Exception as error:  # the database is unavailable; the next fix is noted instead
            logger.warning("The begin of a shift could not be stored: %s", reason(error))
            if self._rows.get(row.driver_id) is not None:
                self._rows[row.driver_id] = row

    async def close(self) -> None:
        """Stop, without storing where shifts began."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._loader.close()


def left_out(fixes: Sequence[Fix], accepted: Sequence[Fix]) -> list[int]:
    """Return the positions of the fixes that are not among the accepted ones."""
    if accepted is fixes:
        return []
    kept = set(map(id, accepted))
    return [position for position, fix in enumerate(fixes) if id(fix) not in kept]
