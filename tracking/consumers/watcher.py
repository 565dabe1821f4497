"""The consumer of get-tracking: a watcher streams one driver."""

from datetime import datetime

from tracking import protocol
from tracking.access.principals import Principal
from tracking.consumers.base import TrackingConsumer
from tracking.fix import Fix
from tracking.ids import UserId
from tracking.models import LocationAccess
from tracking.permissions import Decision, Window, may_watch_driver
from tracking.protocol import Stop


class WatcherConsumer(TrackingConsumer):
    """A watcher streams one driver's locations: the last known first, then every newer one."""

    route = "get-tracking"
    # The newest fix when the client stopped the stream.
    seen: Fix | None = None
    watching = False
    # Nothing recorded before this time is sent.
    since: datetime | None = None

    async def receive(self, text: str) -> None:
        """Decode, authenticate and authorize, join or leave."""
        payload = protocol.decode_watcher_message(text)
        # Changes of the driver, such as its deletion, cause a check of this session as well.
        self.session.about = self.driver_id
        await self.session.authenticate(payload.token)
        self.share_limit((self.route, self.session.user_id, self.driver_id))
        self.watching = not isinstance(payload, Stop)
        if isinstance(payload, Stop):
            self.seen = self.runtime.hub.leave(self.driver_id, self.outbox) or self.seen
            return
        self.session.warn_with(self.warn if payload.details else None)
        self.record_access(self.session.user_id)
        await self.runtime.hub.join(
            self.driver_id,
            self.outbox,
            details=payload.details,
            seen=self.seen,
            since=self.since,
        )

    async def authorize(self, principal: Principal) -> Decision:
        # The answer is the same for a driver that does not exist and one that may not be watched.
        driver = await self.runtime.users.get(self.driver_id)
        decision = await may_watch_driver(principal.user, self.driver_id, driver)
        if not decision:
            # The limit stays, so that nothing is shown that it hid, before the stream ends.
            return decision
        since = decision.since if isinstance(decision, Window) else None
        if self.watching and since != self.since:
            self.runtime.hub.limit(self.driver_id, self.outbox, since)
        self.since = since
        # `authorize` is also called while the stream is open.
        if self.watching:
            self.record_access(principal.user.pk)
        return decision

    def record_access(self, user_id: UserId | None) -> None:
        self.runtime.access_log.record(user_id, LocationAccess.Way.STREAM, self.driver_id)

    def disconnected(self) -> None:
        self.runtime.hub.leave(self.driver_id, self.outbox)
