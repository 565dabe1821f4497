"""The state that the connections of one event loop share, created on first use."""

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from weakref import WeakKeyDictionary

import msgspec
from channels.layers import get_channel_layer
from django.conf import settings

from tracking import metrics
from tracking.access.identities import Identities
from tracking.access.permits import Permits
from tracking.access.registry import Registry
from tracking.access_log.recorder import Recorder
from tracking.arrival import rows as arrival_rows
from tracking.arrival.effects import Reached
from tracking.arrival.watch import Watch
from tracking.conf import conf
from tracking.device_clock import DeviceClock
from tracking.engine.batching import Loader
from tracking.engine.database import DatabaseThread
from tracking.engine.receiver import Receiver
from tracking.eta import engines
from tracking.eta.keeper import EtaKeeper
from tracking.eta.router import Router
from tracking.fix import ArrivalClock, Fix
from tracking.fleet.anonymity import Veil
from tracking.fleet.hub import FleetHub
from tracking.fleet.keeper import Keeper
from tracking.fleet.nearby import Nearby
from tracking.fleet.riders import Riders
from tracking.history.writer import HistorySink
from tracking.ids import DriverId, UserId
from tracking.permissions import may_search_nearby
from tracking.pipeline.announcer import Announcer
from tracking.pipeline.broadcast import Publisher
from tracking.pipeline.clocks import DeviceClocks
from tracking.pipeline.duty import Duty, StateRow, load_states
from tracking.pipeline.gate import Gate
from tracking.pipeline.hub import Hub
from tracking.pipeline.presence import Presence
from tracking.pipeline.rows import load_snapshots
from tracking.pipeline.storage import LOCK_WAIT, Storage, Waiter
from tracking.protocol import EXPECTED, InvalidMessage, Measurement, to_fix, utc
from tracking.runtime.changes import Changes
from tracking.runtime.connections import Connections
from tracking.runtime.health import Health
from tracking.runtime.lag import Lag
from tracking.runtime.rate_limits import SharedLimits
from tracking.runtime.reports import Reports
from tracking.throttled_log import Throttle
from tracking.trips.hub import TripHub

logger = logging.getLogger(__name__)
logger.addFilter(Throttle())

# Seconds to wait for the channel layer before this runtime is closed, and under WSGI for receivers
# of signals, which go on with what they have begun. Other workers read locations that were not
# broadcast from the database.
DELIVERY_TIMEOUT: Final = 1.0

_MICROSECOND: Final = timedelta(microseconds=1)


class Runtime:
    """The pipeline, the channel, the database threads, and the registries of one event loop."""

    def __init__(self) -> None:
        layer = get_channel_layer()
        # Two threads, so that a write that waits for the disk does not delay snapshots.
        self._reader = DatabaseThread("tracking-reader")
        self._writer = DatabaseThread("tracking-writer", lock_wait=LOCK_WAIT)
        origin = uuid.uuid4().hex
        # Its own, so that times of arrival delay neither. It connects once a driver has a trip.
        self._eta_thread = DatabaseThread("tracking-eta", lock_wait=LOCK_WAIT)
        self._publisher = Publisher(layer, origin)
        self.clock = ArrivalClock()
        load = partial(self._reader.run, load_snapshots)
        self._snapshots = Loader(load)
        self.clocks = DeviceClocks(self._snapshots.get)
        self._announcer = Announcer(self.clock, load)
        # True if each fix is kept, so that each is acknowledged for itself.
        self.keeps_history = conf.HISTORY != "off"
        sinks = [HistorySink()] if self.keeps_history else []
        self._storage = Storage(self._writer, self._announcer, sinks, arrival_rows.store)
        # With "trips" a fix that waits might be in no table, though it is acknowledged.
        self._gate = Gate(self._show) if conf.HISTORY == "all" else None
        self.access_log = Recorder(self._writer.run)
        # True once the process is about to stop.
        self.draining = False
        self.lag = Lag()
        self.identities = Identities(self._reader.run)
        self.users = self.identities.users
        self._receiver = Receiver(layer)
        self.health = Health(layer, self._receiver)
        self.registry = Registry(self._receiver, self._users_changed)
        self.connections = Connections()
        self.limits = SharedLimits()
        self.hub = Hub(self._receiver, origin, load)
        self.presence = Presence(
            layer, self._receiver, self.clock, load, self.submit, lambda: self.draining
        )
        self.reports = Reports(self)
        self.trips = TripHub(self.hub, self._reader.run)
        self.duty = Duty(partial(self._reader.run, load_states), self._writer.run)
        self.watch = Watch(self._reader.run, lambda: self.duty.known)
        self.router = Router(engines.from_settings())
        self.etas = EtaKeeper(self.router, self._eta_thread.run, self.clock.now)
        self.changes = Changes(
            self._receiver,
            self._reader.run,
            known=lambda: self.duty.known,
            on_states=self._states_changed,
            on_trips=self._trips_changed,
            on_etas=self.trips.changed,
            on_riders=self.registry.recheck,
        )
        keeper = Keeper(self.hub, self._reader.run, self.clock.now, self._listen)
        self.fleet = FleetHub(keeper)
        self.nearby = Nearby(keeper, self.clock.now, self.changes.current)
        self.riders = Riders(self.nearby, Veil(settings.SECRET_KEY.encode()))
        self.searchers = Permits(self.identities, self.registry, may_search_nearby)

    def to_fixes(
        self,
        measurements: Sequence[Measurement],
        driver_id: DriverId,
        clock: DeviceClock | None = None,
        *,
        sent_at: datetime | None = None,
        queued: bool = False,
        batch: bool = False,
        now: datetime | None = None,
    ) -> list[Fix]:
        """Return the fixes of one message that arrived `now`, given and returned oldest first.

        `now` is a time of the runtime's clock, by default the current one. `clock` is the device's,
        and required if a measurement has a time; the other arguments are those of
        `DeviceClock.correct`. Raise `InvalidMessage` or `InvalidLocation`; a refused message does
        not affect the clock.
        """
        # Each without a time gets one of its own, as a fix is identified by its time.
        now = self.clock.now() if now is None else now
        arrivals = [now, *(self.clock.now() for _ in measurements[1:])]
        newest = measurements[-1]
        fixes = [
            to_fix(measurement, driver_id, at if measurement.recorded_at is None else now)
            for measurement, at in zip(measurements, arrivals, strict=True)
        ]
        if clock is None:
            return fixes
        if newest.recorded_at is not None:
            # First, as the offset that it yields applies to the older ones as well.
            try:
                recorded_at = clock.correct(
                    now,
                    utc(newest.recorded_at),
                    sent=None if sent_at is None else utc(sent_at, "sent_at"),
                    queued=queued,
                    batch=batch,
                )
            except OverflowError as error:  # a time in the year 1, from a clock that is ahead
                raise InvalidMessage(EXPECTED["recorded_at"]) from error
            fixes[-1] = _corrected(fixes[-1], recorded_at, clock)
        for index in range(len(fixes) - 2, -1, -1):
            measured_at = measurements[index].recorded_at
            if measured_at is not None:
                recorded_at = clock.correct_older(now, utc(measured_at))
                following = fixes[index + 1].recorded_at
                if recorded_at >= following and measured_at != measurements[index + 1].recorded_at:
                    # Different times stay different, whatever the correction.
                    recorded_at = following - _MICROSECOND
                fixes[index] = _corrected(fixes[index], recorded_at, clock)
        return fixes

    def _users_changed(self, user_ids: list[UserId]) -> None:
        self.fleet.keeper.look_up(user_ids)
        self.trips.users_changed(user_ids)

    def _states_changed(self, rows: Mapping[DriverId, StateRow]) -> None:
        """Take over drivers' states; of those off duty, forget the place."""
        self.duty.apply(rows)
        trips = {pk: row.trip_id for pk, row in rows.items() if self.duty.knows(pk)}
        self.watch.states_changed(trips)
        self.etas.states_changed(trips)
        self.fleet.keeper.apply_states(rows)
        for driver_id, row in rows.items():
            if row.off_duty_from is None:
                continue
            self.hub.withdraw(driver_id, None if row.is_off_duty else row.off_duty_until)
            if row.is_off_duty:
                self.presence.forget(driver_id)
                if self._gate is not None:
                    self._gate.forget(driver_id)

    async def _trips_changed(self, trip_ids: list[int]) -> None:
        self.watch.trips_changed(trip_ids)
        self.etas.trips_changed(trip_ids)
        await self.trips.changed(trip_ids)

    async def _listen(self) -> None:
        await self.changes.listen()

    async def duty_of(self, driver_id: DriverId) -> StateRow | None:
        """Return a driver's state, None if it never had one, kept up to date from now on."""
        if self.duty.knows(driver_id):
            return await self.duty.of(driver_id)
        # First, so that no change is missed while it is read.
        await self.changes.listen()
        row = await self.duty.of(driver_id)
        trip_id = None if row is None else row.trip_id
        self.etas.follow(driver_id, trip_id)
        await self.watch.follow(driver_id, trip_id)
        return row

    async def last_known(self, driver_id: DriverId) -> Fix | None:
        """Return a driver's stored fix, or None; raise database errors."""
        return await self._snapshots.get(driver_id)

    def submit(self, fixes: Sequence[Fix], waiter: Waiter | None) -> None:
        """Deliver, broadcast and store checked fixes of one driver, all three independently.

        `fixes` are in order, the newest last. Only the newest is delivered to watchers and sent to
        other workers, unless the gate lets it wait; all are stored. `waiter` is notified once they
        are committed.
        """
        metrics.fixes_received.value += len(fixes)
        newest = shown = fixes[-1]
        try:
            if self._gate is not None:
                shown = self._gate.choose(fixes)
            self._deliver(shown)
        except Exception:  # a bug there must not prevent storing
            logger.exception("A location could not be delivered or broadcast")
        try:
            effects = self.watch.observe(fixes)
        except Exception:  # as above
            logger.exception("A location could not be compared with waypoints and zones")
            effects = ()
        # Not one that waits in the gate: the car may never have been there.
        self.etas.observe(newest.driver_id, shown)
        for effect in effects:
            if isinstance(effect, Reached):
                self.etas.reached(newest.driver_id, effect.trip_id, effect.number, effect.step)
        self._storage.store(fixes, waiter, None if shown is newest else shown, effects)

    def _show(self, fix: Fix) -> None:
        """Deliver, broadcast and store as the last known location a fix that waited in the gate."""
        self._deliver(fix)
        self._storage.store([fix], None)

    def _deliver(self, fix: Fix) -> None:
        self.presence.record(fix)
        self.hub.deliver(fix)
        self._publisher.publish(fix)

    def is_full(self, driver_id: DriverId) -> bool:
        """Return True if a driver should not send more before a batch is committed."""
        return self._storage.is_full(driver_id)

    async def wait_for_commit(self, seconds: float) -> None:
        """Return once a batch is committed, or after so many seconds."""
        await self._storage.wait_for_commit(seconds)

    def notify(self, fix: Fix, waiter: Waiter) -> None:
        """Notify `waiter` once `fix`, which was submitted before, is committed."""
        self._storage.notify(fix, waiter)

    def forget(self, waiter: Waiter) -> None:
        """Stop notifying `waiter`; the fixes that it submitted are stored nevertheless."""
        self._storage.forget(waiter)

    def queues(self) -> dict[str, int]:
        """Return the sizes of the queues: storage, broadcast and outbox."""
        return {
            "storage": len(self._storage),
            "broadcast": len(self._publisher),
            "outbox": sum(len(connection.outbox) for connection in self.connections),
        }

    async def drain(self, seconds: float | None = None) -> bool:
        """Wait until everything submitted is stored, acknowledged, broadcast and announced.

        Log what is not finished after `seconds`. Return True if all locations are stored.
        """
        deadline = None if seconds is None else asyncio.get_running_loop().time() + seconds
        if self._gate is not None:
            self._gate.close()
        stored, *_ = await asyncio.gather(
            _finished(
                self._storage.drain(),
                deadline,
                "Locations were not stored or acknowledged: the database does not answer in time",
            ),
            _finished(
                self.access_log.drain(),
                deadline,
                "Looks at locations were not recorded: the database does not answer in time",
            ),
            self._broadcast(),
        )
        # Afterwards, because what is stored is announced.
        await self._announced(deadline)
        return stored

    async def drain_deliveries(self) -> None:
        """Wait until what is stored is broadcast and announced; log what is not in time."""
        deadline = asyncio.get_running_loop().time() + DELIVERY_TIMEOUT
        await asyncio.gather(self._broadcast(), self._announced(deadline))

    async def _broadcast(self) -> None:
        await _finished(
            self._publisher.drain(),
            asyncio.get_running_loop().time() + DELIVERY_TIMEOUT,
            "Live locations were not broadcast: the channel layer does not answer in time",
        )

    async def _announced(self, deadline: float | None) -> None:
        await _finished(
            self._announcer.drain(),
            deadline,
            "Receivers of tracking's signals have not finished in time: later signals are dropped",
        )

    async def close(self) -> None:
        """Stop all parts and close the database connections; the next caller gets a new runtime."""
        _runtimes.pop(asyncio.get_running_loop(), None)
        self.lag.close()
        if self._gate is not None:
            self._gate.close()
        await self.health.close()
        await self.changes.close()
        await self.trips.close()
        await self.watch.close()
        await self.etas.close()
        await self.duty.close()
        await self.riders.close()
        self.nearby.close()
        await self.fleet.close()
        await self.presence.close()
        await self.hub.close()
        await self._receiver.close()
        await self.searchers.close()
        await self.identities.close()
        await self._snapshots.close()
        await self._publisher.close()
        await self._storage.close()
        await self._announcer.close()
        await self.access_log.close()
        self._reader.close()
        self._writer.close()
        self._eta_thread.close()


async def _finished(drain: Awaitable[None], deadline: float | None, message: str) -> bool:
    """Await `drain`; log `message` and return False if it is not finished at `deadline`."""
    try:
        async with asyncio.timeout_at(deadline):
            await drain
    except TimeoutError:
        logger.error(message)
        return False
    return True


def _corrected(fix: Fix, recorded_at: datetime, clock: DeviceClock) -> Fix:
    return msgspec.structs.replace(fix, recorded_at=recorded_at, clock_offset=clock.offset)


_runtimes: WeakKeyDictionary[asyncio.AbstractEventLoop, Runtime] = WeakKeyDictionary()


def get_runtime() -> Runtime:
    """Return the runtime of the running event loop."""
    loop = asyncio.get_running_loop()
    runtime = _runtimes.get(loop)
    if runtime is None:
        runtime = _runtimes[loop] = Runtime()
    return runtime
