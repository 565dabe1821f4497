"""Watchers of a hub, and fixes for them."""

from tracking.pipeline.broadcast import encode_batch, shard_of
from tracking.pipeline.outbox import Outbox
from tracking.protocol import encode_location

from .fakes import ELSEWHERE, Client, Log, fix_of, within_deadline


class Watcher:
    """A client, with the outbox through which the hub sends to it."""

    def __init__(self):
        self.client = Client()
        self.failures = Log()
        self.outbox = Outbox(self.client, self.failures.append)

    @property
    def frames(self):
        return self.client.texts


def moved(second, driver_id=19):
    """Return a fix whose latitude is its second."""
    return fix_of(driver_id, second, latitude=float(second), longitude=0.5)


def frame(second):
    return encode_location(float(second), 0.5)


async def publish(layer, *fixes):
    """Broadcast fixes as another worker does."""
    for fix in fixes:
        await layer.group_send(shard_of(fix.driver_id), encode_batch([fix], ELSEWHERE))


async def join(hub, driver_id=19):
    watcher = Watcher()
    await within_deadline(hub.join(driver_id, watcher.outbox))
    return watcher
