import asyncio

import msgspec
import pytest

from tracking import metrics
from tracking.pipeline import broadcast
from tracking.pipeline.broadcast import Publisher, decode_batch, encode_batch, shard_of

from ..fakes import HERE, Layer, fix_of, settle, within_deadline


@pytest.fixture
def layer():
    return Layer()


@pytest.fixture
async def publisher(layer):
    publisher = Publisher(layer, HERE)
    yield publisher
    await within_deadline(publisher.close())
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.fixture(autouse=True)
def _shards(settings):
    settings.TRACKING = {"SHARDS": 4}


def sent(layer):
    """Return the messages that were sent, as (group, fixes)."""
    return [(group, decode_batch(event)) for group, event in layer.sent]


def test_a_drivers_shard_is_always_the_same_and_drivers_are_spread_over_all():
    assert {shard_of(driver_id) for driver_id in range(100)} == {
        f"tracking.shard.{number}" for number in range(4)
    }
    assert shard_of(19) == shard_of(19) == "tracking.shard.3"


def test_the_number_of_shards_is_a_setting(settings):
    settings.TRACKING = {"SHARDS": 1}
    assert {shard_of(driver_id) for driver_id in range(100)} == {"tracking.shard.0"}


def test_a_batch_survives_the_channel_layer_to_the_last_bit():
    fixes = [
        fix_of(1, 0.000001, 1.1, -0.1),
        fix_of(2**63 - 1, 5, accuracy=0.1, heading=359.9, speed=1e-9),
    ]
    event = encode_batch(fixes, HERE)
    assert decode_batch(event) == fixes
    assert isinstance(event["fixes"], bytes)
    assert event["origin"] == HERE


@pytest.mark.parametrize(
    "event",
    [
        {"type": "tracking.fixes"},
        {"fixes": b""},
        {"fixes": b"\xc1"},
        {"fixes": msgspec.msgpack.encode([{"driver_id": 1}])},
        {"fixes": msgspec.msgpack.encode("text")},
    ],
)
def test_what_is_no_batch_raises_the_documented_errors(event):
    with pytest.raises((msgspec.MsgspecError, KeyError)):
        decode_batch(event)


async def test_a_fix_alone_leaves_at_once(publisher, layer):
    publisher.publish(fix_of(19))
    await layer.sent.reach(1)
    assert sent(layer) == [("tracking.shard.3", [fix_of(19)])]


async def test_fixes_of_one_shard_leave_in_one_message(publisher, layer):
    fixes = [fix_of(driver_id) for driver_id in (3, 7, 11, 15)]
    for fix in fixes:
        publisher.publish(fix)
    await layer.sent.reach(1)
    await settle()
    assert sent(layer) == [("tracking.shard.3", fixes)]


async def test_a_batch_costs_one_message_per_shard(publisher, layer):
    for driver_id in range(1, 101):
        publisher.publish(fix_of(driver_id))
    await layer.sent.reach(4)
    await settle()
    assert len(layer.sent) == 4
    assert {fix.driver_id for _, fixes in sent(layer) for fix in fixes} == set(range(1, 101))
    assert all(shard_of(fix.driver_id) == shard for shard, fixes in sent(layer) for fix in fixes)


async def test_of_a_drivers_fixes_in_one_batch_only_the_newest_leaves(publisher, layer):
    for second in (1, 3, 2):
        publisher.publish(fix_of(19, second))
    await layer.sent.reach(1)
    await settle()
    assert sent(layer) == [("tracking.shard.3", [fix_of(19, 3)])]


async def test_what_gathers_during_a_send_is_the_next_batch(publisher, layer):
    layer.hold = asyncio.Event()
    publisher.publish(fix_of(19, 1))
    await settle()
    for second in (2, 3):
        publisher.publish(fix_of(19, second))
        publisher.publish(fix_of(23, second))
    layer.hold.set()
    await layer.sent.reach(2)
    assert [fixes for _, fixes in sent(layer)] == [[fix_of(19, 1)], [fix_of(19, 3), fix_of(23, 3)]]


# The channel layer is unavailable


@pytest.fixture
def retry_soon(monkeypatch):
    monkeypatch.setattr(broadcast, "RETRY_AFTER", 0.01)


async def test_an_unavailable_layer_gets_the_newest_of_each_driver_when_it_is_back(
    publisher, layer, retry_soon
):
    layer.failing.add("group_send")
    for driver_id in (16, 17, 18, 19):
        publisher.publish(fix_of(driver_id, 1))
    await layer.calls["group_send"].reach(2)
    publisher.publish(fix_of(19, 3))
    publisher.publish(fix_of(19, 2))
    await layer.calls["group_send"].reach(4)
    layer.failing.clear()
    await layer.sent.reach(4)
    await settle()
    newest = {fix.driver_id: fix for _, fixes in sent(layer) for fix in fixes}
    assert newest == {
        16: fix_of(16, 1),
        17: fix_of(17, 1),
        18: fix_of(18, 1),
        19: fix_of(19, 3),
    }
    assert len(layer.sent) == 4


async def test_an_outage_is_logged_once_and_so_is_its_end(publisher, layer, retry_soon, caplog):
    caplog.set_level("INFO")
    layer.failing.add("group_send")
    publisher.publish(fix_of(19))
    await layer.calls["group_send"].reach(4)
    layer.failing.clear()
    await layer.sent.reach(1)
    await settle()
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]


async def test_an_outage_makes_no_task_per_fix(publisher, layer, retry_soon):
    layer.failing.add("group_send")
    for second in range(1_000):
        publisher.publish(fix_of(19, second))
    await layer.calls["group_send"].reach(2)
    assert len(asyncio.all_tasks()) == 2


async def test_closing_during_an_outage_is_prompt(publisher, layer):
    layer.failing.add("group_send")
    publisher.publish(fix_of(19))
    await layer.calls["group_send"].reach(1)
    await within_deadline(publisher.close())


class HalfALayer(Layer):
    """A channel layer in which the host of one shard is unavailable."""

    def __init__(self, unavailable):
        super().__init__()
        self.unavailable = unavailable

    async def group_send(self, group, message):
        if group == self.unavailable:
            self.calls["unavailable"].append(group)
            raise ConnectionError("refused")
        await super().group_send(group, message)


async def test_a_shard_whose_host_is_unavailable_delays_no_other(retry_soon):
    layer = HalfALayer(shard_of(2))
    publisher = Publisher(layer, HERE)
    for second in range(1, 6):
        for driver_id in (1, 2, 3):
            publisher.publish(fix_of(driver_id, second))
        await layer.sent.reach(2 * second)
        await layer.calls["unavailable"].reach(second)
    assert {group for group, _ in layer.sent} == {shard_of(1), shard_of(3)}
    assert metrics.degraded.parts() == ["broadcast"]
    layer.unavailable = None
    await layer.sent.reach(11)
    assert sent(layer)[-1] == (shard_of(2), [fix_of(2, 5)])
    await settle()
    assert metrics.degraded.parts() == []
    await within_deadline(publisher.close())


async def test_fixes_that_are_left_out_are_counted(publisher, layer, retry_soon):
    def count():
        return metrics.fixes_conflated.values.get(("broadcast",), 0)

    before = count()
    for second in (1, 3, 2):
        publisher.publish(fix_of(19, second))
    publisher.publish(fix_of(20))
    assert count() == before + 2
    layer.failing.add("group_send")
    await layer.calls["group_send"].reach(2)
    publisher.publish(fix_of(19, 4))
    await layer.calls["group_send"].reach(6)
    assert count() == before + 3


async def test_a_fix_that_cannot_be_encoded_keeps_no_other_from_being_broadcast(
    publisher, layer, caplog
):
    publisher.publish(fix_of(1))
    publisher.publish(fix_of(5, accuracy=object()))
    publisher.publish(fix_of(9))
    publisher.publish(fix_of(2, accuracy=object()))
    await within_deadline(publisher.drain())
    assert sent(layer) == [("tracking.shard.1", [fix_of(1), fix_of(9)])]
    assert metrics.degraded.parts() == []
    assert "could not be broadcast" in caplog.text
