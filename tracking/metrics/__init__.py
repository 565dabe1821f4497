"""The metrics of this process. `docs/operations.md` explains which of them to watch.

The code that handles fixes updates them, and `tracking.monitoring.exposition` exposes them.
"""

import time
from collections.abc import Hashable, Sequence, Set
from typing import Any, Final

from tracking.fix import Fix
from tracking.ids import DriverId
from tracking.metrics.instruments import Counter, Histogram, Instrument, LabelledCounter

# From the time of an update within one worker to the delay that users notice.
SECONDS: Final = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1),
    *(0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
# Observing each fix of each batch took 0.35 µs of an update.
SAMPLES_PER_BATCH: Final = 16
SIZES: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)

connections_opened = LabelledCounter(
    "tracking_connections_opened", "Connections accepted, by route.", "route"
)
connections_ended = LabelledCounter(
    "tracking_connections_ended", "Connections ended, by route and close code.", "route", "code"
)
refusals = LabelledCounter(
    "tracking_refusals", "Messages and connections refused, by route and reason.", "route", "reason"
)
fixes_received = Counter("tracking_fixes_received", "Fixes that were checked and accepted.")
fixes_stored = Counter("tracking_fixes_stored", "Fixes written, the newest of each driver.")
fixes_acknowledged = Counter(
    "tracking_fixes_acknowledged", "Fixes acknowledged: they or newer ones are committed."
)
fixes_rejected = Counter("tracking_fixes_rejected", "Fixes that the database refused permanently.")
fixes_broadcast = Counter("tracking_fixes_broadcast", "Fixes sent to the channel layer.")
fixes_delivered = Counter(
    "tracking_fixes_delivered", "Fixes delivered to watchers in this process, counted per watcher."
)
fixes_conflated = LabelledCounter(
    "tracking_fixes_conflated",
    "Fixes skipped for a newer one: before the database, the channel layer, a watcher.",
    "stage",
)
delivery_seconds = Histogram(
    "tracking_delivery_seconds", "From a fix's arrival to its watchers' sockets.", SECONDS
)
acknowledgement_seconds = Histogram(
    "tracking_acknowledgement_seconds", "From a fix's arrival to its commit.", SECONDS
)
storage_batch_size = Histogram(
    "tracking_storage_batch_size", "Fixes written by one statement.", SIZES
)
broadcast_batch_size = Histogram(
    "tracking_broadcast_batch_size", "Fixes in one message to the channel layer.", SIZES
)

INSTRUMENTS: Final[Sequence[Instrument]] = (
    connections_opened,
    connections_ended,
    refusals,
    fixes_received,
    fixes_stored,
    fixes_acknowledged,
    fixes_rejected,
    fixes_broadcast,
    fixes_delivered,
    fixes_conflated,
    delivery_seconds,
    acknowledgement_seconds,
    storage_batch_size,
    broadcast_batch_size,
)


def stored(written: int, waiting: Sequence[tuple[Fix, Any]], rejected: Set[DriverId]) -> None:
    """Count a committed batch of the fixes of `written` drivers, `rejected` among them.

    `waiting` are the fixes whose senders wait for an acknowledgement, each with its sender.
    """
    storage_batch_size.observe(written)
    fixes_stored.add(written - len(rejected))
    fixes_rejected.add(len(rejected))
    fixes_conflated.add("storage", count=max(0, len(waiting) - written))
    if rejected:
        waiting = [(fix, waiter) for fix, waiter in waiting if fix.driver_id not in rejected]
    fixes_acknowledged.add(len(waiting))
    now = time.time()
    # In a large batch, each sample stands for its neighbours.
    step = len(waiting) // SAMPLES_PER_BATCH + 1
    for start in range(0, len(waiting), step):
        seconds = now - waiting[start][0].received_at.timestamp()
        acknowledgement_seconds.observe(seconds, min(step, len(waiting) - start))


def broadcast(count: int) -> None:
    """Count a batch of `count` fixes that was sent to the channel layer."""
    broadcast_batch_size.observe(count)
    fixes_broadcast.add(count)


def delivered(fix: Fix, watchers: int) -> None:
    """Count a fix that just arrived, here or through the channel layer, and its `watchers`."""
    fixes_delivered.value += watchers
    seconds = time.time() - fix.received_at.timestamp()
    # Another server's clock may be a little ahead.
    delivery_seconds.observe(seconds if seconds > 0 else 0.0)


class Degraded:
    """Parts that currently fail, while others replace them."""

    PARTS: Final = ("broadcast", "receiver", "storage", "workers")

    def __init__(self) -> None:
        self._parts: dict[str, set[Hashable]] = {part: set() for part in self.PARTS}

    def begin(self, part: str, piece: Hashable = None) -> None:
        """Record that `part`, one of `PARTS`, fails. Calling it again changes nothing.

        `piece` distinguishes the pieces of a part, such as several Redis hosts.
        """
        self._parts[part].add(piece)

    def end(self, part: str, piece: Hashable = None) -> None:
        """Record that this piece of `part` works."""
        self._parts[part].discard(piece)

    def parts(self) -> list[str]:
        """Return the parts of which a piece fails."""
        return sorted(part for part, pieces in self._parts.items() if pieces)

    def forget(self) -> None:
        """Record that nothing fails."""
        for pieces in self._parts.values():
            pieces.clear()


degraded = Degraded()
