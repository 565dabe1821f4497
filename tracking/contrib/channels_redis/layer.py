"""The pub/sub channel layer of channels_redis, with a connection that recovers when Redis fails."""

import asyncio
import logging
import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final
from zlib import crc32

from channels_redis.pubsub import RedisPubSubChannelLayer, RedisSingleShardConnection
from django.core.checks import CheckMessage

from tracking import metrics
from tracking.contrib.channels_redis.checks import DEFAULT_PREFIX, check_hosts
from tracking.throttled_log import Throttle, reason

logger = logging.getLogger(__name__)
logger.addFilter(Throttle())

# Seconds without a message after which a PING is sent to Redis, and after which the connection is
# replaced: by then at least three PINGs are unanswered.
PING_AFTER: Final = 1.0
RECEIVE_TIMEOUT: Final = 4.0
# Seconds between attempts to reconnect after several failures in a row, plus or minus a quarter.
MAX_RETRY_DELAY: Final = 0.5
# Seconds. Without these timeouts, a Redis that hangs would block all sends.
DEFAULT_TIMEOUTS: Final = {"socket_timeout": 2, "socket_connect_timeout": 2}

_NUMBER: Final = re.compile(r"(?<=\.)[0-9]{1,9}$")


class ChannelLayer(RedisPubSubChannelLayer):  # type: ignore[misc]
    """Pub/sub over one or several Redis hosts, with a `Subscription` to each of them.

    `CONFIG` is that of `channels_redis.pubsub.RedisPubSubChannelLayer`: `hosts`, `prefix`, and so
    on. `socket_timeout` and `socket_connect_timeout` of a host are 2 s if it does not set them.
    """

    def _get_layer(self) -> Any:
        is_new = asyncio.get_running_loop() not in self._layers
        layer = super()._get_layer()
        if is_new:
            layer._shards = [
                Subscription({**DEFAULT_TIMEOUTS, **shard.host}, layer) for shard in layer._shards
            ]
            layer._get_shard = partial(_shard_of, layer._shards)
        return layer

    def check(self) -> list[CheckMessage]:
        """Return system check messages about hosts that do not pass messages between workers."""
        prefix = self._kwargs.get("prefix", DEFAULT_PREFIX)
        return check_hosts(self._kwargs.get("hosts", []), prefix)


def _shard_of(shards: list[Any], name: str) -> Any:
    """Return the connection to the Redis host that carries a channel or group.

    Groups whose names end in a number are assigned to the hosts in turn. channels_redis uses some
    bits of a CRC, which are equal for up to eight names that differ in their last digit: all of
    them would be on one host.
    """
    number = _NUMBER.search(name)
    return shards[(int(number[0]) if number else crc32(name.encode())) % len(shards)]


def _retry_delays() -> Iterator[float]:
    """Yield the seconds to wait before each attempt to reconnect.

    The first attempt is immediate, because messages that others send meanwhile are lost. The
    jitter spreads the attempts of workers that lost their connections at the same moment.
    """
    yield 0.0
    delay = MAX_RETRY_DELAY / 4
    while True:
        yield delay * random.uniform(0.75, 1.25)  # noqa: S311 - no secret
        delay = min(2 * delay, MAX_RETRY_DELAY)


@contextmanager
def _cancellable() -> Iterator[None]:
    """Raise CancelledError if the task was cancelled meanwhile and the awaited code ignored it.

    redis-py sends with `asyncio.wait_for`. Before Python 3.12 that returns as if nothing had
    happened if the task is cancelled in the very moment in which the sending is done.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    try:
        yield
    finally:  # also after an error
        if task and task.cancelling() > before:
            raise asyncio.CancelledError


class Subscription(RedisSingleShardConnection):  # type: ignore[misc]
    """The connections to one Redis host, which recover after a failure.

    The base class waits for ever for a host that disappeared without a reset, stops or loops
    without a pause after a `TimeoutError`, logs a traceback each second, and never removes a
    channel whose subscription failed.
    """

    _receive_task: asyncio.Task[None] | None
    # True from a failure until the next message is received.
    _failing = False

    async def subscribe(self, channel: str) -> None:
        """Subscribe to `channel`. If that fails, remove the channel and raise the error."""
        try:
            with _cancellable():
                await super().subscribe(channel)
        except BaseException:
            # Its name is never returned to the caller, so nothing else would remove it. Names of
            # groups are not in this dictionary.
            self.channel_layer.channels.pop(channel, None)
            raise
        if self._receive_task is None:
            self._receive_task = asyncio.create_task(self._receive_forever())

    async def unsubscribe(self, channel: str) -> None:
        with _cancellable():
            await super().unsubscribe(channel)

    async def publish(self, channel: str, message: bytes) -> None:
        with _cancellable():
            await super().publish(channel, message)

    def _ensure_receiver(self) -> None:
        """Do nothing: `subscribe` starts the receiver once there is something to receive."""

    async def _receive_forever(self) -> None:
        loop = asyncio.get_running_loop()
        delays = _retry_delays()
        try:
            while True:
                began = loop.time()
                try:
                    await self._receive()
                except Exception as error:  # includes TimeoutError, also raised by the kernel
                    logger.error("Redis is unavailable, will keep trying: %s", reason(error))
                self._failing = True
                metrics.degraded.begin("receiver", self)
                # Shorter connections keep the back-off: a Redis may accept connections and refuse
                # SUBSCRIBE.
                if loop.time() - began >= MAX_RETRY_DELAY:
                    delays = _retry_delays()
                await self._reconnect(delays)
        finally:
            metrics.degraded.end("receiver", self)

    async def _receive(self) -> None:
        """Receive until the connection fails; raise `TimeoutError` or an error of redis-py."""
        loop = asyncio.get_running_loop()
        received_at = loop.time()
        while loop.time() - received_at < RECEIVE_TIMEOUT:
            with _cancellable():
                # This may reconnect, and so send.
                message = await self._pubsub.get_message(timeout=PING_AFTER)
                if message is None:
                    await self._pubsub.ping("still there?")
                    continue
            received_at = loop.time()
            if self._failing:
                self._failing = False
                metrics.degraded.end("receiver", self)
                logger.info("Redis is back")
            if message["type"] == "message":
                self._receive_message(message)
        raise TimeoutError(f"no answer for {RECEIVE_TIMEOUT} s")

    async def _reconnect(self, delays: Iterator[float]) -> None:
        """Try until connected, with every subscription sent again."""
        for delay in delays:
            await asyncio.sleep(delay)
            try:
                async with self._lock:
                    with _cancellable():
                        await self._pubsub.connection.disconnect(nowait=True)
                        await self._pubsub.connect()
            except Exception as error:
                logger.error("Reconnecting to Redis failed, will keep trying: %s", reason(error))
            else:
                return
