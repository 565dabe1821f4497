"""The channel layer silently loses messages: watchers are updated from the database."""

import pytest
import redis

from .system import operate

pytestmark = pytest.mark.alone


class Misdirected:
    """Redirects PUBLISH to channels without subscribers, without an error to the publisher."""

    def __init__(self):
        self.count = 0

    def __call__(self, data):
        if b"PUBLISH" not in data:
            return data
        self.count += data.count(b"tracking.shard")
        return data.replace(b"tracking.shard", b"tracking.shred")


@pytest.mark.long
async def test_messages_lost(begin, record):
    meanwhile, at_the_end = Misdirected(), Misdirected()
    async with begin(proxied=True) as trial:
        await trial.go_on(1)
        trial.system.redis_proxy.alter = meanwhile
        trial.fault()
        await trial.go_on(4)
        trial.system.redis_proxy.alter = None
        trial.repaired()
        await trial.go_on(3)
        # The last messages are lost, too: at the end, every watcher has the newest fix within 5 s.
        trial.system.redis_proxy.alter = at_the_end
        await trial.go_on(0.5)
    record("The channel layer loses every message for 4 s, and the last ones", trial.measured)
    # Two workers, each with a batch every 0.2 s at least.
    assert meanwhile.count > 20
    assert at_the_end.count > 2
    assert trial.lateness <= 2
    trial.assert_workers_are_well()


@pytest.mark.long
async def test_subscriptions_lost(begin, record):
    async with begin() as trial:
        await trial.go_on(1)
        trial.fault()
        with redis.Redis.from_url(trial.system.redis.url) as connection:
            await operate(connection.execute_command, "CLIENT", "KILL", "TYPE", "pubsub")
        await trial.go_on(4)
    record("Redis ends the workers' subscriptions", trial.measured)
    assert trial.measured.gap <= 2
    assert trial.measured.prompt_after <= 5
    trial.assert_workers_are_well()
