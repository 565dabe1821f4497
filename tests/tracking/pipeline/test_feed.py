"""When a driver's status is looked at again."""

import asyncio
from datetime import timedelta

from tracking.pipeline import feed as feed_module
from tracking.pipeline.feed import Feed
from tracking.pipeline.outbox import Outbox

from ..fakes import NOON, Client, Scheduled, fix_of


async def test_change_right_after_the_status_was_looked_at_is_not_missed(settings, monkeypatch):
    """A timer may fire a little early: the status is still the same, and soon is not."""
    settings.TRACKING = {"STALE_AFTER": 10.0, "OFFLINE_AFTER": 30.0}
    seconds = [9.99999, 10.00001, 10.00002]
    clock = Scheduled(*(NOON + timedelta(seconds=second) for second in seconds))
    monkeypatch.setattr(feed_module, "datetime", clock)
    feed = Feed(19)
    feed.add(Outbox(Client(), lambda error: None), details=True)
    feed.learn(fix_of())
    assert feed._timer.when() - asyncio.get_running_loop().time() < 1
    feed.close()
