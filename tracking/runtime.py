"""What the connections of one event loop share, made when the first of them needs it."""

import asyncio
import uuid
from functools import partial
from weakref import WeakKeyDictionary

from channels.layers import get_channel_layer
from django.contrib.auth.base_user import AbstractBaseUser

from tracking.authentication import load_users
from tracking.batching import Loader
from tracking.broadcast import Publisher
from tracking.connections import Connections
from tracking.database import DatabaseThread
from tracking.fix import ArrivalClock, Fix
from tracking.hub import Hub
from tracking.receiver import Receiver
from tracking.reports import Reports
from tracking.revocation import Registry
from tracking.storage import Storage, Waiter, load_snapshots


class Runtime:
    """The clock, the pumps, the channel, and the threads to the database."""

    def __init__(self) -> None:
        layer = get_channel_layer()
        # Two threads, so that a write that waits for the disk delays no snapshot.
        self._reader = DatabaseThread("tracking-reader")
        self._writer = DatabaseThread("tracking-writer")
        origin = uuid.uuid4().hex
        self._publisher = Publisher(layer, origin)
        self._storage = Storage(self._writer)
        self.clock = ArrivalClock()
        self.users: Loader[int, AbstractBaseUser] = Loader(partial(self._reader.run, load_users))
        self._receiver = Receiver(layer)
        self.registry = Registry(self._receiver)
        self.connections = Connections()
        self.hub = Hub(self._receiver, origin, partial(self._reader.run, load_snapshots))
        self.reports = Reports(self.clock, self.submit)

    def submit(self, fix: Fix, waiter: Waiter) -> None:
        """Deliver, broadcast and store a checked fix, none waiting for another."""
        self.hub.deliver(fix)
        self._publisher.publish(fix)
        self._storage.store(fix, waiter)

    async def drain(self) -> None:
        """Wait until everything submitted is stored and acknowledged."""
        await self._storage.drain()

    async def close(self) -> None:
        """Stop everything, and close the database connections; whoever comes next gets anew."""
        _runtimes.pop(asyncio.get_running_loop(), None)
        await self.hub.close()
        await self._receiver.close()
        await self.users.close()
        await self._publisher.close()
        await self._storage.close()
        self._reader.close()
        self._writer.close()


_runtimes: WeakKeyDictionary[asyncio.AbstractEventLoop, Runtime] = WeakKeyDictionary()


def get_runtime() -> Runtime:
    """Return the running event loop's."""
    loop = asyncio.get_running_loop()
    runtime = _runtimes.get(loop)
    if runtime is None:
        runtime = _runtimes[loop] = Runtime()
    return runtime
