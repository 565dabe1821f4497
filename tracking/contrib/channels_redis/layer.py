"""The channel layer of production: channels_redis' pub/sub, made to outlive what befalls Redis."""

import asyncio
import logging
import random
import re
from collections.abc import Iterator
from functools import partial
from typing import Any, Final
from zlib import crc32

from channels_redis.pubsub import RedisPubSubChannelLayer, RedisSingleShardConnection

from tracking import metrics
from tracking.throttled_log import Throttle, reason

logger = logging.getLogger(__name__)
logger.addFilter(Throttle())

# A subscription that heard nothing for this long asks whether Redis is there. It begins anew when
# it heard nothing for so long that at least three answers are missing.
ASK_AFTER: Final = 1.0
GIVE_UP_AFTER: Final = 4.0
# Seconds between attempts to reconnect, once several in a row have failed, give or take a quarter.
MAX_RETRY_DELAY: Final = 1.0

_NUMBER: Final = re.compile(r"(?<=\.)[0-9]{1,9}$")


class ChannelLayer(RedisPubSubChannelLayer):  # type: ignore[misc]
    """Pub/sub over the Redis hosts of `CONFIG`, a `Subscription` to each of them.

    In their settings `socket_timeout` and `socket_connect_timeout` bound how long a Redis that
    hangs holds up who sends.
    """

    def _get_layer(self) -> Any:
        is_new = asyncio.get_running_loop() not in self._layers
        layer = super()._get_layer()
        if is_new:
            layer._shards = [Subscription(shard.host, layer) for shard in layer._shards]
            layer._get_shard = partial(_shard_of, layer._shards)
        return layer


def _shard_of(shards: list[Any], name: str) -> Any:
    """Return which of several Redis hosts a channel or group is on.

    Groups that are numbered take turns. The original goes by some bits of a CRC, which are the same
    for up to eight names that differ in their last digit, so that one host would have them all.
    """
    number = _NUMBER.search(name)
    return shards[(int(number[0]) if number else crc32(name.encode())) % len(shards)]


def _retry_delays() -> Iterator[float]:
    """Yield the seconds to wait before each attempt to reconnect.

    The first comes at once, as what others send meanwhile is lost. The jitter is for the many
    workers whose connections broke at the same moment.
    """
    yield 0.0
    delay = MAX_RETRY_DELAY / 4
    while True:
        yield delay * random.uniform(0.75, 1.25)  # noqa: S311 - no secret
        delay = min(2 * delay, MAX_RETRY_DELAY)


class Subscription(RedisSingleShardConnection):  # type: ignore[misc]
    """The connections to one Redis.

    It differs from the original where Redis fails. That one listens for ever to a host that is
    gone without a reset, ends or spins at a `TimeoutError`, writes a traceback each second, and
    keeps every channel that it could not subscribe to.
    """

    _receive_task: asyncio.Task[None] | None
    # From when nothing is heard until something is.
    _failing = False

    async def subscribe(self, channel: str) -> None:
        """Hear what is sent to `channel`, or raise and keep nothing of it."""
        try:
            await super().subscribe(channel)
        except BaseException:
            # The name of a new channel, which its caller then never learns. Groups are elsewhere.
            self.channel_layer.channels.pop(channel, None)
            raise
        if self._receive_task is None:
            self._receive_task = asyncio.create_task(self._receive_forever())

    def _ensure_receiver(self) -> None:
        """Left to `subscribe`: until it succeeds there is nothing to receive from."""

    async def _receive_forever(self) -> None:
        loop = asyncio.get_running_loop()
        delays = _retry_delays()
        try:
            while True:
                began = loop.time()
                try:
                    await self._receive()
                except Exception as error:  # TimeoutError too, the kernel's word for a lost host
                    logger.error("Nothing is heard from Redis, will keep trying: %s", reason(error))
                self._failing = True
                metrics.degraded.begin("receiver", self)
                # Unless it is a Redis that accepts connections and then refuses SUBSCRIBE.
                if loop.time() - began >= MAX_RETRY_DELAY:
                    delays = _retry_delays()
                await self._reconnect(delays)
        finally:
            metrics.degraded.end("receiver", self)

    async def _receive(self) -> None:
        """Receive until Redis is gone; raise `TimeoutError` or what the client library does."""
        loop = asyncio.get_running_loop()
        heard_at = loop.time()
        while loop.time() - heard_at < GIVE_UP_AFTER:
            message = await self._pubsub.get_message(timeout=ASK_AFTER)
            if message is None:
                await self._pubsub.ping("still there?")
                continue
            heard_at = loop.time()
            if self._failing:
                self._failing = False
                metrics.degraded.end("receiver", self)
                logger.info("Redis is there again")
            if message["type"] == "message":
                self._receive_message(message)
        raise TimeoutError(f"no answer for {GIVE_UP_AFTER} s")

    async def _reconnect(self, delays: Iterator[float]) -> None:
        """Return once connected, with every subscription sent again."""
        for delay in delays:
            await asyncio.sleep(delay)
            try:
                async with self._lock:
                    await self._pubsub.connection.disconnect(nowait=True)
                    await self._pubsub.connect()
            except Exception as error:
                logger.error("Redis cannot be reached, will keep trying: %s", reason(error))
            else:
                return
