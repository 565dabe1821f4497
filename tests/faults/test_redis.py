"""Redis fails: fixes are stored and acknowledged, and watchers are served from the database."""

import pytest

from .system import freeze, operate, resume

pytestmark = pytest.mark.alone


def assert_redis_was_not_missed(trial):
    assert trial.lateness <= 2
    assert trial.measured.prompt_after <= 5
    # Storing does not depend on Redis.
    assert trial.measured.acknowledged_after < 0.5
    trial.assert_workers_are_well()


async def test_redis_killed_and_restarted(begin, record):
    async with begin() as trial:
        await trial.go_on(1)
        await operate(trial.system.redis.kill)
        trial.fault()
        await trial.go_on(5)
        await operate(trial.system.redis.start)
        trial.repaired()
        await trial.go_on(5)
    record("Redis is killed, and started again after 5 s", trial.measured)
    assert_redis_was_not_missed(trial)


@pytest.mark.long
async def test_redis_unreachable_without_a_reset(begin, record):
    async with begin(proxied=True) as trial:
        await trial.go_on(1)
        trial.system.redis_proxy.swallow()
        trial.fault()
        await trial.go_on(8)
        await trial.system.redis_proxy.accept()
        trial.repaired()
        await trial.go_on(6)
    record("Redis cannot be reached for 8 s; existing connections get no answer", trial.measured)
    assert_redis_was_not_missed(trial)


@pytest.mark.slow_fault
@pytest.mark.parametrize("seconds", [2, 8])
async def test_redis_hung_and_resumed(begin, record, seconds):
    async with begin() as trial:
        await trial.go_on(1)
        freeze(trial.system.redis.pid)
        trial.fault()
        await trial.go_on(seconds)
        resume(trial.system.redis.pid)
        trial.repaired()
        await trial.go_on(6)
    record(f"Redis hangs for {seconds} s", trial.measured)
    assert_redis_was_not_missed(trial)


@pytest.mark.slow_fault
async def test_redis_refusing_for_a_short_while(begin, record):
    async with begin(proxied=True) as trial:
        await trial.go_on(1)
        await trial.system.redis_proxy.refuse()
        trial.fault()
        await trial.go_on(1)
        await trial.system.redis_proxy.accept()
        trial.repaired()
        await trial.go_on(6)
    record("Redis resets all connections and refuses new ones for 1 s", trial.measured)
    assert_redis_was_not_missed(trial)


@pytest.mark.slow_fault
async def test_redis_absent_at_start(begin, record):
    async with begin(before=lambda system: system.redis.kill()) as trial:
        trial.fault()
        await trial.go_on(5)
        await operate(trial.system.redis.start)
        trial.repaired()
        await trial.go_on(6)
    record("Redis is not running when the workers start, and is started 5 s later", trial.measured)
    assert_redis_was_not_missed(trial)


@pytest.mark.slow_fault
async def test_redis_hung_at_start(begin, record):
    async with begin(before=lambda system: freeze(system.redis.pid)) as trial:
        trial.fault()
        # Every client received frames, and none waited long for them.
        assert trial.faulty_since - trial.began < 5
        await trial.go_on(5)
        resume(trial.system.redis.pid)
        trial.repaired()
        await trial.go_on(6)
    record("Redis hangs when the workers start, and resumes 5 s later", trial.measured)
    assert_redis_was_not_missed(trial)
