"""The consumer of set-tracking: a driver publishes its location."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from channels.db import database_sync_to_async

from tracking import metrics, protocol, states
from tracking.access.principals import Principal
from tracking.consumers.base import MAX_UNACKNOWLEDGED, TrackingConsumer
from tracking.device_clock import DeviceClock
from tracking.fix import Fix
from tracking.permissions import may_publish
from tracking.pipeline.duty import StateRow, left_out
from tracking.protocol import (
    CloseCode,
    InvalidLocation,
    Measurement,
    Send,
    SendBatch,
    SetState,
    StateConflict,
    TokenInvalid,
    Verdict,
)
from tracking.protocol.frames import StateName

# Seconds for which a driver's socket is not read, to slow it down: too few for watchers to notice.
MAX_PAUSE: Final = 0.2
# With a history, seconds between two checks whether the client of a paused socket is still there.
CHECK_INTERVAL: Final = 1.0
# Seconds that a change of the state waits until earlier locations are committed.
STATE_TIMEOUT: Final = 10.0


class DriverConsumer(TrackingConsumer):
    """A driver sends fixes; each is acknowledged once it is committed.

    Without a history, only a driver's newest fix is stored: then a newer one's acknowledgement may
    count for several messages.
    """

    route = "set-tracking"
    unacknowledged = 0
    resume: asyncio.Event | None = None
    # True if nothing was acknowledged during the last pause.
    stalled = False
    # The newest fix of the messages beyond `MAX_UNACKNOWLEDGED`.
    newest: Fix | None = None
    leaving: CloseCode | None = None
    arrived = False
    # The device's clock, once a message has a time.
    clock: DeviceClock | None = None
    # Rejected fixes of a batch, by its newest fix, for the acknowledgement.
    rejected: dict[Fix, list[Verdict]]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.rejected = {}

    async def receive(self, text: str) -> None:
        """Decode, authenticate and authorize, submit, slow down."""
        if self.leaving is not None:
            return  # Not acknowledged, so that the client sends it again to the next server.
        # Before anything waits: a wait is no error of the phone's clock.
        arrived_at = self.runtime.clock.now()
        payload = protocol.decode_driver_message(text)
        await self.session.authenticate(payload.token)
        if self.share_limit((self.route, self.driver_id)):
            self.rate_limit.take(asyncio.get_running_loop().time())
        if isinstance(payload, SetState):
            await self.set_state(payload.state)
            return
        duty = await self.runtime.duty_of(self.driver_id)
        fixes = await self.to_fixes(payload, arrived_at, duty)
        if not self.arrived:
            self.arrived = True
            await self.runtime.presence.arrive(self.driver_id)
        if self.runtime.keeps_history and not await self.wait_for_room():
            return  # Not acknowledged either.
        self.submit(fixes)
        if not self.runtime.keeps_history:
            await self.slow_down()

    async def to_fixes(
        self, payload: Send | SendBatch, arrived_at: datetime, duty: StateRow | None
    ) -> Sequence[Fix]:
        """Return the fixes of a message, oldest first; for a batch, only the valid ones.

        Raise `OffDuty` if the driver is, or was when all of them were recorded.
        """
        accepted = self.runtime.duty.accepted
        if isinstance(payload, Send):
            fix = await self.correct([payload], payload.sent_at, arrived_at, batch=False)
            return accepted(duty, fix)
        good, rejected = protocol.judge(payload.fixes)
        in_order = protocol.oldest_first(good)
        corrected = await self.correct(in_order, payload.sent_at, arrived_at, batch=True)
        fixes: Sequence[Fix] = accepted(duty, corrected)
        if off_duty := left_out(corrected, fixes):
            positions = protocol.positions_in(payload.fixes, in_order)
            rejected = [*rejected, *protocol.off_duty_verdicts(off_duty, positions)]
        for verdict in rejected:
            metrics.refusals.add(self.route, verdict.code)
        if rejected and payload.details:
            self.rejected[fixes[-1]] = rejected
        return fixes

    async def correct(
        self,
        measurements: Sequence[Measurement],
        sent_at: datetime | None,
        arrived_at: datetime,
        *,
        batch: bool,
    ) -> list[Fix]:
        """Return the fixes of `measurements`, with times corrected by the device's clock."""
        if self.clock is None and any(each.recorded_at is not None for each in measurements):
            self.clock = await self.runtime.clocks.new(self.driver_id)
        return self.runtime.to_fixes(
            measurements, self.driver_id, self.clock, sent_at=sent_at, batch=batch, now=arrived_at
        )

    async def authorize(self, principal: Principal) -> bool:
        return await may_publish(principal.user, self.driver_id)

    async def set_state(self, state: StateName) -> None:
        """Begin or end the driver's shift, and acknowledge it once it is committed.

        What the driver sent before is committed first, as locations are refused afterwards.
        """
        await self.runtime.changes.listen()
        try:
            async with asyncio.timeout(STATE_TIMEOUT):
                while self.unacknowledged:
                    await self.runtime.wait_for_commit(CHECK_INTERVAL)
        except TimeoutError:
            self.refuse(CloseCode.TRY_AGAIN_LATER, "database_unavailable")
            return
        try:
            await database_sync_to_async(states.set_state, thread_sensitive=False)(
                self.driver_id, state, by=self.session.user_id
            )
        except states.InvalidState as error:  # the policy permits it, and the table does not
            raise StateConflict(str(error)) from error
        except states.StateConflict as error:
            raise StateConflict(str(error)) from error
        # Before the next location is judged.
        await self.runtime.changes.read_states([self.driver_id])
        self.outbox.put({"type": "websocket.send", "text": protocol.encode_state(state)})

    def submit(self, fixes: Sequence[Fix]) -> None:
        """Deliver, broadcast and store the fixes of a message, and acknowledge it in order.

        Of the messages beyond `MAX_UNACKNOWLEDGED` only the newest is acknowledged, after the
        earlier ones.
        """
        if self.unacknowledged < MAX_UNACKNOWLEDGED:
            self.unacknowledged += 1
            self.runtime.submit(fixes, waiter=self)
        else:
            if self.newest is not None:
                self.rejected.pop(self.newest, None)
            self.newest = fixes[-1]
            self.runtime.submit(fixes, waiter=None)

    async def wait_for_room(self) -> bool:
        """Wait while too many fixes wait for the database; return False if the connection ends.

        Nothing is read from the socket meanwhile, so that the phone keeps what it has. The server
        ends the connection of a client whose pongs it has not read for long; the client sends
        again what was not acknowledged.
        """
        paused = False
        while self.unacknowledged >= MAX_UNACKNOWLEDGED or self.runtime.is_full(self.driver_id):
            if self.is_lost() or self.outbox.closed or self.leaving is not None:
                return False
            await self.runtime.wait_for_commit(CHECK_INTERVAL)
            paused = True
        if paused:
            self.rate_limit.catch_up(asyncio.get_running_loop().time())
        return not self.outbox.closed and self.leaving is None

    async def slow_down(self) -> None:
        """Wait while too much is unacknowledged, but not for a database that is unavailable.

        Watchers are served without the database, and a client whose socket is not read gets no
        answer to its pings.
        """
        if self.unacknowledged >= MAX_UNACKNOWLEDGED and not self.stalled:
            self.resume = asyncio.Event()
            try:
                async with asyncio.timeout(MAX_PAUSE):
                    await self.resume.wait()
            except TimeoutError:
                self.stalled = True

    def acknowledge(self, fix: Fix) -> None:
        try:
            if self.rejected and (rejected := self.rejected.pop(fix, None)):
                frame = protocol.encode_verdicts(fix.latitude, fix.longitude, rejected)
            else:
                frame = protocol.encode_location(fix.latitude, fix.longitude)
            self.outbox.put({"type": "websocket.send", "text": frame})
        except Exception:
            # Otherwise the client would take the next answer for this one.
            self.close(CloseCode.INTERNAL_ERROR, "internal_error")
            raise
        finally:  # in any case one message less is unacknowledged
            self._settle()

    def reject(self, fix: Fix) -> None:
        try:
            self.fail(TokenInvalid("this account no longer exists"))
        finally:
            self._settle()

    def discard(self, fix: Fix) -> None:
        try:
            self.rejected.pop(fix, None)
            self.fail(InvalidLocation("this location cannot be stored"))
        finally:
            self._settle()

    def leave(self, code: CloseCode) -> None:
        """Close the connection once all accepted messages are acknowledged."""
        self.leaving = code
        self.record.close(code, "server_restart")  # Even if acknowledgements fail.
        if not self.unacknowledged:
            super().leave(code)

    def disconnected(self) -> None:
        try:
            if self.unacknowledged:
                self.runtime.forget(self)
        finally:
            if self.arrived:
                self.runtime.presence.depart(self.driver_id)

    def _settle(self) -> None:
        self.stalled = False
        self.unacknowledged -= 1
        if self.newest is not None:
            newest, self.newest = self.newest, None
            self.unacknowledged += 1
            self.runtime.notify(newest, waiter=self)
        if self.leaving is not None:
            self.leave(self.leaving)
        if self.resume is not None:
            self.resume.set()
            self.resume = None
