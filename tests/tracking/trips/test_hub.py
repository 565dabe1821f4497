"""The streams of trips show nothing of a former driver, whatever happens in one moment."""

import asyncio
import json

from tracking.pipeline.outbox import Outbox
from tracking.trips.hub import TripHub
from tracking.trips.rows import TripRow

from ..fakes import NOON, fix_of, settle

TRIP, RIDER = 7, 22


def row(version, driver_id, ended=None):
    frame = json.dumps({"trip": version})
    return TripRow(TRIP, version, frame, frozenset({RIDER}), driver_id, NOON, None, ended)


class Follower:
    def __init__(self):
        self.sent = []

        async def send(event):
            self.sent.append(event)

        self.outbox = Outbox(send, print)

    def frame_of(self, trip):
        return trip.frame

    def since_of(self, trip):
        return trip.since

    def may_follow(self, trip):
        return True

    def driver_changed(self, trip):
        pass

    def trip_ended(self, trip):
        self.outbox.close(4403)

    @property
    def drivers(self):
        """The drivers whose frames came after the last frame of the trip."""
        frames = [json.loads(event["text"]) for event in self.sent if "text" in event]
        last = max(number for number, frame in enumerate(frames) if "trip" in frame)
        return {frame["userId"] for frame in frames[last:] if "userId" in frame}


async def following(hub, first):
    async def read(function, trip_ids):
        await asyncio.sleep(0)
        return {TRIP: first}

    trips, follower = TripHub(hub, read), Follower()
    await trips.follow(TRIP, follower)
    return trips, follower


async def test_driver_who_loses_the_trip_in_the_same_moment_is_not_watched(hub):
    trips, follower = await following(hub, row(1, 1))
    trips.apply(row(2, 2))
    await settle()
    hub.deliver(fix_of(1, second=5))
    hub.deliver(fix_of(2, second=6))
    await settle()
    assert follower.drivers == {2}
    await trips.close()


async def test_trip_that_ends_in_the_same_moment_leaves_nothing_behind(hub):
    trips, follower = await following(hub, row(1, 1))
    trips.apply(row(2, 1, ended="complete"))
    await settle()
    assert hub.deliver(fix_of(1, second=5)) == 0
    assert follower.sent[-1] == {"type": "websocket.close", "code": 4403}
    assert trips._feeds == {}
    assert hub._feeds == {}
    await trips.close()


async def test_older_state_of_a_trip_is_ignored(hub):
    trips, follower = await following(hub, row(2, 2))
    trips.apply(row(1, 1))
    await settle()
    hub.deliver(fix_of(1, second=5))
    hub.deliver(fix_of(2, second=6))
    await settle()
    assert follower.drivers == {2}
    await trips.close()
