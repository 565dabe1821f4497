"""Fixes that arrive over HTTP: each request waits until its own are committed."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, Protocol

import msgspec

from tracking.device_clock import DeviceClock
from tracking.fix import ArrivalClock, Fix
from tracking.ids import DriverId
from tracking.pipeline.clocks import DeviceClocks
from tracking.pipeline.duty import Duty, StateRow, left_out
from tracking.pipeline.storage import Waiter
from tracking.protocol import InvalidLocation, Measurement, TokenInvalid, TrackingError

# Seconds. A phone's HTTP stack waits for 10 s or more. A fix may still be committed later.
COMMIT_TIMEOUT: Final = 5.0

# Unsettled reports of one worker. A commit takes some milliseconds, so that this many wait only
# while the database does not answer; further reports then fail without waiting.
MAX_UNSETTLED: Final = 256


class NotStored(Exception):
    """A fix was not committed in time, or arrived while too many were waiting.

    It may still be stored. It should be sent again, which is harmless.
    """


class Report:
    """The waiter of one request."""

    def __init__(self, on_settled: Callable[[], None]) -> None:
        self._on_settled = on_settled
        # The result: the error of the fix, or None once it is committed.
        self.answer: asyncio.Future[TrackingError | None] = (
            asyncio.get_running_loop().create_future()
        )

    def acknowledge(self, fix: Fix) -> None:
        self._settle(None)

    def reject(self, fix: Fix) -> None:
        self._settle(TokenInvalid("this account no longer exists"))

    def discard(self, fix: Fix) -> None:
        self._settle(InvalidLocation("this location cannot be stored"))

    def _settle(self, answer: TrackingError | None) -> None:
        self._on_settled()
        if not self.answer.done():  # it is after the timeout
            self.answer.set_result(answer)


class Pipeline(Protocol):
    """The runtime, as far as reports need it."""

    clocks: DeviceClocks
    clock: ArrivalClock
    duty: Duty

    async def duty_of(self, driver_id: DriverId) -> StateRow | None: ...

    def to_fixes(
        self,
        measurements: Sequence[Measurement],
        driver_id: DriverId,
        clock: DeviceClock | None = None,
        *,
        sent_at: datetime | None = None,
        queued: bool = False,
        batch: bool = False,
    ) -> list[Fix]: ...

    async def last_known(self, driver_id: DriverId) -> Fix | None: ...

    def submit(self, fixes: Sequence[Fix], waiter: Waiter | None) -> None: ...

    def is_full(self, driver_id: DriverId) -> bool: ...


class Reports:
    """Submits the fixes of each request to the pipeline that the sockets share."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._unsettled = 0

    async def commit(
        self,
        driver_id: DriverId,
        measurements: Sequence[Measurement],
        *,
        device_id: int | None = None,
        sent_at: datetime | None = None,
        batch: bool = False,
    ) -> list[int]:
        """Return once the fixes, given oldest first, are committed.

        Without a history, a newer fix of the driver counts for them. The result is the positions of
        those that are left out, because they were recorded off duty.

        `device_id` distinguishes the devices of one driver, whose apps may queue fixes. `sent_at`
        is when the request was sent, or created if it may have been queued.

        Raise `OffDuty` if all are left out, `InvalidMessage`, `InvalidLocation` if the fixes can
        never be stored, `TokenInvalid` if the driver's account is deleted, or `NotStored` if it
        takes too long: then they may still be stored, and may be sent again.
        """
        row = await self._pipeline.duty_of(driver_id)
        clock = None
        if any(measurement.recorded_at is not None for measurement in measurements):
            clock = await self._pipeline.clocks.of(driver_id, device_id)
        fixes = self._pipeline.to_fixes(
            measurements,
            driver_id,
            clock,
            sent_at=sent_at,
            queued=device_id is not None,
            batch=batch,
        )
        accepted = self._pipeline.duty.accepted(row, fixes)
        await self._commit(accepted)
        return left_out(fixes, accepted)

    async def record_contact(self, driver_id: DriverId) -> None:
        """Store that a driver's phone sent something without a location; return once committed.

        Do nothing for a driver that has no location yet. Raise as `commit` does.
        """
        known = await self._pipeline.last_known(driver_id)
        if known is not None:
            now = self._pipeline.clock.now()
            await self._commit([msgspec.structs.replace(known, heard_at=now, disconnected_at=None)])

    async def _commit(self, fixes: Sequence[Fix]) -> None:
        if self._unsettled >= MAX_UNSETTLED or self._pipeline.is_full(fixes[-1].driver_id):
            raise NotStored
        self._unsettled += 1
        report = Report(self._settled)
        try:
            self._pipeline.submit(fixes, report)
        except BaseException:
            self._settled()  # The pipeline will not.
            raise
        try:
            async with asyncio.timeout(COMMIT_TIMEOUT):
                refusal = await report.answer
        except TimeoutError as error:
            raise NotStored from error
        if refusal is not None:
            raise refusal

    def _settled(self) -> None:
        self._unsettled -= 1
