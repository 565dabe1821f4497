"""A worker dies: its acknowledged fixes are stored, and its clients reconnect to the other."""

import pytest

from .system import operate

pytestmark = pytest.mark.alone


async def test_worker_killed_mid_batch(begin, record):
    async with begin(load={"per_second": 5}) as trial:
        system, load = trial.system, trial.load
        await trial.go_on(1)
        trial.fault()
        doomed = system.workers.pop(0)
        await operate(doomed.kill)
        # Before any client reconnects, so that no newer fix hides a lost one.
        assert load.ledger.outdated(await system.stored()) == 0
        assert load.ledger.lost(await system.kept()) == 0
        await trial.go_on(6)
        # Of its own drivers and watchers, and of no other client.
        drivers = {driver.ledger: driver for driver in load.drivers}
        assert sum(driver.disconnects for driver in load.drivers) == 10
        assert set(load.disconnects) == {1006}
        undisturbed = [
            watcher.ledger
            for watcher in load.watchers
            if not watcher.disconnects and not drivers[watcher.ledger.driver].disconnects
        ]
        assert len(undisturbed) == 10
        # All of them have reconnected, and begun with a snapshot.
        assert all(client.transport for client in (*load.drivers, *load.watchers))
        assert all(watcher.seen for watcher in load.ledger.watchers)
    record(
        "A worker is killed mid-batch; its clients reconnect to the other worker", trial.measured
    )
    for watcher in undisturbed:
        assert watcher.lateness(trial.faulty_since, trial.ended) < 0.5
    assert trial.measured.slowest_answer < 0.5
