"""Hand-written fakes of what surrounds the tracking core, and ways to wait for them."""

import asyncio
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

from channels.layers import InMemoryChannelLayer

from tracking.fix import Fix

# Seconds; long enough for a busy machine. Only a failing test waits that long.
DEADLINE = 20.0

# The origins of a batch.
HERE, ELSEWHERE = "this worker", "another worker"

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def fix_of(driver_id=19, second=0.0, latitude=1.5, longitude=2.5, **rest):
    """Return a fix that was measured and arrived `second` seconds after noon."""
    at = NOON + timedelta(seconds=second)
    return Fix(driver_id, latitude, longitude, at, at, **rest)


async def within_deadline(awaitable):
    async with asyncio.timeout(DEADLINE):
        return await awaitable


async def settle(turns=20):
    """Run everything that is ready, without waiting for timers."""
    for _ in range(turns):
        await asyncio.sleep(0)


class Log(list):
    """A list whose growth can be awaited."""

    def __init__(self):
        super().__init__()
        self._grown = asyncio.Event()

    def append(self, item):
        super().append(item)
        self._grown.set()

    async def reach(self, count):
        """Return the log once it holds `count` items."""
        async with asyncio.timeout(DEADLINE):
            while len(self) < count:
                self._grown.clear()
                await self._grown.wait()
        return self


class Client:
    """An ASGI server's `send` that records what the client read. The client may stop or fail."""

    def __init__(self, *, suspensions=0):
        self.events = Log()
        self.error = None
        self._suspensions = suspensions
        self._reading = asyncio.Event()
        self._reading.set()
        self.blocked = Log()
        self.cancelled = False

    def stop_reading(self):
        self._reading.clear()

    def read_on(self):
        self._reading.set()

    async def __call__(self, event):
        if self.error is not None:
            raise self.error
        for _ in range(self._suspensions):
            await asyncio.sleep(0)
        if not self._reading.is_set():
            self.blocked.append(event)
        try:
            await self._reading.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        if self.error is not None:
            raise self.error
        self.events.append(event)

    @property
    def texts(self):
        return [event.get("text", event.get("code")) for event in self.events]


class Layer(InMemoryChannelLayer):
    """An in-memory channel layer that counts, and fails or loses messages on demand."""

    def __init__(self):
        super().__init__()
        self.calls = defaultdict(Log)
        self.failing = set()
        self.sent = Log()
        self.added = Log()
        self.discarded = Log()
        self.losing = False
        self.hold = None

    async def _called(self, name, *args):
        self.calls[name].append(args)
        if self.hold is not None:
            await self.hold.wait()
        if name in self.failing:
            raise ConnectionError(f"{name}: the channel layer is unavailable")

    async def new_channel(self, prefix="specific."):
        await self._called("new_channel", prefix)
        return await super().new_channel(prefix)

    async def group_add(self, group, channel):
        await self._called("group_add", group, channel)
        await super().group_add(group, channel)
        self.added.append(group)

    async def group_discard(self, group, channel):
        await self._called("group_discard", group, channel)
        await super().group_discard(group, channel)
        self.discarded.append(group)

    async def group_send(self, group, message):
        await self._called("group_send", group, message)
        if not self.losing:
            await super().group_send(group, message)
        self.sent.append((group, message))

    async def receive(self, channel):
        await self._called("receive", channel)
        return await super().receive(channel)


class Loads:
    """A `load` for `Loader` and the hub: a dict behind a gate, whose calls are recorded."""

    def __init__(self, values=None):
        self.values = dict(values or {})
        self.error = None
        self.calls = Log()
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, keys):
        self.calls.append(keys)
        # Read at the call, as a query's result is.
        values = {key: self.values[key] for key in keys if key in self.values}
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return values


class Sender:
    """A sender of fixes that records whether each was acknowledged, rejected or discarded."""

    def __init__(self, log=None):
        self.settled = log if log is not None else Log()

    def acknowledge(self, fix: Fix) -> None:
        self.settled.append(("acknowledged", fix))

    def reject(self, fix: Fix) -> None:
        self.settled.append(("rejected", fix))

    def discard(self, fix: Fix) -> None:
        self.settled.append(("discarded", fix))


class Scheduled:
    """A `datetime` whose `now` returns the given times, one after the other."""

    def __init__(self, *times: datetime):
        self._times = iter(times)

    def now(self, tz: Any = None) -> datetime:
        return next(self._times).astimezone(tz)

    min = datetime.min


class Times:
    """An arrival clock that stands still until the test advances it."""

    def __init__(self, second=0.0):
        self.at = NOON + timedelta(seconds=second)

    def now(self):
        return self.at

    def advance(self, seconds):
        self.at += timedelta(seconds=seconds)


class NoAudience:
    """An announcer without receivers of its signals."""

    has_receivers = False
