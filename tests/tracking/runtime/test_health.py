import asyncio
import json
import threading

import pytest
from channels.routing import URLRouter
from channels.testing import HttpCommunicator
from django.db import OperationalError
from django.db.migrations.recorder import MigrationRecorder

from tracking import metrics
from tracking.routing import http_urlpatterns
from tracking.runtime import get_runtime, heartbeat
from tracking.runtime import health as health_module
from tracking.runtime.lag import SUSTAINED_SAMPLES

from ..fakes import DEADLINE, within_deadline

pytestmark = pytest.mark.django_db(transaction=True)

WORKING = {"database": "ok", "migrations": "ok", "channel_layer": "ok", "not_draining": "ok"}


@pytest.fixture(autouse=True)
async def _runtime(app_layer):
    yield
    app_layer.hold = None
    await within_deadline(get_runtime().close())


async def get(path, method="GET"):
    asking = HttpCommunicator(URLRouter(http_urlpatterns), method, f"/health/{path}/")
    answer = await asking.get_response(DEADLINE)
    assert (b"cache-control", b"no-store") in answer["headers"]
    return answer["status"], json.loads(answer["body"]) if answer["body"] else None


async def test_process_that_answers_is_alive():
    status, answer = await get("live")
    assert (status, answer["status"], answer["degraded"]) == (200, "ok", [])


async def test_process_whose_event_loop_stays_late_is_not_alive():
    get_runtime().lag._late.extend([1.5] * SUSTAINED_SAMPLES)
    status, answer = await get("live")
    assert (status, answer["status"]) == (503, "late")
    assert answer["event_loop_lag_seconds"] == 1.5


async def test_process_that_was_late_once_is_alive():
    get_runtime().lag._late.extend([9.0, *[0.0] * SUSTAINED_SAMPLES])
    assert (await get("live"))[0] == 200


@pytest.mark.parametrize("part", metrics.Degraded.PARTS)
async def test_degraded_part_is_said_and_does_not_fail(part):
    metrics.degraded.begin(part)
    status, answer = await get("live")
    assert (status, answer["degraded"]) == (200, [part])
    status, answer = await get("ready")
    assert (status, answer["status"], answer["degraded"]) == (200, "degraded", [part])


async def test_ready_when_every_part_works():
    assert await get("ready") == (200, {"status": "ready", "checks": WORKING, "degraded": []})


async def test_not_ready_while_draining():
    get_runtime().draining = True
    status, answer = await get("ready")
    assert (status, answer["status"]) == (503, "unavailable")
    assert answer["checks"] == WORKING | {"not_draining": "failing"}


async def test_not_ready_without_the_database(monkeypatch, caplog):
    def unavailable():
        raise OperationalError('connection to server at "db.internal" failed')

    monkeypatch.setattr(health_module, "_query", unavailable)
    for _ in range(3):
        status, answer = await get("ready")
        assert (status, answer["status"]) == (503, "unavailable")
        assert answer["checks"] == WORKING | {"database": "failing"}
        assert "internal" not in json.dumps(answer)
    assert "db.internal" in caplog.text
    assert len(caplog.messages) == 1


async def test_database_that_hangs_is_a_failure_in_time(monkeypatch):
    hangs = asyncio.Event()
    monkeypatch.setattr(health_module, "TIMEOUT", 0.05)
    health = get_runtime().health
    health._probes["database"] = health_module.Probe(hangs.wait, keep=1, timeout=0.05)
    status, answer = await get("ready")
    assert (status, answer["checks"]["database"]) == (503, "failing")
    hangs.set()


async def test_ready_while_the_count_of_drivers_waits_for_a_lock(monkeypatch):
    released = threading.Event()
    monkeypatch.setattr(health_module, "count_drivers", released.wait)
    drivers = get_runtime().health.drivers
    drivers._timeout = 0.05
    try:
        with pytest.raises(TimeoutError):
            await drivers.ask()
        assert (await get("ready"))[0] == 200
    finally:
        released.set()


async def test_not_ready_before_migrations_are_run_and_ready_after():
    recorder = MigrationRecorder.Migration.objects
    missing = await recorder.filter(app="tracking").alatest("pk")
    await recorder.filter(pk=missing.pk).adelete()
    try:
        status, answer = await get("ready")
        assert (status, answer["checks"]) == (503, WORKING | {"migrations": "failing"})
    finally:
        await missing.asave(force_insert=True)
    get_runtime().health._probes["migrations"]._keep = 0
    assert (await get("ready"))[0] == 200


async def test_ready_but_degraded_without_the_channel_layer(app_layer):
    app_layer.failing.add("group_send")
    status, answer = await get("ready")
    assert (status, answer["status"]) == (200, "degraded")
    assert answer["checks"] == WORKING | {"channel_layer": "failing"}


async def test_ready_but_degraded_while_nothing_that_is_sent_comes_back(
    app_layer, monkeypatch, caplog
):
    monkeypatch.setattr(heartbeat, "ECHO_TIMEOUT", 0.05)
    app_layer.losing = True
    status, answer = await get("ready")
    assert (status, answer["status"]) == (200, "degraded")
    assert answer["checks"] == WORKING | {"channel_layer": "failing"}
    assert "a heartbeat that was sent did not come back" in caplog.text


async def test_layer_that_fails_in_use_is_not_asked_too(app_layer):
    metrics.degraded.begin("receiver")
    assert (await get("ready"))[1]["checks"]["channel_layer"] == "failing"
    assert not app_layer.calls["group_send"]


async def test_probes_by_the_hundred_ask_the_parts_once(app_layer, monkeypatch):
    # Without the periodic heartbeat, which sends the same messages.
    monkeypatch.setattr(heartbeat.Heartbeat, "start", lambda self: None)
    answers = await asyncio.gather(*(get("ready") for _ in range(100)))
    assert {status for status, _ in answers} == {200}
    # One for each of the four shards, as each may be on a Redis host of its own.
    groups = [group for group, _ in app_layer.calls["group_send"]]
    assert groups == [f"tracking.heartbeat.{shard}" for shard in range(4)]


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("POST", 405)])
async def test_other_methods(method, status):
    assert await get("live", method) == (status, None)
