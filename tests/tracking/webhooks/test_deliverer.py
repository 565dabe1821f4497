import asyncio
import time
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError
from django.utils import timezone
from standardwebhooks import Webhook

from tests.tracking.fakes import within_deadline
from tracking.events import of_driver, store
from tracking.models import Event, EventType, WebhookDelivery, WebhookEndpoint
from tracking.webhooks import deliverer as deliverer_module
from tracking.webhooks import queue
from tracking.webhooks import sender as sender_module
from tracking.webhooks.deliverer import Deliverer
from tracking.webhooks.signing import new_secret

from .receivers import hangs, receiving, says

# On SQLite: test_queue.py and test_kills.py test the database's part on PostgreSQL.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _fast(settings, monkeypatch):
    settings.TRACKING |= {"WEBHOOK_ALLOW_PRIVATE": True}
    monkeypatch.setattr(deliverer_module, "POLL_INTERVAL", 0.02)
    monkeypatch.setattr(deliverer_module, "RETRY_INTERVAL", 0.02)
    monkeypatch.setattr(deliverer_module, "DRAIN_TIMEOUT", 0.2)
    monkeypatch.setattr(queue, "LEASE", timedelta(seconds=30))


@sync_to_async
def endpoint(url, **fields):
    return WebhookEndpoint.objects.create(
        url=url, events=[EventType.ZONE_ENTERED], secret=new_secret(), **fields
    )


@sync_to_async
def happened(count=1):
    at = timezone.now()
    events = [
        of_driver(number, EventType.ZONE_ENTERED, at, zone="Depot Zürich")
        for number in range(1, count + 1)
    ]
    store(events)
    return [str(event.pk) for event in events]


@asynccontextmanager
async def running():
    stop = asyncio.Event()
    task = asyncio.create_task(Deliverer().run(stop))
    try:
        yield task
    finally:
        stop.set()
        await within_deadline(task)


async def once():
    await within_deadline(Deliverer().run_once(asyncio.Event()))


async def until(condition):
    """Wait until a condition holds, whose rows are read in a thread."""

    async def wait():
        while not await sync_to_async(condition)():  # noqa: ASYNC110 - other processes' rows too
            await asyncio.sleep(0.01)

    await within_deadline(wait())


def delivered():
    return WebhookDelivery.objects.filter(status="delivered").count()


async def test_event_is_delivered_with_a_valid_signature():
    async with receiving(says(200, b"thanks")) as receiver, running():
        target = await endpoint(receiver.url)
        (event_id,) = await happened()
        await until(lambda: delivered() == 1)
    (request,) = receiver.requests
    assert request.headers["webhook-id"] == event_id
    content = Webhook(target.secret).verify(request.body, request.headers)
    assert content["type"] == "zone.entered"
    assert content["data"] == {"driver": 1, "zone": "Depot Zürich"}
    assert list(content) == ["type", "timestamp", "data"]
    delivery = await WebhookDelivery.objects.aget()
    assert (delivery.attempts, delivery.status_code, delivery.answer) == (1, 200, "thanks")


async def test_failure_is_tried_again_with_the_same_id_and_body():
    answers = iter([says(500), says(302), says(200)])

    async def answer(request, writer):
        await next(answers)(request, writer)

    async with receiving(answer) as receiver:
        await endpoint(receiver.url)
        await happened()
        for _ in range(3):
            await once()
            await WebhookDelivery.objects.aupdate(next_attempt_at=timezone.now())
    assert len(receiver.requests) == 3
    assert len({(each.headers["webhook-id"], each.body) for each in receiver.requests}) == 1
    assert (await WebhookDelivery.objects.aget()).attempts == 3
    assert (await WebhookEndpoint.objects.aget()).failing_since is None


async def test_endpoint_that_hangs_delays_no_other(monkeypatch):
    monkeypatch.setattr(sender_module, "TIMEOUT", 3.0)
    async with receiving(hangs) as slow, receiving(says(200)) as quick:
        for _ in range(9):
            await endpoint(quick.url)
        await endpoint(slow.url)
        async with running():
            began = time.monotonic()
            await happened(30)
            await until(lambda: delivered() == 270)
            assert time.monotonic() - began < 3.0
            assert len(slow.requests) == queue.MAX_IN_FLIGHT


async def test_total_in_flight_is_bounded(monkeypatch):
    monkeypatch.setattr(deliverer_module, "MAX_IN_FLIGHT", 5)
    async with receiving(hangs) as slow, running():
        await endpoint(slow.url)
        await happened(10)
        await until(lambda: len(slow.requests) >= 5)
        await asyncio.sleep(0.1)
        assert len(slow.requests) == 5


async def test_gone_endpoint_is_disabled_and_reported():
    async with receiving(says(410)) as receiver:
        await endpoint(receiver.url)
        await happened()
        await once()
        await happened()
        await once()
    assert len(receiver.requests) == 1
    found = await WebhookEndpoint.objects.aget()
    assert found.disabled_reason == "gone"
    assert found.mail_due_at == found.disabled_at


async def test_retry_after_is_obeyed():
    async with receiving(says(429, retry_after="3600")) as receiver:
        await endpoint(receiver.url)
        await happened()
        await once()
    delivery = await WebhookDelivery.objects.aget()
    assert delivery.next_attempt_at > timezone.now() + timedelta(minutes=59)


async def test_message_that_is_too_big_is_not_sent():
    async with receiving(says(200)) as receiver:
        await endpoint(receiver.url)
        await happened()
        await Event.objects.aupdate(data={"zone": "x" * 20_000})
        await once()
    assert not receiver.requests
    assert "more than 20000 bytes" in (await WebhookDelivery.objects.aget()).answer


async def test_stopping_waits_for_answers_and_gives_back_what_hangs():
    release = asyncio.Event()

    async def answer(request, writer):
        await release.wait()
        await says(200)(request, writer)

    async with receiving(answer) as slow, receiving(hangs) as hanging:
        await endpoint(slow.url)
        await endpoint(hanging.url)
        async with running():
            await happened()
            await until(lambda: slow.requests and hanging.requests)
            asyncio.get_running_loop().call_later(0.1, release.set)
    kept = await sync_to_async(
        lambda: list(
            WebhookDelivery.objects.order_by("endpoint").values_list(
                "status", "claimed_until", "attempts"
            )
        )
    )()
    assert kept == [("delivered", None, 1), ("pending", None, 0)]


async def test_database_that_fails_is_waited_for_and_results_are_kept(monkeypatch, caplog):
    real, failures = queue.finish, iter([True, True])

    def finish(*args):
        if next(failures, False):
            raise OperationalError("it restarts")
        return real(*args)

    monkeypatch.setattr(queue, "finish", finish)
    async with receiving(says(200)) as receiver, running():
        await endpoint(receiver.url)
        await happened()
        await until(lambda: delivered() == 1)
    assert len(receiver.requests) == 1
    assert caplog.text.count("wait for the database") <= 1


async def test_result_that_cannot_be_written_is_left_to_the_end_of_its_claim(monkeypatch, caplog):
    real, failures = queue.finish, iter([True])

    def finish(*args):
        if next(failures, False):
            raise ValueError("a bug")
        return real(*args)

    monkeypatch.setattr(queue, "finish", finish)
    monkeypatch.setattr(queue, "LEASE", timedelta(seconds=0.3))
    async with receiving(says(200)) as receiver, running():
        await endpoint(receiver.url)
        await happened()
        await until(lambda: delivered() == 1)
    assert len(receiver.requests) == 2
    assert "a bug" in caplog.text


async def test_first_attempts_start_in_the_order_of_events():
    async with receiving(says(200)) as receiver:
        await endpoint(receiver.url)
        ids = await happened(100)
        async with running():
            await until(lambda: delivered() == 100)
    arrived = [request.headers["webhook-id"] for request in receiver.requests]
    assert sorted(arrived) == sorted(ids)
    # Those in flight together may overtake each other on the way.
    places = {key: place for place, key in enumerate(sorted(ids))}
    assert all(abs(place - places[key]) < queue.MAX_IN_FLIGHT for place, key in enumerate(arrived))
