"""The metrics' values, and the token that their endpoint requires."""

import re
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from channels.routing import URLRouter
from channels.testing import HttpCommunicator
from prometheus_client.parser import text_string_to_metric_families

from tracking import metrics
from tracking.models import (
    DriverAlert,
    DriverLocation,
    Event,
    Trip,
    WebhookDelivery,
    WebhookEndpoint,
)
from tracking.routing import http_urlpatterns
from tracking.runtime import get_runtime

from ..fakes import DEADLINE, fix_of, within_deadline

TOKEN = "t" * 40


@pytest.fixture(autouse=True)
def _with_token(settings):
    settings.TRACKING = settings.TRACKING | {"METRICS_TOKEN": TOKEN}


@pytest.fixture(autouse=True)
async def _runtime(app_layer):
    yield
    await within_deadline(get_runtime().close())


def arrived(seconds_ago, driver_id=19):
    received_at = datetime.now(UTC) - timedelta(seconds=seconds_ago)
    return msgspec.structs.replace(fix_of(driver_id), received_at=received_at)


async def get(authorization=f"Bearer {TOKEN}", method="GET"):
    headers = [(b"authorization", authorization.encode())] if authorization else []
    asking = HttpCommunicator(URLRouter(http_urlpatterns), method, "/metrics/", headers=headers)
    return await asking.get_response(DEADLINE)


async def values():
    """Return the values as Prometheus reads them, by the text of name and labels."""
    answer = await get()
    assert answer["status"] == 200
    return {
        re.sub(r" \S+$", "", line): float(line.rpartition(" ")[2])
        for line in answer["body"].decode().splitlines()
        if not line.startswith("#")
    }


async def change(before):
    """Return the differences of the values that changed since `before`."""
    return {
        name: value - before.get(name, 0)
        for name, value in (await values()).items()
        if value != before.get(name, 0) and name.startswith("tracking_")
    }


@pytest.mark.parametrize("authorization", ["", "Bearer", f"Bearer {TOKEN}x", TOKEN, "Bearer  "])
async def test_metrics_need_the_token(authorization):
    answer = await get(authorization)
    assert (answer["status"], answer["body"]) == (401, b"")


@pytest.mark.parametrize("authorization", ["", "Bearer "])
async def test_without_a_token_set_there_are_no_metrics(settings, authorization):
    settings.TRACKING = settings.TRACKING | {"METRICS_TOKEN": ""}
    assert (await get(authorization))["status"] == 404


async def test_metrics_are_for_reading_alone():
    assert (await get(method="POST"))["status"] == 405


@pytest.mark.django_db(transaction=True)
async def test_metrics_are_what_prometheus_reads_and_say_what_they_are():
    families = list(text_string_to_metric_families((await get())["body"].decode()))
    ours = [family for family in families if family.name.startswith("tracking_")]
    assert all(family.documentation.endswith(".") for family in ours)
    assert {"process_resident_memory_bytes", "python_info"} <= {family.name for family in families}


@pytest.mark.django_db(transaction=True)
async def test_stored_batch_counts_rows_and_acknowledgements():
    before = await values()
    waiting = [(arrived(0.2, driver), None) for driver in (19, 19, 20, 21)]
    metrics.stored(3, waiting, rejected={21})
    found = await change(before)
    assert found.pop("tracking_acknowledgement_seconds_sum") == pytest.approx(0.6, abs=0.3)
    assert {name: value for name, value in found.items() if "_bucket" not in name} == {
        "tracking_fixes_stored_total": 2,
        "tracking_fixes_rejected_total": 1,
        "tracking_fixes_acknowledged_total": 3,
        'tracking_fixes_conflated_total{stage="storage"}': 1,
        "tracking_acknowledgement_seconds_count": 3,
        "tracking_storage_batch_size_count": 1,
        "tracking_storage_batch_size_sum": 3,
    }


@pytest.mark.django_db(transaction=True)
async def test_delivery_counts_watchers_and_how_long_it_took():
    before = await values()
    metrics.delivered(arrived(2), 5)
    found = await change(before)
    assert found["tracking_fixes_delivered_total"] == 5
    assert found["tracking_delivery_seconds_count"] == 1
    assert found["tracking_delivery_seconds_sum"] == pytest.approx(2, abs=0.5)


@pytest.mark.django_db(transaction=True)
async def test_clock_of_another_server_that_is_ahead_makes_no_negative_delivery():
    before = await values()
    metrics.delivered(arrived(-9), 1)
    assert "tracking_delivery_seconds_sum" not in await change(before)


@pytest.mark.django_db(transaction=True)
async def test_degraded_parts_are_one_and_the_others_nothing():
    metrics.degraded.begin("broadcast")
    metrics.degraded.begin("broadcast")
    metrics.degraded.begin("storage")
    metrics.degraded.end("storage")
    found = await values()
    assert found['tracking_degraded{part="broadcast"}'] == 1
    assert found['tracking_degraded{part="storage"}'] == 0


@pytest.mark.django_db(transaction=True)
async def test_drivers_are_counted_by_status(located):
    now = datetime.now(UTC)
    await DriverLocation.objects.aupdate(recorded_at=now, received_at=now)
    found = await values()
    assert [found[f'tracking_drivers{{status="{s}"}}'] for s in ("live", "stale", "offline")] == [
        1,
        0,
        0,
    ]


@pytest.mark.django_db(transaction=True)
async def test_without_events_none_waits():
    found = await values()
    assert found['tracking_events_waiting_seconds{queue="dispatch"}'] == 0
    assert found['tracking_events_waiting_seconds{queue="delivery"}'] == 0
    assert found['tracking_events_waiting{queue="dispatch"}'] == 0
    assert found['tracking_events_waiting{queue="delivery"}'] == 0


@pytest.mark.django_db(transaction=True)
async def test_open_alerts_are_counted_by_kind(located):
    trip = await Trip.objects.acreate(created_at=datetime.now(UTC))
    for ended_at in (None, datetime.now(UTC)):
        await DriverAlert.objects.acreate(
            kind="silent",
            driver_id=located,
            trip=trip,
            since=datetime(2026, 1, 1, tzinfo=UTC),
            ended_at=ended_at,
        )
    found = await values()
    assert found['tracking_alerts_open{kind="silent"}'] == 1
    assert found['tracking_alerts_open{kind="off_route"}'] == 0


@pytest.mark.django_db(transaction=True)
async def test_wait_of_the_oldest_event_and_delivery_is_shown():
    at = datetime.now(UTC) - timedelta(seconds=300)
    event = await Event.objects.acreate(type="zone.entered", occurred_at=at)
    endpoint = await WebhookEndpoint.objects.acreate(url="https://example.org/", secret="whsec_")
    await WebhookDelivery.objects.acreate(
        event=event, endpoint=endpoint, created_at=at, next_attempt_at=at
    )
    found = await values()
    # Since the row was made, and since the delivery is due.
    assert 0 < found['tracking_events_waiting_seconds{queue="dispatch"}'] < 60
    assert 300 <= found['tracking_events_waiting_seconds{queue="delivery"}'] < 360
    assert found['tracking_events_waiting{queue="dispatch"}'] == 1
    assert found['tracking_events_waiting{queue="delivery"}'] == 1
