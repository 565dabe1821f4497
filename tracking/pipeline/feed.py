"""One driver's newest fix in this process, and its watchers."""

import asyncio
from datetime import UTC, datetime

from tracking.fix import Fix
from tracking.ids import DriverId
from tracking.pipeline.outbox import Event, Outbox
from tracking.protocol import encode_details, encode_location, encode_unknown
from tracking.status import Status, next_change, status_of


class Feed:
    """The newest known fix of one driver, and its watchers. It never goes back in time."""

    __slots__ = (
        "_status",
        "_timer",
        "detailed",
        "driver_id",
        "held",
        "known",
        "newest",
        "quiet",
        "waiting",
        "watchers",
    )

    def __init__(self, driver_id: DriverId) -> None:
        self.driver_id = driver_id
        self.watchers: set[Outbox] = set()
        # Watchers of details, who also receive changes of the status alone.
        self.detailed: set[Outbox] = set()
        # Watchers who may see nothing recorded before a time, until a fix recorded at or after it
        # arrives: that time, and whether they watch details.
        self.waiting: dict[Outbox, tuple[datetime, bool]] = {}
        self.newest: Fix | None = None
        # True once the database has answered.
        self.known = False
        # True while fixes are kept until the database has answered: they may be older than the
        # stored one.
        self.held = True
        # True if nothing new came since the last healing round.
        self.quiet = True
        self._status: Status | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_watched(self) -> bool:
        """True if there is a watcher to deliver to, now or later."""
        return bool(self.watchers or self.detailed or self.waiting)

    def add(self, watcher: Outbox, *, details: bool, since: datetime | None = None) -> None:
        """Deliver to `watcher` from now on; with `since`, only fixes recorded at it or later."""
        self._discard(watcher)
        if since is not None and (self.newest is None or self.newest.recorded_at < since):
            self.waiting[watcher] = since, details
        else:
            (self.detailed if details else self.watchers).add(watcher)
        self._cancel_idle_timer()

    def limit(self, watcher: Outbox, since: datetime | None) -> None:
        """Limit `watcher`, if it watches, to fixes recorded at `since` or later; None: no limit."""
        waited = self.waiting.get(watcher)
        details = waited[1] if waited is not None else watcher in self.detailed
        if waited is None and not details and watcher not in self.watchers:
            return
        self.add(watcher, details=details, since=since)
        if waited is not None and watcher not in self.waiting:
            self.send_snapshot(watcher)

    def remove(self, watcher: Outbox) -> None:
        """Deliver nothing more to `watcher`."""
        self._discard(watcher)
        self._cancel_idle_timer()

    def _discard(self, watcher: Outbox) -> None:
        self.watchers.discard(watcher)
        self.detailed.discard(watcher)
        self.waiting.pop(watcher, None)

    def _cancel_idle_timer(self) -> None:
        """Cancel the timer of the status if nobody watches details."""
        if not self.detailed and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def send_snapshot(self, watcher: Outbox) -> None:
        """Deliver the current state to `watcher`, unless the feed is held."""
        if self.held:
            return
        if watcher in self.waiting:
            if self.known and self.waiting[watcher][1]:
                watcher.offer(_event(encode_unknown(self.driver_id)))
            return
        fix, now = self.newest, datetime.now(UTC)
        if watcher not in self.detailed:
            if fix is not None:
                watcher.offer(_location(fix))
        elif fix is None:
            if self.known:
                watcher.offer(_event(encode_unknown(self.driver_id)))
        elif (status := status_of(fix, now)) is self._status:
            watcher.offer(_event(encode_details(fix, status)))
            self._watch_status(fix, now)
        else:
            self._offer_details(fix, now)

    def update(self, stored: Fix | None) -> int:
        """Merge the stored fix, None if there is none, and deliver the newest from now on.

        Return the number of watchers that the stored fix was delivered to as an update. Snapshots
        for new watchers do not count.
        """
        deliveries = 0 if stored is None else self.offer(stored)
        first, self.known = not self.known, True
        self.release()
        if first:
            unseen = self.detailed if self.newest is None else ()
            for watcher in (*unseen, *self.waiting):
                self.send_snapshot(watcher)
        return deliveries

    def clear(self) -> None:
        """Forget the newest fix; tell the watchers of details that there is none."""
        if self.newest is None:
            return
        self.newest = self._status = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self.held:
            event = _event(encode_unknown(self.driver_id))
            for watcher in self.detailed:
                watcher.offer(event)

    def release(self) -> None:
        """Deliver the newest from now on without waiting for the database."""
        if self.held:
            self.held = False
            if self.newest is not None:
                self._deliver(self.newest, moved=True)

    def close(self) -> None:
        """Stop: cancel the timer of the status."""
        if self._timer is not None:
            self._timer.cancel()

    def offer(self, fix: Fix) -> int:
        """Deliver `fix` if it says anything new; return the number of deliveries."""
        last = self.newest
        newest = fix.merged_with(last)
        if newest is last:
            return 0
        self.newest = newest
        if self.held:
            return 0
        return self._deliver(newest, moved=newest.is_elsewhere(last))

    def _deliver(self, fix: Fix, *, moved: bool) -> int:
        deliveries = 0
        if self.waiting:
            self._admit(fix)
        # A departure, or a fix that arrived without being newer, matters for details only.
        if self.watchers and moved:
            event = _location(fix)
            for watcher in self.watchers:
                watcher.offer(event)
            deliveries = len(self.watchers)
        if self.detailed:
            self._offer_details(fix, datetime.now(UTC))
            deliveries += len(self.detailed)
        return deliveries

    def _admit(self, fix: Fix) -> None:
        """Start delivering to the waiting watchers whose time `fix` has reached."""
        for watcher, (since, details) in list(self.waiting.items()):
            if fix.recorded_at >= since:
                self.add(watcher, details=details)

    def _offer_details(self, fix: Fix, now: datetime) -> None:
        self._status = status_of(fix, now)
        event = _event(encode_details(fix, self._status))
        for watcher in self.detailed:
            watcher.offer(event)
        self._watch_status(fix, now)

    def _watch_status(self, fix: Fix, now: datetime) -> None:
        """Set the timer for the next change of status that follows from time alone.

        `now` is the time at which the current status was determined: with a later one, a change in
        between could be missed. A timer that is already set stays, so that fixes cost nothing; when
        it runs too early because of newer fixes, it is set again.
        """
        if self._timer is not None:
            return
        delay = next_change(fix, now)
        if delay is not None:
            self._timer = asyncio.get_running_loop().call_later(delay, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        fix, now = self.newest, datetime.now(UTC)
        if fix is None:
            return
        if status_of(fix, now) is self._status:
            self._watch_status(fix, now)
        else:
            self._offer_details(fix, now)


def _location(fix: Fix) -> Event:
    return _event(encode_location(fix.latitude, fix.longitude))


def _event(text: str) -> Event:
    return {"type": "websocket.send", "text": text}
