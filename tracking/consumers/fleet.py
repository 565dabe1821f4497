"""The consumer of the fleet route: a viewer streams all drivers."""

from channels.db import database_sync_to_async

from tracking.access.principals import Principal
from tracking.consumers import TrackingConsumer
from tracking.ids import UserId
from tracking.models import LocationAccess
from tracking.permissions import may_view_fleet
from tracking.protocol import CloseCode, Forbidden
from tracking.protocol.fleet import FleetStart, decode_fleet_message


class FleetConsumer(TrackingConsumer):
    """A viewer streams all drivers: a snapshot of the viewport, then its changes."""

    route = "fleet"
    watching = False

    def read_query(self, query_string: bytes) -> None:
        """Read nothing: the handshake names no driver."""

    async def receive(self, text: str) -> None:
        """Decode, authenticate and authorize, start or stop."""
        payload = decode_fleet_message(text)
        await self.session.authenticate(payload.token)
        self.share_limit((self.route, self.session.user_id))
        if isinstance(payload, FleetStart):
            self.session.warn_with(self.warn)
            self.record_access(self.session.user_id)
            self.runtime.fleet.view(self.outbox, payload.bbox, self.stream_failed)
        else:
            self.runtime.fleet.leave(self.outbox)
        self.watching = isinstance(payload, FleetStart)

    async def authorize(self, principal: Principal) -> bool:
        user = principal.user
        # In a thread: permissions are read from the database.
        if not await database_sync_to_async(may_view_fleet, thread_sensitive=False)(user):
            raise Forbidden("only staff who may view locations may see the whole fleet")
        # `authorize` is also called while the stream is open.
        if self.watching:
            self.record_access(user.pk)
        return True

    def record_access(self, user_id: UserId | None) -> None:
        self.runtime.access_log.record(user_id, LocationAccess.Way.FLEET)

    def stream_failed(self) -> None:
        """Close the connection, because the stream failed."""
        self.close(CloseCode.INTERNAL_ERROR, "internal_error")

    def disconnected(self) -> None:
        self.runtime.fleet.leave(self.outbox)
