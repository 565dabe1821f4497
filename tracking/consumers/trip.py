"""The consumer of the trip route: a rider follows a trip, whoever drives it."""

from datetime import datetime

from channels.db import database_sync_to_async

from tracking import protocol
from tracking.access.principals import Principal
from tracking.consumers.base import TrackingConsumer
from tracking.models import LocationAccess, TripShare, TripStatus
from tracking.permissions import Decision, may_view_trips
from tracking.protocol import Forbidden, Stop, TripEnded
from tracking.shares.links import note_opening
from tracking.trips.rows import TripRow

_NOT_YOURS = "this account may not follow this trip"


class TripConsumer(TrackingConsumer):
    """A follower of a trip: the trip, the locations of its driver, and each change of the trip."""

    route = "trip"
    takes_share_tokens = True
    trip_id = 0
    following = False
    # True for staff, who may follow all trips.
    sees_all = False
    # The link by which it follows, if it has one.
    share: TripShare | None = None
    is_opening_noted = False

    def read_query(self, query_string: bytes) -> None:
        self.trip_id = protocol.parse_trip_id(query_string)

    async def receive(self, text: str) -> None:
        """Decode, authenticate and authorize, follow or leave."""
        payload = protocol.decode_watcher_message(text)
        # Before the trip is read, so that no change of it is missed.
        await self.runtime.changes.listen()
        await self.session.authenticate(payload.token)
        # Those who have a link share no limit: one of them could use it up.
        sharer = self.address if self.share is not None else None
        self.share_limit((self.route, self.session.principal, self.trip_id, sharer))
        self.following = not isinstance(payload, Stop)
        if isinstance(payload, Stop):
            self.runtime.trips.leave(self.trip_id, self)
            return
        self.session.warn_with(self.warn)
        await self.note_opening()
        await self.runtime.trips.follow(self.trip_id, self)

    async def authorize(self, principal: Principal) -> Decision:
        """Permit the riders, the driver that has the trip, and staff who may see trips.

        The answer is the same for a trip that does not exist and one of others.
        """
        user, self.share = principal.user, principal.share
        if self.share is None:
            may_view = database_sync_to_async(may_view_trips, thread_sensitive=False)
            self.sees_all = await may_view(user)
        trip = await self.runtime.trips.get(self.trip_id)
        if trip is None or not (self.is_of_link(trip) or self.sees_all or trip.is_for(user.pk)):
            raise Forbidden(_NOT_YOURS)
        # `authorize` is also called while the stream is open.
        if self.following:
            # The last frame comes first, whoever notices the end first.
            self.runtime.trips.apply(trip)
        if trip.ended is not None:
            raise _ended(trip)
        if self.following:
            self.record_access(trip)
        if self.share is not None:
            return min(trip.until or self.share.expires_at, self.share.expires_at)
        return trip.until or True

    def is_of_link(self, trip: TripRow) -> bool:
        """Return True if a link to the trip is followed; raise Forbidden for one to another."""
        if self.share is not None and self.share.trip_id != trip.id:
            raise Forbidden(_NOT_YOURS)
        return self.share is not None

    async def note_opening(self) -> None:
        """Store that the link was opened, if there is one. Fetching its page does not count."""
        if self.share is not None and not self.is_opening_noted:
            await database_sync_to_async(note_opening, thread_sensitive=False)(self.share.pk)
            self.is_opening_noted = True

    def frame_of(self, trip: TripRow) -> str:
        return trip.frame if self.share is None else trip.shared_frame

    def since_of(self, trip: TripRow) -> datetime | None:
        """Return the time from which on the driver is shown: for a link, from its making on."""
        if self.share is None or trip.since is None:
            return trip.since
        return max(trip.since, self.share.created_at)

    def may_follow(self, trip: TripRow) -> bool:
        if self.is_of_link(trip):
            return True
        user_id = self.session.user_id
        return self.sees_all or (user_id is not None and trip.is_for(user_id))

    def driver_changed(self, trip: TripRow) -> None:
        self.driver_id = trip.driver_id or 0
        self.record_access(trip)
        # The time limit of the permission is another one.
        self.session.recheck()

    def trip_ended(self, trip: TripRow) -> None:
        self.fail(_ended(trip))

    def excluded(self) -> None:
        self.fail(Forbidden(_NOT_YOURS))

    def record_access(self, trip: TripRow) -> None:
        if trip.driver_id is not None:
            user_id = self.session.user_id
            way = LocationAccess.Way.STREAM if self.share is None else LocationAccess.Way.SHARE
            self.runtime.access_log.record(user_id, way, trip.driver_id)

    def disconnected(self) -> None:
        self.runtime.trips.leave(self.trip_id, self)


def _ended(trip: TripRow) -> TripEnded:
    return TripEnded("the trip was canceled" if trip.ended == TripStatus.CANCELED else None)
