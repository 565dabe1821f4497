"""Webhooks and events in the admin, in a real browser."""

import re

import pytest
from playwright.async_api import expect

from tests import services

from .visits import PHONE, keep, person

STAFF, DRIVER = 991, 992
DEADLINE = 15_000  # ms
ENDPOINTS = "/admin/tracking/webhookendpoint/"
DELIVERIES = "/admin/tracking/webhookdelivery/"
EVENTS = "/admin/tracking/event/"
URL = "http://127.0.0.1:9/webhooks"
SECRET = re.compile(r"^whsec_[A-Za-z0-9+/=]{32,}$")

ROWS = f"""
from datetime import timedelta
from django.utils import timezone
from tracking import trips
from tracking.models import Event, WebhookDelivery, WebhookEndpoint
from tracking.webhooks import endpoints
trip = trips.create(reference="T-7", driver={DRIVER})
trips.set_status(trip, "enroute_to_pickup")
now = timezone.now()
Event.objects.update(dispatched_at=now)
names = ["Notifications for riders", "Data warehouse", "Old dispatch system", ""]
made = [endpoints.create("{URL}", endpoints.CHOICES[:4], name)[0] for name in names]
failing = dict(failing_since=now - timedelta(hours=3))
gone = dict(disabled_at=now - timedelta(days=2), disabled_reason="gone")
for endpoint, fields in zip(made[1:3], (failing, gone)):
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(**fields)
rows = [
    dict(status="delivered", attempts=1, status_code=204, duration=0.041),
    dict(status="pending", attempts=3, status_code=503, duration=9.87,
         answer="Service Unavailable: <b>try later</b>", next_attempt_at=now + timedelta(hours=2)),
    dict(status="failed", attempts=10, answer="The connection was refused."),
]
for event in Event.objects.order_by("pk"):
    for endpoint, fields in zip(made, rows):
        WebhookDelivery.objects.create(
            event=event, endpoint=endpoint, created_at=now, last_attempt_at=now, **fields
        )
"""


@pytest.fixture(scope="module")
def host():
    with services.sqlite() as database_url:
        environment = services.environment(
            database_url,
            DJANGO_SETTINGS_MODULE="tests.e2e.host_project.settings",
            TRACKING_WEBHOOK_ALLOW_PRIVATE="True",
        )
        services.migrate(environment)
        people = [person(STAFF, "dispatcher"), person(DRIVER, "driver", name="Jonh")]
        services.create_users(environment, people)
        services.manage(environment, "shell", "--verbosity", "0", "--command", ROWS)
        with services.Runserver(environment, "host project", delivers=True) as server:
            yield server


async def test_endpoint_is_added_its_secret_copied_rotated_and_tested(visit):
    async with visit(STAFF, f"{ENDPOINTS}add/") as page:
        page.set_default_timeout(DEADLINE)
        await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        await page.get_by_label("URL").fill(URL)
        await page.get_by_label("Description").fill("Night shift")
        await page.get_by_label("waypoint.arrived").check()
        await keep(page, "admin-webhook-add")
        await page.get_by_role("button", name="Save", exact=True).click()
        await expect(page.get_by_text("It is not shown again.")).to_be_visible()
        first = await page.locator("#secret").text_content()
        assert SECRET.match(first)
        await page.get_by_role("button", name="Copy").click()
        await expect(page.get_by_role("status")).to_have_text("Copied")
        assert await page.evaluate("navigator.clipboard.readText()") == first
        await keep(page, "admin-webhook-secret")

        await page.get_by_role("link", name="go on to the endpoint").click()
        assert first not in await page.content()
        await page.get_by_role("button", name="Rotate secret…").click()
        await expect(page.get_by_role("heading", name="Rotate the secret?")).to_be_visible()
        await keep(page, "admin-webhook-rotate")
        await page.get_by_role("button", name="Rotate secret", exact=True).click()
        await expect(page.get_by_role("heading", name="Secret rotated")).to_be_visible()
        second = await page.locator("#secret").text_content()
        assert SECRET.match(second)
        assert second != first

        await page.get_by_role("link", name="go on to the endpoint").click()
        await page.get_by_role("button", name="Send test").click()
        await expect(page.locator(".messagelist")).to_contain_text("A test is on its way")
        await expect(page.locator("#deliveries")).to_contain_text("webhook.test")
        await page.get_by_role("button", name="Disable").click()
        await expect(page.locator(".tracking-endpoint")).to_contain_text("disabled by staff")
        await page.get_by_role("button", name="Enable").click()
        await expect(page.get_by_role("button", name="Send test")).to_be_visible()


async def test_failed_delivery_is_seen_and_repeated(visit):
    async with visit(STAFF, ENDPOINTS) as page:
        page.set_default_timeout(DEADLINE)
        await keep(page, "admin-webhooks")
        await page.get_by_role("link", name="Data warehouse").click()
        await expect(page.locator(".tracking-endpoint")).to_contain_text("failing since")
        await keep(page, "admin-webhook")
        await page.locator("#deliveries").get_by_role("link").first.click()
        await expect(page.get_by_text("Service Unavailable: <b>try later</b>")).to_be_visible()
        await keep(page, "admin-webhook-delivery")
        await page.get_by_role("button", name="Deliver again").click()
        await expect(page.locator(".messagelist")).to_contain_text("It is due now")
        site = page.url.split("/admin/")[0]
        await page.goto(site + DELIVERIES)
        await keep(page, "admin-webhook-deliveries")
        await page.goto(site + EVENTS)
        await keep(page, "admin-events")
        await page.get_by_role("link", name="A trip's status or driver has changed").click()
        await page.locator("#result_list tbody a").first.click()
        await expect(page.get_by_role("heading", name="Event trip.status_changed")).to_be_visible()
        await keep(page, "admin-event")
        await page.get_by_role("link", name="All events of this driver").click()
        await expect(page.locator("#changelist-filter")).to_contain_text("Jonh")


async def test_pages_fit_a_phone(visit):
    for path, name in (
        (ENDPOINTS, "webhooks"),
        (f"{ENDPOINTS}add/", "webhook-add"),
        (f"{ENDPOINTS}2/change/", "webhook"),
        (DELIVERIES, "webhook-deliveries"),
        (f"{DELIVERIES}2/change/", "webhook-delivery"),
        (EVENTS, "events"),
    ):
        async with visit(STAFF, path, **PHONE) as page:
            width = await page.evaluate("document.documentElement.scrollWidth")
            await keep(page, f"admin-{name}-phone")
            assert width <= PHONE["viewport"]["width"], path
