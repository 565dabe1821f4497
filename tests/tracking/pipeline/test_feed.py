"""A driver's feed: status timers, and limits on what each watcher sees."""

import asyncio
import json
from datetime import timedelta

import msgspec
import pytest

from tracking.pipeline import feed as feed_module
from tracking.pipeline.feed import Feed
from tracking.pipeline.outbox import Outbox

from ..fakes import NOON, Client, Scheduled, fix_of


async def test_change_right_after_the_status_was_looked_at_is_not_missed(settings, monkeypatch):
    """A timer may fire a little early, when the status has not changed yet."""
    settings.TRACKING = {"STALE_AFTER": 10.0, "OFFLINE_AFTER": 30.0}
    seconds = [9.99999, 10.00001, 10.00002]
    clock = Scheduled(*(NOON + timedelta(seconds=second) for second in seconds))
    monkeypatch.setattr(feed_module, "datetime", clock)
    feed = Feed(19)
    feed.add(Outbox(Client(), lambda error: None), details=True)
    feed.update(fix_of())
    assert feed._timer.when() - asyncio.get_running_loop().time() < 1
    feed.close()


# Limits in time


def shown_to(client):
    """Return the latitudes that the client received, or the status in frames without one."""
    frames = map(json.loads, client.texts)
    return [frame.get("location_lat") or frame["status"] for frame in frames]


@pytest.fixture
def feed():
    feed = Feed(19)
    yield feed
    feed.close()


async def join(feed, since, *, details=False):
    client = Client()
    outbox = Outbox(client, lambda error: None)
    feed.add(outbox, details=details, since=fix_of(second=since).recorded_at)
    feed.send_snapshot(outbox)
    return client, outbox


@pytest.mark.parametrize(("details", "first"), [(False, []), (True, ["unknown"])])
async def test_what_was_recorded_before_is_not_shown(feed, details, first):
    feed.update(fix_of(second=1, latitude=1.0))
    client, _ = await join(feed, 10, details=details)
    assert shown_to(client) == first
    feed.offer(fix_of(second=9, latitude=2.0))
    assert shown_to(client) == first
    feed.offer(fix_of(second=10, latitude=3.0))
    feed.offer(fix_of(second=11, latitude=4.0))
    assert shown_to(client) == [*first, "3", "4"]


async def test_late_fix_from_before_is_not_shown_when_it_arrives(feed):
    feed.update(None)
    client, _ = await join(feed, 10)
    late = msgspec.structs.replace(fix_of(second=5), received_at=fix_of(second=20).received_at)
    feed.offer(late)
    assert shown_to(client) == []
    assert feed.is_watched


async def test_what_was_recorded_since_is_shown_at_once(feed):
    feed.update(fix_of(second=10, latitude=1.0))
    client, _ = await join(feed, 10)
    assert shown_to(client) == ["1"]
    assert not feed.waiting


@pytest.mark.parametrize(("stored", "shown"), [(5, ["unknown"]), (15, ["7"])])
async def test_snapshot_that_comes_after_the_watcher_is_judged_too(feed, stored, shown):
    client, _ = await join(feed, 10, details=True)
    assert shown_to(client) == []
    feed.update(fix_of(second=stored, latitude=7.0))
    assert shown_to(client) == shown


async def test_a_waiting_watcher_gets_no_status_and_may_leave(feed):
    feed.update(fix_of(second=1))
    client, outbox = await join(feed, 10)
    feed.offer(msgspec.structs.replace(fix_of(second=1), heard_at=fix_of(second=9).received_at))
    assert shown_to(client) == []
    feed.remove(outbox)
    assert not feed.is_watched


@pytest.mark.parametrize("details", [False, True])
async def test_a_stream_is_limited_while_it_is_open(feed, details):
    feed.update(fix_of(second=10, latitude=1.0))
    client, outbox = await join(feed, 10, details=details)
    feed.limit(outbox, fix_of(second=20).recorded_at)
    feed.offer(fix_of(second=19, latitude=2.0))
    assert shown_to(client) == ["1"]
    feed.offer(fix_of(second=20, latitude=3.0))
    assert shown_to(client) == ["1", "3"]


async def test_a_wider_limit_shows_at_once_what_was_hidden(feed):
    feed.update(fix_of(second=10, latitude=1.0))
    client, outbox = await join(feed, 20)
    feed.limit(outbox, None)
    assert shown_to(client) == ["1"]


async def test_the_status_still_changes_after_a_limit_has_changed(settings, monkeypatch, feed):
    settings.TRACKING = {"STALE_AFTER": 10.0, "OFFLINE_AFTER": 30.0}
    monkeypatch.setattr(feed_module, "datetime", Scheduled(*[NOON] * 9))
    feed.update(fix_of())
    _, outbox = await join(feed, 0, details=True)
    feed.limit(outbox, None)
    assert feed._timer is not None
    feed.limit(outbox, fix_of(second=20).recorded_at)
    assert feed._timer is None


async def test_a_limit_adds_no_watcher(feed):
    client = Client()
    feed.limit(Outbox(client, lambda error: None), None)
    assert not feed.is_watched
