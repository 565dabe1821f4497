"""The driver's end, which publishes."""

import asyncio

from django.contrib.auth.base_user import AbstractBaseUser

from tracking import protocol
from tracking.consumers.base import MAX_UNACKNOWLEDGED, TrackingConsumer
from tracking.fix import Fix, FutureTimes
from tracking.permissions import may_publish
from tracking.protocol import CloseCode, Send, SendBatch, TokenInvalid


class DriverConsumer(TrackingConsumer):
    """A driver sends fixes; each is acknowledged once it, or a newer one, is committed."""

    driver_id = 0  # No driver's, until the handshake's query string was read.
    unacknowledged = 0
    resume: asyncio.Event | None = None
    future_times: FutureTimes | None = None
    leaving: CloseCode | None = None

    def read_query(self, query_string: bytes) -> None:
        self.driver_id = protocol.parse_driver_id(query_string)

    async def receive(self, text: str) -> None:
        """Decode, authenticate and authorize, submit, slow down."""
        if self.leaving is not None:
            return  # Unacknowledged, so that the client sends it again where it goes.
        payload = protocol.decode_driver_message(text)
        fix = self.to_fix(payload)
        await self.session.authenticate(payload.token)
        self.runtime.submit(fix, waiter=self)
        await self.slow_down()

    def to_fix(self, payload: Send | SendBatch) -> Fix:
        """Return the fix that was sent: of a batch the newest, as only that is kept."""
        newest = payload if isinstance(payload, Send) else protocol.newest_of(payload.fixes)
        now = self.runtime.clock.now()
        if newest.recorded_at is not None and newest.recorded_at > now:
            self.future_times = self.future_times or FutureTimes()
            newest.recorded_at = self.future_times.read(newest.recorded_at, now)
        return protocol.to_fix(newest, self.driver_id, now)

    async def authorize(self, user: AbstractBaseUser) -> bool:
        return await may_publish(user, self.driver_id)

    async def slow_down(self) -> None:
        """Wait while too much is unacknowledged."""
        self.unacknowledged += 1
        if self.unacknowledged >= MAX_UNACKNOWLEDGED:
            self.resume = asyncio.Event()
            await self.resume.wait()

    def acknowledge(self, fix: Fix) -> None:
        frame = protocol.encode_location(fix.latitude, fix.longitude)
        self.outbox.put({"type": "websocket.send", "text": frame})
        self._settle()

    def reject(self, fix: Fix) -> None:
        # The columns' ranges were checked, so what is missing is the row the location belongs to.
        self.fail(TokenInvalid("this account no longer exists"))
        self._settle()

    def leave(self, code: CloseCode) -> None:
        """Send the driver away once all is acknowledged that was taken."""
        self.leaving = code
        if not self.unacknowledged:
            super().leave(code)

    def _settle(self) -> None:
        self.unacknowledged -= 1
        if self.leaving is not None:
            self.leave(self.leaving)
        if self.resume is not None:
            self.resume.set()
            self.resume = None
