"""Hand-written fakes of what surrounds the fleet, and clients that view it."""

import asyncio
import json

from tracking.pipeline.outbox import Outbox
from tracking.protocol.fleet import Bbox

from ..fakes import DEADLINE, Client, Log

EAST = Bbox(0, -90, 180, 90)


class Following:
    """A fake of the hub, with the methods that the fleet calls."""

    def __init__(self):
        self.followers = set()

    async def follow(self, follower):
        await asyncio.sleep(0)
        self.followers.add(follower)

    def unfollow(self, follower):
        self.followers.discard(follower)

    def deliver(self, fix):
        for follower in self.followers:
            follower(fix)


class Rows:
    """A fake database: users' names, and the fixes of some of them, two on a page."""

    def __init__(self):
        self.fixes = {}
        self.names = {}
        self.error = None
        self.calls = Log()

    def add(self, fix, name="Jonh"):
        self.fixes[fix.driver_id] = fix
        self.names[fix.driver_id] = name

    async def __call__(self, function, *args):
        await asyncio.sleep(0)
        self.calls.append(function.__name__)
        if self.error is not None:
            raise self.error
        return getattr(self, function.__name__)(*args)

    def load_page(self, after):
        ids = sorted(driver_id for driver_id in self.fixes if driver_id > after)
        return [(self.fixes[driver_id], self.names[driver_id]) for driver_id in ids[:2]]

    def load_marks(self, since):
        return {
            driver_id: (fix.heard, fix.disconnected_at)
            for driver_id, fix in self.fixes.items()
            if fix.heard >= since or (fix.disconnected_at and fix.disconnected_at >= since)
        }

    def load_snapshots(self, driver_ids):
        return {key: self.fixes[key] for key in driver_ids if key in self.fixes}

    load_shown = load_snapshots

    def load_names(self, user_ids):
        return {key: self.names[key] for key in user_ids if key in self.names}

    def load_states(self, driver_ids):
        return {}

    async def rounds(self, count=2):
        """Wait until the database was called `count` times more."""
        await self.calls.reach(len(self.calls) + count)


class Viewer:
    """A client of the fleet, with the state that it built from the frames."""

    def __init__(self, fleet):
        self.fleet = fleet
        self.client = Client()
        self.failures = Log()
        self.outbox = Outbox(self.client, self.failures.append)
        self.seen = {}
        self.counts = {}
        self.read = 0

    def look(self, bbox=None):
        self.fleet.view(self.outbox, bbox, lambda: self.failures.append("broken off"))

    @property
    def frames(self):
        return [json.loads(text) for text in self.client.texts]

    def apply(self):
        """Apply the new frames to the state as the browser's client and map do."""
        for frame in self.frames[self.read :]:
            self.read += 1
            if "snapshot" in frame:
                self.seen.clear()
            for item in [*frame.get("snapshot", ()), *frame.get("update", ())]:
                self.seen[item["userId"]] = item
            for driver_id in frame.get("remove", ()):
                del self.seen[driver_id]
            self.counts = frame.get("counts", self.counts)

    async def until(self, condition):
        """Wait until the condition is true for the frames so far."""
        async with asyncio.timeout(DEADLINE):
            self.apply()
            while not condition():
                await self.client.events.reach(len(self.client.events) + 1)
                self.apply()

    async def until_seen(self, *driver_ids):
        await self.until(lambda: set(self.seen) == set(driver_ids) and self.read)
