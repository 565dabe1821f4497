"""The fast path between workers: fixes in batches, over a few channel-layer groups.

Drivers are spread over `TRACKING["SHARDS"]` groups, so that a worker receives only the shards in
which it has watchers, and a batch costs one message per shard instead of one per driver.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

import msgspec

from tracking import metrics
from tracking.conf import conf
from tracking.engine.batching import Flusher
from tracking.fix import Fix
from tracking.ids import DriverId
from tracking.throttled_log import Throttle, reason

logger = logging.getLogger(__name__)
logger.addFilter(Throttle())

# Seconds before a failed batch is sent again.
RETRY_AFTER: Final = 0.5

_decoder: Final = msgspec.msgpack.Decoder(list[Fix])


def shard_of(driver_id: DriverId) -> str:
    """Return the name of the group that carries a driver's fixes."""
    # An id's hash is the same in every process: integers hash to themselves, UUIDs as integers.
    return f"tracking.shard.{hash(driver_id) % conf.SHARDS}"


def all_shards() -> list[str]:
    """Return the names of the groups that together carry all drivers' fixes."""
    return [shard_of(number) for number in range(conf.SHARDS)]


def encode_batch(fixes: list[Fix], origin: str) -> dict[str, Any]:
    """Return the channel-layer event that carries `fixes`; `origin` names the sending runtime.

    The fixes are encoded as bytes, because the in-memory layer makes deep copies of all else.
    """
    return {"type": "tracking.fixes", "origin": origin, "fixes": msgspec.msgpack.encode(fixes)}


def decode_batch(event: dict[str, Any]) -> list[Fix]:
    """Return the fixes of an event; raise `msgspec.MsgspecError` or `KeyError`."""
    return _decoder.decode(event["fixes"])


class Publisher:
    """Sends fixes to their shards.

    While the channel layer is unavailable it holds the newest fix of each driver, and sends them
    when the layer is back. Shards may be on different Redis hosts, so each is retried separately.
    """

    def __init__(self, layer: Any, origin: str) -> None:
        self._layer = layer
        self._origin = origin
        self._shards: dict[str, _Shard] = {}
        self._failing: set[str] = set()

    def publish(self, fix: Fix) -> None:
        """Send `fix` with the next batch of its shard."""
        name = shard_of(fix.driver_id)
        shard = self._shards.get(name)
        if shard is None:
            shard = self._shards[name] = _Shard(partial(self._send, name))
        shard.publish(fix)

    def __len__(self) -> int:
        """Return how many fixes wait to be sent, without those being sent."""
        return sum(len(shard.newest) for shard in self._shards.values())

    async def drain(self) -> None:
        """Wait until all published fixes are sent."""
        await asyncio.gather(*(shard.flusher.drain() for shard in self._shards.values()))

    async def close(self) -> None:
        """Stop, and drop fixes that are not yet sent."""
        await asyncio.gather(*(shard.flusher.close() for shard in self._shards.values()))

    async def _send(self, name: str, fixes: list[Fix]) -> bool:
        """Return True if the channel layer accepted the fixes."""
        event = self._encode(fixes)
        if event is None:
            return True
        try:
            await self._layer.group_send(name, event)
        except Exception as error:  # each layer has errors of its own
            logger.error(
                "Live locations cannot be broadcast, watchers are served from the database: %s",
                reason(error),
            )
            self._failing.add(name)
            metrics.degraded.begin("broadcast")
            return False
        metrics.broadcast(len(fixes))
        if name in self._failing:
            self._failing.discard(name)
            if not self._failing:
                logger.info("Live locations are broadcast again")
                metrics.degraded.end("broadcast")
        return True

    def _encode(self, fixes: list[Fix]) -> dict[str, Any] | None:
        """Return the event, without the fixes that cannot be encoded; None if nothing is left."""
        try:
            return encode_batch(fixes, self._origin)
        except Exception:  # the fault of a fix, not of the channel layer
            logger.exception("A location could not be broadcast")
            if len(fixes) == 1:
                return None
            good = [fix for fix in fixes if self._encode([fix]) is not None]
            return encode_batch(good, self._origin) if good else None


class _Shard:
    """The fixes that wait for one group: the newest of each driver."""

    def __init__(self, send: Callable[[list[Fix]], Awaitable[bool]]) -> None:
        self.newest: dict[DriverId, Fix] = {}
        self.flusher = Flusher(self._flush)
        self._send = send

    def publish(self, fix: Fix) -> None:
        self._keep(fix)
        self.flusher.schedule()

    def _keep(self, fix: Fix) -> None:
        waiting = self.newest.get(fix.driver_id)
        if waiting is not None:
            metrics.fixes_conflated.add("broadcast")
        self.newest[fix.driver_id] = fix.merged_with(waiting)

    async def _flush(self) -> None:
        newest, self.newest = self.newest, {}
        if newest and not await self._send(list(newest.values())):
            for fix in newest.values():
                self._keep(fix)
            self.flusher.schedule()
            await asyncio.sleep(RETRY_AFTER)
