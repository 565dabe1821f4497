"""Fixes that come over HTTP: each request waits until its own is committed."""

import asyncio
from collections.abc import Callable
from typing import Final

from tracking.fix import Fix
from tracking.pipeline.storage import Waiter
from tracking.protocol import Measurement, TokenInvalid
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
        self.committed: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def acknowledge(self, fix: Fix) -> None:
        self._settle(committed=True)

    def reject(self, fix: Fix) -> None:
        self._settle(committed=False)

    def _settle(self, *, committed: bool) -> None:
        self._on_settled()
        if not self.committed.done():  # by the timeout
            self.committed.set_result(committed)


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

        Raise `InvalidMessage`, `TokenInvalid` if the driver's account is gone, or `NotStored` if
        it takes too long: then the fix may still be stored, and may be sent again.
        """
        fix = self._to_fix(measurement, driver_id)
        if self._unsettled >= MAX_UNSETTLED:
            raise NotStored
        self._unsettled += 1
        report = Report(self._settled)
        self._submit(fix, report)
        try:
            async with asyncio.timeout(COMMIT_TIMEOUT):
                committed = await report.committed
        except TimeoutError as error:
            raise NotStored from error
        if not committed:
            raise TokenInvalid("this account no longer exists")

    def _settled(self) -> None:
        self._unsettled -= 1
