"""The fast path between workers: fixes in batches, over a few channel-layer groups.

Drivers are spread over `TRACKING["SHARDS"]` groups, so that a worker hears only of shards in
which it has watchers, and a batch costs one message per shard instead of one per driver.
"""

import asyncio
import logging
from typing import Any, Final

import msgspec

from tracking.conf import conf
from tracking.fix import Fix
from tracking.monitoring import metrics
from tracking.monitoring.throttled_log import Throttle
from tracking.pipeline.batching import Pump

logger = logging.getLogger(__name__)
logger.addFilter(Throttle())

# How long a failed batch waits for the channel layer to come back.
RETRY_AFTER: Final = 0.5

_decoder: Final = msgspec.msgpack.Decoder(list[Fix])


def shard_of(driver_id: int) -> str:
    """Return the name of the group that carries a driver's fixes."""
    return f"tracking.shard.{driver_id % conf.SHARDS}"


def all_shards() -> list[str]:
    """Return the names of the groups that together carry everybody's fixes."""
    return [shard_of(number) for number in range(conf.SHARDS)]


def encode_batch(fixes: list[Fix], origin: str) -> dict[str, Any]:
    """Return the channel-layer event that carries fixes, and which runtime they come from.

    The fixes go as bytes, because the in-memory layer copies anything else deeply.
    """
    return {"type": "tracking.fixes", "origin": origin, "fixes": msgspec.msgpack.encode(fixes)}


def decode_batch(event: dict[str, Any]) -> list[Fix]:
    """Return the fixes of an event; raise `msgspec.MsgspecError` or `KeyError`."""
    return _decoder.decode(event["fixes"])


class Publisher:
    """Sends fixes to their shards. While the channel layer is away it holds the newest of each
    driver, and sends them when it is back.
    """

    def __init__(self, layer: Any, origin: str) -> None:
        self._layer = layer
        self._origin = origin
        self._newest: dict[str, dict[int, Fix]] = {}
        self._pump = Pump(self._flush)
        self._failing = False

    def publish(self, fix: Fix) -> None:
        """Send `fix` with the next batch of its shard."""
        shard = self._newest.setdefault(shard_of(fix.driver_id), {})
        if fix.is_newer_than(shard.get(fix.driver_id)):
            shard[fix.driver_id] = fix
        self._pump.wake()

    def __len__(self) -> int:
        """Return how many fixes wait, beside those under way."""
        return sum(map(len, self._newest.values()))

    async def close(self) -> None:
        """Stop, unsent what is not yet sent."""
        await self._pump.close()

    async def _flush(self) -> None:
        newest, self._newest = self._newest, {}
        while newest:
            shard, fixes = newest.popitem()
            try:
                await self._layer.group_send(
                    shard, encode_batch(list(fixes.values()), self._origin)
                )
            except Exception as error:  # each layer has errors of its own
                newest[shard] = fixes
                await self._retry_later(newest, error)
                return
            metrics.broadcast(len(fixes))
        if self._failing:
            logger.info("Live locations are broadcast again")
            self._failing = False
            metrics.degraded.end("broadcast")

    async def _retry_later(self, newest: dict[str, dict[int, Fix]], error: Exception) -> None:
        logger.error(
            "Live locations cannot be broadcast, watchers are served from the database: %r", error
        )
        self._failing = True
        metrics.degraded.begin("broadcast")
        for fixes in newest.values():
            for fix in fixes.values():
                self.publish(fix)
        await asyncio.sleep(RETRY_AFTER)
