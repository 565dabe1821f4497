"""Heartbeats: workers that receive each other's, and workers that do not."""

import asyncio
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError
from django.utils import timezone

from tracking import metrics
from tracking.engine.receiver import Receiver
from tracking.models import Worker
from tracking.runtime import heartbeat
from tracking.runtime.heartbeat import MAX_MISSED, Heartbeat, Sign, exchange

from ..fakes import Layer, within_deadline


class Network(Layer):
    """A channel layer that loses what chosen workers send, on all shards or on one."""

    def __init__(self):
        super().__init__()
        self.muted = set()
        self.broken_shards = set()

    async def group_send(self, group, message):
        await self._called("group_send", group, message)
        lost = message["worker"] in self.muted or message["shard"] in self.broken_shards
        if not self.losing and not lost:
            await super(Layer, self).group_send(group, message)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr(heartbeat, "RESULT_LIFETIME", 0)
    monkeypatch.setattr(heartbeat, "ECHO_TIMEOUT", 0.05)


class Fleet:
    """Workers that share one database; each has the channel layer that it is given."""

    def __init__(self):
        self.rows = {}
        self.workers = []
        self.receivers = []
        self.error = None

    def add(self, layer, name):
        receiver = Receiver(layer)
        worker = Heartbeat(layer, receiver, self.exchange)
        worker._name = name
        self.workers.append(worker)
        self.receivers.append(receiver)
        return worker

    async def exchange(self, function, worker, sign):
        assert function is exchange
        if self.error is not None:
            raise self.error
        self.rows[worker] = sign
        return dict(self.rows)

    async def beat(self, *workers, rounds=1):
        for _ in range(rounds):
            for worker in workers or self.workers:
                await within_deadline(worker._beat())

    def silent(self, worker):
        """Return the names of the workers whose heartbeats `worker` does not receive."""
        return sorted(self.rows[silent].name for silent in worker._silent)

    async def close(self):
        for worker in self.workers:
            await within_deadline(worker.close())
        for receiver in self.receivers:
            await within_deadline(receiver.close())
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert metrics.degraded.parts() == []


@pytest.fixture
async def fleet():
    fleet = Fleet()
    yield fleet
    await fleet.close()


@pytest.fixture
def network():
    return Network()


async def test_workers_on_one_layer_receive_each_others_beats(fleet, network, caplog):
    for name in "abc":
        fleet.add(network, name)
    await fleet.beat(rounds=3 * MAX_MISSED)
    assert [fleet.silent(worker) for worker in fleet.workers] == [[], [], []]
    await fleet.workers[0].probe.ask()
    assert metrics.degraded.parts() == []
    assert caplog.messages == []


async def test_workers_on_two_layers_are_detected_within_some_rounds(fleet, caplog):
    one, other = Network(), Network()
    a, b, c = fleet.add(one, "a"), fleet.add(one, "b"), fleet.add(other, "c")
    await fleet.beat(rounds=MAX_MISSED)
    assert metrics.degraded.parts() == []
    await fleet.beat(rounds=3)
    assert [fleet.silent(worker) for worker in (a, b, c)] == [["c"], ["c"], ["a", "b"]]
    assert metrics.degraded.parts() == ["workers"]
    for worker in fleet.workers:
        with pytest.raises(ConnectionError, match="do not receive each other"):
            await worker.probe.ask()
    await fleet.beat(rounds=5)
    # A process logs this only once: here c noticed first of the three.
    (message,) = caplog.messages
    assert message.startswith(
        "Messages of 2 of 2 other workers do not arrive through the channel layer: a, b."
    )
    assert "REDIS_URL" in message
    assert "REDIS_PREFIX" in message


async def test_a_worker_that_is_received_again_is_no_longer_reported(fleet, network, caplog):
    caplog.set_level("INFO")
    a, b = fleet.add(network, "a"), fleet.add(network, "b")
    await fleet.beat()
    network.muted.add(b._id)
    await fleet.beat(rounds=MAX_MISSED + 2)
    assert fleet.silent(a) == ["b"]
    assert fleet.silent(b) == [
        "b"
    ]  # b does not receive its own beats either, so it does not report a.
    network.muted.clear()
    await fleet.beat(rounds=2)
    assert (fleet.silent(a), fleet.silent(b)) == ([], [])
    assert metrics.degraded.parts() == []
    assert caplog.messages[-1] == "Messages of all workers arrive through the channel layer again"
    await a.probe.ask()


async def test_a_worker_that_stopped_is_not_missed(fleet, network):
    a, b = fleet.add(network, "a"), fleet.add(network, "b")
    await fleet.beat(rounds=2)
    await fleet.beat(a, rounds=3 * MAX_MISSED)
    assert b._id in fleet.rows
    assert fleet.silent(a) == []


async def test_a_worker_on_another_layer_that_stopped_is_no_longer_reported(fleet):
    a, b = fleet.add(Network(), "a"), fleet.add(Network(), "b")
    await fleet.beat(rounds=MAX_MISSED + 2)
    assert fleet.silent(a) == ["b"]
    del fleet.rows[b._id]
    await fleet.beat(a)
    assert fleet.silent(a) == []


async def test_a_worker_that_cannot_send_is_not_missed_by_others(fleet, network):
    a, b = fleet.add(network, "a"), fleet.add(network, "b")
    await fleet.beat()
    network.failing.add("group_send")
    await fleet.beat(b, rounds=3 * MAX_MISSED)
    network.failing.clear()
    await fleet.beat(a)
    assert (fleet.silent(a), fleet.silent(b)) == ([], [])
    # Its first beat after the failure is lost too.
    network.muted.add(b._id)
    await fleet.beat(b, a)
    network.muted.clear()
    await fleet.beat(a)
    assert fleet.silent(a) == []


async def test_rounds_that_a_restart_of_redis_loses_are_not_reported(fleet, network):
    fleet.add(network, "a"), fleet.add(network, "b")
    await fleet.beat()
    network.losing = True
    await fleet.beat(rounds=MAX_MISSED - 1)
    network.losing = False
    await fleet.beat(rounds=2)
    assert metrics.degraded.parts() == []


async def test_a_worker_that_received_nothing_for_long_reports_no_other_for_that_time(
    fleet, network, caplog
):
    a, b = fleet.add(network, "a"), fleet.add(network, "b")
    await fleet.beat()
    network.muted |= {a._id, b._id}
    await fleet.beat(a, b, rounds=3 * MAX_MISSED)
    assert fleet.silent(a) == ["a"]
    assert (
        "This worker does not receive its own messages through the channel layer" in caplog.messages
    )
    network.muted.discard(a._id)
    await fleet.beat(a)
    assert fleet.silent(a) == []


async def test_a_broken_host_of_several_is_noticed(fleet, network):
    a, b = fleet.add(network, "a"), fleet.add(network, "b")
    await fleet.beat()
    network.broken_shards.add(2)
    await fleet.beat(rounds=MAX_MISSED)
    assert (fleet.silent(a), fleet.silent(b)) == (["a"], ["b"])


async def test_without_the_database_nobody_is_reported_and_health_checks_the_layer(
    fleet, network, caplog
):
    a, _ = fleet.add(network, "a"), fleet.add(network, "b")
    await fleet.beat()
    fleet.error = OperationalError("the server closed the connection")
    await fleet.beat(rounds=3 * MAX_MISSED)
    await a.probe.ask()
    fleet.error = None
    await fleet.beat()
    assert metrics.degraded.parts() == []
    assert len(caplog.messages) == 1


async def test_beats_of_unknown_workers_are_not_kept(fleet, network):
    """An example is another installation on the same Redis and prefix."""
    a = fleet.add(network, "a")
    await fleet.beat()
    await a._receive({"worker": "stranger", "shard": 0, "round": 1, "message": 1})
    await fleet.beat()
    assert a._heard.keys() == {a._id}


async def test_frequent_health_checks_hide_nothing(fleet, monkeypatch):
    """Load balancers ask each second, and get an answer that may be half a second old."""
    monkeypatch.setattr(heartbeat, "RESULT_LIFETIME", 60)
    a, b = fleet.add(Network(), "a"), fleet.add(Network(), "b")
    for _ in range(MAX_MISSED + 2):
        await a.probe.ask()
        await fleet.beat()
    assert (fleet.silent(a), fleet.silent(b)) == (["b"], ["a"])


async def test_beats_by_itself(fleet, network, monkeypatch):
    monkeypatch.setattr(heartbeat, "INTERVAL", 0)
    worker = fleet.add(network, "a")
    worker.start()
    worker.start()
    await within_deadline(network.calls["group_send"].reach(4 * 3))  # three rounds of four shards
    assert fleet.rows[worker._id].name == "a"


@pytest.mark.django_db(transaction=True)
async def test_rows_list_the_workers_that_run():
    def is_old():
        Worker.objects.filter(pk="a").update(seen_at=timezone.now() - timedelta(minutes=2))

    shared = sync_to_async(exchange)
    assert await shared("a", Sign("host:1", 0)) == {"a": ("host:1", 0)}
    assert await shared("b", Sign("host:2", 7)) == {"a": ("host:1", 0), "b": ("host:2", 7)}
    assert await shared("a", Sign("host:1", 1)) == {"a": ("host:1", 1), "b": ("host:2", 7)}
    await sync_to_async(is_old)()
    assert await shared("b", Sign("host:2", 8)) == {"b": ("host:2", 8)}
    assert await shared("a", Sign("host:1", 2)) == {"a": ("host:1", 2), "b": ("host:2", 8)}
