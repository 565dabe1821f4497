"""Fixes that come over HTTP: each request waits until its own is committed."""

import asyncio
from collections.abc import Callable
from typing import Final

from tracking.fix import Fix
from tracking.pipeline.storage import Waiter
from tracking.protocol import InvalidLocation, Measurement, TokenInvalid, TrackingError
from tracking.rest.problems import NotStored

# A phone's HTTP stack waits for 10 s or more. What is not committed by then may be later.
COMMIT_TIMEOUT: Final = 5.0

# Unsettled reports of one worker. A commit takes some milliseconds, so that this many wait only
# when the database stands still; beyond, who comes is told so without waiting.
MAX_UNSETTLED: Final = 256


class Report:
    """The waiter of one request."""

    def __init__(self, on_settled: Callable[[], None]) -> None:
        self._on_settled = on_settled
        # What is wrong with the fix; None once it is committed.
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
        if not self.answer.done():  # by the timeout
            self.answer.set_result(answer)


class Reports:
    """Submits one fix per request, to the pipeline that the sockets share."""

    def __init__(
        self,
        to_fix: Callable[[Measurement, int], Fix],
        submit: Callable[[Fix, Waiter], None],
    ) -> None:
        self._to_fix = to_fix
        self._submit = submit
        self._unsettled = 0

    async def commit(self, driver_id: int, measurement: Measurement) -> None:
        """Return once the fix, or a newer one of the same driver, is committed.

        Raise `InvalidMessage`, `InvalidLocation` if the fix can never be stored, `TokenInvalid` if
        the driver's account is gone, or `NotStored` if it takes too long: then the fix may still
        be stored, and may be sent again.
        """
        fix = self._to_fix(measurement, driver_id)
        if self._unsettled >= MAX_UNSETTLED:
            raise NotStored
        self._unsettled += 1
        report = Report(self._settled)
        try:
            self._submit(fix, report)
        except BaseException:
            self._settled()  # Nobody else will.
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
