"""The consumer of the route for cars nearby: a rider sees free cars, and nobody's name."""

from tracking.access.principals import Principal
from tracking.consumers.base import TrackingConsumer
from tracking.protocol.nearby import NearbyStart, decode_nearby_message


class NearbyConsumer(TrackingConsumer):
    """A rider streams the free cars near a place, which a further `start` moves."""

    route = "nearby"

    def read_query(self, query_string: bytes) -> None:
        """Read nothing: the handshake names no driver."""

    async def receive(self, text: str) -> None:
        """Decode, authenticate and authorize, look or leave."""
        payload = decode_nearby_message(text)
        await self.session.authenticate(payload.token)
        user_id = self.session.user_id
        assert user_id is not None  # noqa: S101 - authenticated
        self.share_limit((self.route, user_id))
        if isinstance(payload, NearbyStart):
            self.session.warn_with(self.warn)
            self.runtime.riders.look(self.outbox, user_id, payload.place)
        else:
            self.runtime.riders.leave(self.outbox)

    async def authorize(self, principal: Principal) -> bool:
        """Permit every user: what is sent belongs to nobody."""
        return True

    def disconnected(self) -> None:
        self.runtime.riders.leave(self.outbox)
