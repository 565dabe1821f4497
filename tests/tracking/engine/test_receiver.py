"""The process's channel: groups, events, and a layer that is unavailable, hangs or loses groups."""

import asyncio

import pytest

from tracking import metrics
from tracking.engine import receiver as receiver_module

from ..fakes import DEADLINE, Log, within_deadline


@pytest.fixture
async def receiver(receiver):
    yield receiver
    await within_deadline(receiver.close())
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.fixture(autouse=True)
def _hurry(monkeypatch):
    monkeypatch.setattr(receiver_module, "RETRY_AFTER", 0.01)
    monkeypatch.setattr(receiver_module, "JOIN_TIMEOUT", 0.05)


@pytest.fixture
def received(receiver):
    log = Log()

    async def receive(event):
        log.append(event["text"])

    receiver.handle("greeting", receive)
    return log


async def test_what_is_sent_to_a_joined_group_reaches_the_handler_of_its_type(
    receiver, layer, received
):
    await receiver.join("group")
    await layer.group_send("group", {"type": "greeting", "text": "hello"})
    assert await received.reach(1) == ["hello"]


async def test_a_group_is_joined_when_an_unavailable_layer_is_back(receiver, layer, received):
    layer.failing.add("new_channel")
    await within_deadline(receiver.join("group"))
    assert metrics.degraded.parts() == ["receiver"]
    layer.failing.clear()
    await layer.added.reach(1)
    assert metrics.degraded.parts() == []
    await layer.group_send("group", {"type": "greeting", "text": "hello"})
    assert await received.reach(1) == ["hello"]


async def test_nobody_waits_long_for_a_layer_that_hangs_and_the_next_not_at_all(
    receiver, layer, monkeypatch
):
    layer.hold = asyncio.Event()
    await within_deadline(receiver.join("group"))
    monkeypatch.setattr(receiver_module, "JOIN_TIMEOUT", 3600)
    await within_deadline(receiver.join("other"))
    layer.hold.set()
    while {"group", "other"} != set(layer.added):
        await layer.added.reach(len(layer.added) + 1)


async def test_an_outage_is_logged_once_and_so_is_its_end(receiver, layer, caplog):
    caplog.set_level("INFO")
    layer.failing.add("group_add")
    await receiver.join("group")
    await layer.calls["group_add"].reach(5)
    layer.failing.clear()
    await layer.added.reach(1)
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]


async def test_a_layer_that_cannot_be_received_from_is_asked_again_and_logged_once(
    receiver, layer, received, caplog
):
    layer.failing.add("receive")
    await receiver.join("group")
    await layer.calls["receive"].reach(5)
    layer.failing.clear()
    await layer.group_send("group", {"type": "greeting", "text": "hello"})
    assert await received.reach(1) == ["hello"]
    assert len(caplog.records) == 1
    assert metrics.degraded.parts() == []


async def test_groups_are_joined_again_once_the_layer_can_be_received_from(
    receiver, layer, received
):
    """A Redis that restarted has lost the members of all groups."""
    layer.failing.add("receive")
    await receiver.join("group")
    await layer.calls["receive"].reach(2)
    layer.groups.clear()
    await layer.calls["receive"].reach(len(layer.calls["receive"]) + 1)
    layer.failing.clear()
    async with asyncio.timeout(DEADLINE):
        while "group" not in layer.groups or metrics.degraded.parts():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await layer.group_send("group", {"type": "greeting", "text": "hello"})
    assert await received.reach(1) == ["hello"]


async def test_groups_are_joined_again_before_the_layer_forgets_them(receiver, layer, monkeypatch):
    monkeypatch.setattr(receiver_module, "REJOIN_AFTER", 0.02)
    await receiver.join("group")
    assert (await layer.added.reach(3))[:3] == ["group"] * 3


async def test_a_group_that_nobody_wants_is_left_and_can_be_joined_again(receiver, layer):
    await receiver.join("group")
    receiver.leave("group")
    await layer.discarded.reach(1)
    await receiver.join("group")
    assert layer.added == ["group", "group"]
