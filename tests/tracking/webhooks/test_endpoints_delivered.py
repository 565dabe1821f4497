"""Endpoints with a real deliverer: tests, rotated secrets, and repeated deliveries."""

import asyncio

import pytest
from asgiref.sync import sync_to_async
from standardwebhooks import Webhook, WebhookVerificationError

from tests.tracking.fakes import within_deadline
from tracking.models import Event, WebhookDelivery
from tracking.webhooks import endpoints
from tracking.webhooks.deliverer import Deliverer

from .receivers import receiving, says

pytestmark = pytest.mark.django_db(transaction=True)

create = sync_to_async(endpoints.create)
rotate = sync_to_async(endpoints.rotate_secret)
send_test = sync_to_async(endpoints.send_test)
redeliver = sync_to_async(endpoints.redeliver)


@pytest.fixture(autouse=True)
def _receivers_here(settings):
    settings.TRACKING = settings.TRACKING | {"WEBHOOK_ALLOW_PRIVATE": True}


async def deliver():
    await within_deadline(Deliverer().run_once(asyncio.Event()))


def verifies(secret, request):
    try:
        Webhook(secret).verify(request.body, request.headers)
    except WebhookVerificationError:
        return False
    return True


async def test_test_is_delivered_to_its_endpoint_once_and_signed_with_its_secret():
    async with receiving(says(204)) as receiver, receiving(says(204)) as other:
        endpoint, secret = await create(receiver.url, ["zone.entered"])
        await create(other.url, endpoints.CHOICES)
        await send_test(endpoint)
        await deliver()
    (request,) = receiver.requests
    assert other.requests == []
    content = Webhook(secret).verify(request.body, request.headers)
    assert (content["type"], content["data"]) == ("webhook.test", {"endpoint": endpoint.pk})
    assert await Event.objects.acount() == 1


async def test_former_secret_still_verifies_after_a_rotation_and_the_one_before_it_no_more():
    async with receiving(says(204)) as receiver:
        endpoint, first = await create(receiver.url, ["zone.entered"])
        second = await rotate(endpoint)
        await send_test(endpoint)
        await deliver()
        third = await rotate(endpoint)
        await send_test(endpoint)
        await deliver()

    assert [
        [verifies(secret, request) for secret in (first, second, third)]
        for request in receiver.requests
    ] == [[True, True, False], [False, True, True]]


async def test_repeated_delivery_has_the_same_id_and_body():
    async with receiving(says(204)) as receiver:
        endpoint, _ = await create(receiver.url, ["zone.entered"])
        delivery = await send_test(endpoint)
        await deliver()
        await redeliver(delivery)
        await deliver()
    one, two = receiver.requests
    assert one.headers["webhook-id"] == two.headers["webhook-id"] == str(delivery.event_id)
    assert one.body == two.body
    await delivery.arefresh_from_db()
    assert (delivery.status, delivery.attempts) == ("delivered", 1)
    assert await WebhookDelivery.objects.acount() == 1
