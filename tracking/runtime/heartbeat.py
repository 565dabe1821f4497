"""Heartbeats that show whether workers receive each other's messages through the channel layer.

Workers on two Redis servers, or with two prefixes, each find their own layer working. So every
worker publishes the number of its current round in two places: first in a message through the
layer, then in its row of the database, which all workers share. A worker that reads a round there
must have received it through the layer before; otherwise the two are not connected. No clocks are
compared. A worker that has stopped, hangs, or finds Redis unavailable stops counting, so that it is
not considered silent.
"""

import asyncio
import logging
import os
import socket
import uuid
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any, Final, NamedTuple

from django.db import router
from django.db.models.functions import Now

from tracking import metrics
from tracking.conf import conf
from tracking.engine.receiver import Event, Receiver
from tracking.models import Worker
from tracking.runtime.probe import Probe
from tracking.throttled_log import Throttle, reason

logger = logging.getLogger(__name__)
logger.addFilter(Throttle())

EVENT: Final = "tracking.heartbeat"

# Seconds between two rounds. Each costs a worker three short statements and a message per shard.
INTERVAL: Final = 5.0
# A worker is silent once this many rounds in a row are missing. A restart of Redis, or a new
# subscription, loses one, rarely two.
MAX_MISSED: Final = 3
# Seconds that a message may take. Load balancers are answered within 2 s.
ECHO_TIMEOUT: Final = 1.5
# Seconds for which a result is kept.
RESULT_LIFETIME: Final = 1.0
# Age at which the row of a worker is deleted.
ROW_LIFETIME: Final = timedelta(seconds=30)


class Sign(NamedTuple):
    """A worker's row: its name, and the last round that it has sent."""

    name: str
    sent: int


class Heartbeat:
    """Sends this worker's heartbeat, and finds workers that are silent.

    `run` runs a function in a thread that may use the database.
    """

    def __init__(
        self, layer: Any, receiver: Receiver, run: Callable[..., Awaitable[dict[str, Sign]]]
    ) -> None:
        self._layer = layer
        self._receiver = receiver
        self._run = run
        self._id = uuid.uuid4().hex
        self._name = f"{socket.gethostname()}:{os.getpid()}"
        # Shards may be on different Redis hosts.
        self._shards = range(conf.SHARDS)
        self._round = self._sent = 0
        # By worker and shard, the last round that was received.
        self._heard: dict[str, dict[int, int]] = {}
        # By other worker, the first round that should have been received.
        self._expected_from: dict[str, int] = {}
        self._silent: set[str] = set()
        self._message = 0
        self._awaited: set[int] = set()
        self._echo = asyncio.Event()
        self._lock = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        # Raises, within 2 s, if this worker does not receive its own or others' messages.
        self.probe: Probe[None] = Probe(
            self._check, keep=RESULT_LIFETIME, timeout=ECHO_TIMEOUT + 0.5
        )
        receiver.handle(EVENT, self._receive)

    def start(self) -> None:
        """Send heartbeats from now on. Calling it again changes nothing."""
        if self._task is None:
            self._task = asyncio.create_task(self._beat_forever())

    async def close(self) -> None:
        """Stop sending heartbeats."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self.probe.close()
        for worker in self._silent:
            metrics.degraded.end("workers", worker)

    async def _check(self) -> None:
        await self._send_and_receive()
        if self._silent:
            raise ConnectionError("workers do not receive each other's heartbeats")

    async def _send_and_receive(self) -> None:
        """Send the current round, and return once this worker received it; raise if it does not."""
        # Another message would delay those that already fail.
        if failing := {"broadcast", "receiver"} & set(metrics.degraded.parts()):
            raise ConnectionError(f"in use, and failing: {', '.join(failing)}")
        async with self._lock:
            self._message += 1
            self._awaited = set(self._shards)
            self._echo.clear()
            sending = self._round
            event = {"type": EVENT, "worker": self._id, "round": sending, "message": self._message}
            groups = {shard: f"{EVENT}.{shard}" for shard in self._shards}
            await asyncio.gather(*map(self._receiver.join, groups.values()))
            for shard, group in groups.items():
                await self._layer.group_send(group, event | {"shard": shard})
            self._sent = sending
            try:
                async with asyncio.timeout(ECHO_TIMEOUT):
                    await self._echo.wait()
            except TimeoutError as error:
                raise ConnectionError("a heartbeat that was sent did not come back") from error

    async def _receive(self, event: Event) -> None:
        worker, shard = event["worker"], event["shard"]
        heard = self._heard.setdefault(worker, {})
        heard[shard] = max(event["round"], heard.get(shard, 0))
        if worker == self._id and event["message"] == self._message:
            self._awaited.discard(shard)
            if not self._awaited:
                self._echo.set()

    async def _beat_forever(self) -> None:
        while True:
            await self._beat()
            await asyncio.sleep(INTERVAL)

    async def _beat(self) -> None:
        try:
            # Before the round is sent: once it is received, so are all rounds that the rows show.
            rows = await self._run(exchange, self._id, Sign(self._name, self._sent))
        except Exception as error:  # the database is unavailable, or not migrated yet
            logger.warning("Workers could not be compared: %s", reason(error))
            rows = None
        # A round that could not be sent is sent again, so that no worker misses it.
        self._round = self._sent + 1
        try:
            await self._send_and_receive()
            receives = True
        except Exception:  # the health check reports it
            receives = False
        if rows is not None:
            self._compare(rows, receives=receives)

    def _compare(self, rows: Mapping[str, Sign], *, receives: bool) -> None:
        """Find silent workers; `receives` is True if the layer works for this worker."""
        others = {worker: row for worker, row in rows.items() if worker != self._id}
        known = others.keys() | {self._id}
        self._heard = {worker: heard for worker, heard in self._heard.items() if worker in known}
        silent = self._silent & known
        if self._sent - self._last_received(self._id) >= MAX_MISSED:
            silent.add(self._id)
        if not receives:
            # Nothing is known about the other workers, now or later, for the rounds sent until now.
            self._expected_from = {
                worker: sent for worker, sent in self._expected_from.items() if worker in silent
            }
        else:
            silent.discard(self._id)
            self._expected_from = {
                worker: self._expected_from.get(worker, row.sent) for worker, row in others.items()
            }
            for worker, row in others.items():
                last = max(self._last_received(worker), self._expected_from[worker])
                if row.sent - last >= MAX_MISSED:
                    silent.add(worker)
                else:
                    silent.discard(worker)
        self._report(silent, others)

    def _last_received(self, worker: str) -> int:
        """Return the last round of a worker that was received on all shards."""
        heard = self._heard.get(worker, {})
        return min(heard.get(shard, 0) for shard in self._shards)

    def _report(self, silent: set[str], others: Mapping[str, Sign]) -> None:
        for worker in silent - self._silent:
            metrics.degraded.begin("workers", worker)
        for worker in self._silent - silent:
            metrics.degraded.end("workers", worker)
        if self._id in silent - self._silent:
            logger.error("This worker does not receive its own messages through the channel layer")
        if silent - self._silent - {self._id}:
            names = sorted(row.name for worker, row in others.items() if worker in silent)
            logger.error(
                "Messages of %d of %d other workers do not arrive through the channel layer: %s. "
                "Do all workers have the same Redis, prefix and shards (REDIS_URL, REDIS_PREFIX, "
                "SHARDS)?",
                len(names),
                len(others),
                ", ".join(names),
            )
        if self._silent and not silent:
            logger.info("Messages of all workers arrive through the channel layer again")
        self._silent = silent


def exchange(worker: str, sign: Sign) -> dict[str, Sign]:
    """Write the row of a worker; return the rows of all live workers, its own included."""
    workers = Worker.objects.using(router.db_for_write(Worker))
    # Each statement uses the database's clock.
    if not workers.filter(pk=worker).update(sent=sign.sent, seen_at=Now()):
        workers.create(pk=worker, name=sign.name, sent=sign.sent, seen_at=Now())
    workers.filter(seen_at__lt=Now() - ROW_LIFETIME).delete()
    return {pk: Sign(name, sent) for pk, name, sent in workers.values_list("pk", "name", "sent")}
