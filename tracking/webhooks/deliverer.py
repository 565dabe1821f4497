"""The deliverer: dispatches events, and delivers them to webhooks, until it is stopped."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from django.utils import timezone

from tracking.engine.database import DatabaseThread, is_unavailable
from tracking.events.dispatch import dispatch_batch
from tracking.throttled_log import Throttle, reason
from tracking.webhooks import queue
from tracking.webhooks.message import MAX_BODY
from tracking.webhooks.queue import Claim, Result
from tracking.webhooks.sender import Outcome, Sender

logger = logging.getLogger(__name__)
logger.addFilter(Throttle())

Answer = TypeVar("Answer")

# Deliveries in flight of one process, in all: each has a socket.
MAX_IN_FLIGHT: Final = 400
# Seconds between two looks for events, and for deliveries that are due.
POLL_INTERVAL: Final = 0.2
# Seconds for which results and new deliveries are gathered, to write many in one transaction.
GATHER_INTERVAL: Final = 0.02
# Seconds before the next try after the database failed.
RETRY_INTERVAL: Final = 1.0
# Seconds for which a stopping deliverer waits for answers. What is then in flight is sent again.
DRAIN_TIMEOUT: Final = 5.0
# Seconds for which it waits for the database.
CLOSE_TIMEOUT: Final = 5.0


class Deliverer:
    """Delivers events, together with any number of others in other processes."""

    def __init__(self) -> None:
        # One of its own for the dispatch: the host's receivers may be slow.
        self._events = DatabaseThread("tracking-dispatch")
        self._database = DatabaseThread("tracking-deliveries")
        self._in_flight: dict[asyncio.Task[None], Claim] = {}
        # Written with the next claim. Bounded, as nothing is claimed before that succeeds.
        self._results: list[Result] = []
        self._wake = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Dispatch and deliver until `stop` is set; then wait for what is in flight."""
        sender = Sender()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._dispatch_until(stop))
                group.create_task(self._deliver_until(stop, sender))
        finally:
            await self._close(sender)

    async def run_once(self, stop: asyncio.Event) -> None:
        """Dispatch and deliver until nothing is due, or until `stop` is set.

        A failure of the database is raised.
        """
        sender = Sender()
        try:
            while not stop.is_set():
                dispatched = await self._events.run(dispatch_batch)
                await self._exchange(sender)
                if self._in_flight:
                    await asyncio.wait(self._in_flight, return_when=asyncio.FIRST_COMPLETED)
                elif not dispatched and not self._results:
                    return
        finally:
            await self._close(sender)

    async def _dispatch_until(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            count = await self._try(self._events, dispatch_batch)
            if count:
                self._wake.set()
            else:
                await _pause(stop, RETRY_INTERVAL if count is None else POLL_INTERVAL)

    async def _deliver_until(self, stop: asyncio.Event, sender: Sender) -> None:
        while not stop.is_set():
            self._wake.clear()
            if not await self._try_exchange(sender):
                await _pause(stop, RETRY_INTERVAL)
                continue
            if await _pause(stop, POLL_INTERVAL, self._wake):
                await asyncio.sleep(GATHER_INTERVAL)

    async def _try_exchange(self, sender: Sender) -> bool:
        """Exchange results for claims; return False, and log why, if that fails."""
        try:
            await self._exchange(sender)
        except Exception as error:
            _log(error)
            return False
        return True

    async def _exchange(self, sender: Sender) -> None:
        """Write the results so far, and start what can be started."""
        await self._write_results()
        counts = Counter(claim.endpoint_id for claim in self._in_flight.values())
        room = MAX_IN_FLIGHT - len(self._in_flight)
        for claim in await self._database.run(queue.claim, counts, room, timezone.now()):
            task = asyncio.create_task(self._attempt(claim, sender))
            self._in_flight[task] = claim
            task.add_done_callback(self._in_flight.pop)

    async def _write_results(self) -> None:
        results = self._results[:]
        if not results:
            return
        try:
            disabled = await self._database.run(queue.finish, results, timezone.now())
        except Exception as error:
            if not is_unavailable(error):
                # Their claims end by themselves: they are attempted again, and nothing else waits.
                del self._results[: len(results)]
            raise
        del self._results[: len(results)]
        for endpoint in disabled:
            why = endpoint.get_disabled_reason_display()
            logger.warning("Webhook endpoint %s was disabled: %s", endpoint.pk, why)

    async def _attempt(self, claim: Claim, sender: Sender) -> None:
        if len(claim.body) > MAX_BODY:
            outcome = Outcome(None, 0.0, f"The message has more than {MAX_BODY} bytes.")
        else:
            outcome = await sender.send(claim.url, claim.secrets, claim.message_id, claim.body)
        self._results.append(Result(claim, timezone.now(), outcome))
        self._wake.set()

    async def _try(
        self, database: DatabaseThread, function: Callable[..., Answer], *args: object
    ) -> Answer | None:
        """Return the function's result, or None if it fails, which is logged."""
        try:
            return await database.run(function, *args)
        except Exception as error:
            _log(error)
            return None

    async def _close(self, sender: Sender) -> None:
        """Wait for answers for a while, and give the rest back."""
        given_back: Sequence[Claim] = ()
        if self._in_flight:
            await asyncio.wait(self._in_flight, timeout=DRAIN_TIMEOUT)
            given_back = list(self._in_flight.values())
            for task in list(self._in_flight):
                task.cancel()
        await sender.close()
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self._write_results()
                if given_back:
                    await self._database.run(queue.release, given_back)
        except Exception as error:  # their claims end by themselves
            _log(error)
        for thread in (self._events, self._database):
            await asyncio.to_thread(thread.close)


async def _pause(stop: asyncio.Event, seconds: float, wake: asyncio.Event | None = None) -> bool:
    """Wait until one of the events is set, at most so long; return True if `wake` is."""
    waits = [asyncio.ensure_future(event.wait()) for event in (stop, wake) if event is not None]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
    return wake is not None and wake.is_set()


def _log(error: Exception) -> None:
    if is_unavailable(error):
        logger.warning("Webhooks wait for the database: %s", reason(error))
    else:
        logger.error("Webhooks are delayed, as this failed", exc_info=error)
