"""PostgreSQL fails: watchers stay live, and acknowledgements wait until fixes are stored."""

from contextlib import ExitStack

import psycopg
import pytest

from tracking.consumers.base import MAX_UNACKNOWLEDGED

from .disk import MountError, SmallDisk, TableOnDisk, owner_of
from .system import freeze, operate, resume

pytestmark = pytest.mark.alone

# Drivers that reach the limit of unacknowledged fixes after 6.4 s: their number, and the fixes per
# second of each.
FEW, FAST = 4, 40


@pytest.fixture
def begin_fast(begin, own_postgres):
    """Return a function that begins a trial with few drivers, which send fast."""
    _, tokens = own_postgres
    few = dict(list(tokens.items())[:FEW])
    unlimited = {"TRACKING_MAX_FIXES_PER_SECOND": "0"}
    return lambda: begin(tokens=few, load={"per_second": FAST}, **unlimited)


def assert_only_acknowledgements_waited_for_postgres(trial, watchers_until=None):
    """Check that watchers were not affected, until a time if there is one; and the rest."""
    until = trial.faulty_until if watchers_until is None else watchers_until
    assert trial.load.ledger.lateness(trial.faulty_since, until) < 0.5
    # Nothing was acknowledged while nothing could be stored, and soon afterwards all was.
    assert trial.acknowledged_meanwhile == 0
    assert trial.measured.acknowledged_after <= 5
    trial.assert_workers_are_well()


async def test_postgres_killed_and_restarted(begin, record):
    async with begin() as trial:
        await trial.go_on(1)
        await operate(trial.system.postgres.kill)
        trial.fault()
        await trial.go_on(6)
        await operate(trial.system.postgres.start)
        trial.repaired()
        await trial.go_on(5)
    record("PostgreSQL is killed, and started again after 6 s", trial.measured)
    assert_only_acknowledgements_waited_for_postgres(trial)


@pytest.mark.slow_fault
@pytest.mark.parametrize(("history", "words"), [("all", ""), ("off", "; without a history")])
async def test_postgres_unavailable_for_long(begin, record, history, words):
    async with begin(TRACKING_HISTORY=history) as trial:
        await trial.go_on(1)
        await operate(trial.system.postgres.kill)
        trial.fault()
        # Longer than the limit is reached in, and too short for the drivers to be disconnected.
        await trial.go_on(65)
        await operate(trial.system.postgres.start)
        trial.repaired()
        await trial.go_on(6)
    record(f"PostgreSQL is unavailable for 65 s{words}", trial.measured)
    # With a history, the drivers' sockets are not read from the limit on, at five fixes a second.
    full = trial.faulty_since + MAX_UNACKNOWLEDGED / 5 - 1
    until = full if trial.system.keeps_history else None
    assert_only_acknowledgements_waited_for_postgres(trial, until)


def kill(postgres):
    postgres.kill()
    return postgres.start


def hang(postgres):
    freeze(postgres.pid)
    return lambda: resume(postgres.pid)


@pytest.mark.parametrize(
    ("fail", "words"),
    [
        (kill, "is killed, and started again after 10 s"),
        pytest.param(hang, "hangs for 10 s", marks=pytest.mark.slow_fault),
    ],
)
async def test_drivers_are_not_read_beyond_what_is_kept_for_postgres(
    begin_fast, record, fail, words
):
    async with begin_fast() as trial:
        await trial.go_on(1)
        repair = await operate(fail, trial.system.postgres)
        trial.fault()
        await trial.go_on(10)
        assert_read_up_to_the_limit(trial.load.ledger)
        await operate(repair)
        trial.repaired()
        await trial.go_on(4)
    record(f"PostgreSQL {words}; each driver has more than the limit", trial.measured)
    full = trial.faulty_since + MAX_UNACKNOWLEDGED / FAST - 1
    assert_only_acknowledgements_waited_for_postgres(trial, full)


def assert_read_up_to_the_limit(ledger):
    """Check that the drivers sent more than was read, and that what was read was delivered."""
    waiting = [driver.sent - driver.acknowledged for driver in ledger.drivers.values()]
    assert min(waiting) > MAX_UNACKNOWLEDGED
    seen = {watcher.seen - watcher.driver.acknowledged for watcher in ledger.watchers}
    assert seen == {MAX_UNACKNOWLEDGED}


@pytest.mark.slow_fault
async def test_drivers_that_are_not_read_for_long_are_disconnected_and_lose_nothing(
    begin_fast, record
):
    async with begin_fast() as trial:
        await trial.go_on(1)
        await operate(trial.system.postgres.kill)
        trial.fault()
        # Their answers to pings are not read either: the server gives up after 20 to 40 s.
        await trial.go_on(50)
        assert_read_up_to_the_limit(trial.load.ledger)
        assert all(driver.disconnects for driver in trial.load.drivers)
        assert not any(watcher.disconnects for watcher in trial.load.watchers)
        await operate(trial.system.postgres.start)
        trial.repaired()
        # They were refused meanwhile, and come back after up to 20 s.
        await trial.go_on(21)
    record(
        "PostgreSQL is unavailable for 50 s; each driver has more than the limit", trial.measured
    )
    assert trial.acknowledged_meanwhile == 0
    assert trial.load.ledger.skipped == 0
    # Also what was read and could not be acknowledged any more is kept.
    assert trial.measured.kept >= trial.measured.acknowledged + FEW * MAX_UNACKNOWLEDGED


@pytest.mark.slow_fault
async def test_postgres_hung_and_resumed(begin, record):
    async with begin() as trial:
        await trial.go_on(1)
        freeze(trial.system.postgres.pid)
        trial.fault()
        await trial.go_on(8)
        resume(trial.system.postgres.pid)
        trial.repaired()
        await trial.go_on(5)
    record("PostgreSQL hangs for 8 s", trial.measured)
    assert_only_acknowledgements_waited_for_postgres(trial)


@pytest.mark.slow_fault
async def test_postgres_unreachable_without_a_reset(begin, record):
    """Check that workers give up a connection without any answer after 15 s."""
    async with begin(proxied=True) as trial:
        await trial.go_on(1)
        trial.system.postgres_proxy.swallow()
        trial.fault()
        await trial.go_on(20)
        await trial.system.postgres_proxy.accept()
        trial.repaired()
        await trial.go_on(8)
    record(
        "PostgreSQL cannot be reached for 20 s; existing connections get no answer", trial.measured
    )
    assert_only_acknowledgements_waited_for_postgres(trial)


@pytest.mark.slow_fault
@pytest.mark.parametrize(
    ("table", "words"),
    [("tracking_driverlocation", "table"), ("tracking_historyfix", "table of the history")],
)
async def test_postgres_locked_for_10_seconds(begin, record, table, words):
    async with begin() as trial:
        await trial.go_on(1)
        with psycopg.connect(trial.system.postgres.url) as connection:
            await operate(connection.execute, f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            trial.fault()
            await trial.go_on(10)
        trial.repaired()
        await trial.go_on(5)
    record(f"Another session locks the {words} for 10 s", trial.measured)
    assert_only_acknowledgements_waited_for_postgres(trial)


class Occupied:
    """Takes all connections of a server, after ending the existing ones. A context manager."""

    def __init__(self, url):
        self._url = url
        self._connections = []

    def __enter__(self):
        self._take()
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> ALL(%s)"
        backend = "backend_type = 'client backend'"
        while True:
            mine = [connection.info.backend_pid for connection in self._connections]
            ended = self._connections[0].execute(f"{others} AND {backend}", [mine]).rowcount
            if not ended:
                return self
            self._take()

    def __exit__(self, *error):
        for connection in self._connections:
            connection.close()

    def _take(self):
        try:
            while True:
                self._connections.append(psycopg.connect(self._url, autocommit=True))
        except psycopg.OperationalError:
            return


@pytest.mark.slow_fault
async def test_postgres_out_of_connections(begin, record):
    async with begin() as trial:
        await trial.go_on(1)
        with ExitStack() as stack:
            stack.push(await operate(Occupied(trial.system.postgres.url).__enter__))
            trial.fault()
            await trial.go_on(10)
        trial.repaired()
        await trial.go_on(6)
    record("PostgreSQL ends the connections and has none to give for 10 s", trial.measured)
    assert_only_acknowledgements_waited_for_postgres(trial)


@pytest.mark.slow_fault
async def test_postgres_with_a_full_disk(begin, record, own_postgres):
    title = "The disk of PostgreSQL's table is full for 6 s"
    server, _ = own_postgres
    with ExitStack() as stack:
        try:
            disk = stack.enter_context(SmallDisk(owner_of(server.pid)))
        except MountError as error:
            record(title, f"it takes root to mount a file system ({error})")
            pytest.skip(f"it takes root to mount a file system ({error})")
        stack.enter_context(TableOnDisk(server.url, disk))
        async with begin() as trial:
            await trial.go_on(1)
            disk.fill()
            # The last page has some space left.
            await trial.go_on(2)
            trial.fault()
            await trial.go_on(6)
            disk.free()
            trial.repaired()
            await trial.go_on(4)
    record(title, trial.measured)
    assert all("No space left on device" in log for log in trial.logs.values())
    assert_only_acknowledgements_waited_for_postgres(trial)
