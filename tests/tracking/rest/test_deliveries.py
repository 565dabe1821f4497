"""Reports without an ASGI server: a request's runtime is not closed before it has delivered."""

import asyncio
import threading

import pytest

from tracking.pipeline.broadcast import decode_batch
from tracking.runtime import runtime
from tracking.runtime.reports import Reports
from tracking.signals import location_updated

from ..fakes import DEADLINE, Layer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def committed(monkeypatch):
    """Return the event that the report is committed."""
    event = threading.Event()
    commit = Reports.commit

    async def commit_and_tell(*args, **kwargs):
        left_out = await commit(*args, **kwargs)
        event.set()
        return left_out

    monkeypatch.setattr(Reports, "commit", commit_and_tell)
    return event


@pytest.fixture
def layer(monkeypatch):
    layer = Layer()
    monkeypatch.setattr(runtime, "get_channel_layer", lambda: layer)
    return layer


@pytest.fixture
def report(rest, driver):
    """Return a function that reports the driver's location, and returns the status."""

    def report():
        return rest("PUT", f"/driver/{driver}/location/", driver, {"lat": 1, "lon": 2}).status_code

    return report


def test_report_is_broadcast_though_the_commit_is_faster(
    report, driver, layer, committed, monkeypatch
):
    send = layer.group_send

    async def send_later(group, message):
        await asyncio.to_thread(committed.wait, DEADLINE)
        await send(group, message)

    monkeypatch.setattr(layer, "group_send", send_later)
    assert report() == 201
    batches = [decode_batch(message) for group, message in layer.sent if "shard" in group]
    assert [[fix.driver_id for fix in batch] for batch in batches] == [[driver]]


def test_report_is_announced_though_the_commit_is_faster(report, driver, committed, request):
    announced = []

    def receiver(fixes, **kwargs):
        committed.wait(DEADLINE)
        announced.extend(fix.driver_id for fix in fixes)

    location_updated.connect(receiver)
    request.addfinalizer(lambda: location_updated.disconnect(receiver))
    assert report() == 201
    assert announced == [driver]


@pytest.mark.parametrize("fault", ["fails", "hangs"])
def test_report_is_answered_without_a_channel_layer(report, layer, monkeypatch, caplog, fault):
    if fault == "fails":
        layer.failing.add("group_send")
    else:
        layer.hold = asyncio.Event()
    monkeypatch.setattr(runtime, "DELIVERY_TIMEOUT", 0.05)
    assert report() == 201
    assert "Live locations were not broadcast" in caplog.text
