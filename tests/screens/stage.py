"""A server with people and data, for the functions that prepare a page's state."""

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any

from playwright.async_api import Browser, BrowserContext, Page

from tests import services
from tests.e2e.client import Driver
from tests.e2e.http import call
from tests.e2e.tokens import login_token
from tests.e2e.visits import PASSWORD, person

from . import desk_rows

RIDER, DRIVER, DISPATCHER, OTHER = 601, 602, 603, 604
# The drivers of the trips, one for each state.
FIRST, DRIVERS = 610, 40
# Drivers who log in, one for each state of the shift, and one whose location nobody knows.
SHIFT, SHIFTS, UNSEEN = 700, 20, 730
# Drivers in the demo's town, who are on duty during a trip only, and on no fleet's map after it.
TOWN, TOWNS = 740, 8
# Names and places are in Greek: a test can tell them from texts that are not translated.
NAME, VEHICLE = "Μυρτώ", "Λευκό Πριους, ΔΞΨ 4711"
PICKUP = {"kind": "pickup", "lat": 51.5, "lon": -0.12, "name": "Οδός 12"}
STOP = {"kind": "stop", "lat": 51.505, "lon": -0.11, "name": "Αγορά"}
DROPOFF = {"kind": "dropoff", "lat": 51.51, "lon": -0.1, "name": "Λιμάνι"}

ROWS = f"""
from datetime import timedelta
from django.utils import timezone
from tracking.models import *

now = timezone.now()
for number in range({DRIVERS}):
    # The last ones are stale and offline.
    age = timedelta(seconds={{38: 60, 39: 3600}}.get(number, 0))
    DriverLocation.objects.create(
        driver_id={FIRST} + number, latitude=51.5 + number / 500, longitude=-0.12 + number / 700,
        speed=9.0, heading=40.0, accuracy=8.0, recorded_at=now - age, received_at=now - age,
    )
    DriverState.objects.get_or_create(
        driver_id={FIRST} + number,
        # Riders see no car near where its shift began.
        defaults=dict(state="available", since=now, shift_began_at=[52.0, 0.0]),
    )
start = now.replace(hour=0, minute=0, second=0) - timedelta(days=1) + timedelta(hours=6)
HistoryFix.objects.bulk_create(
    HistoryFix(
        driver_id={FIRST}, recorded_at=start + timedelta(seconds=s),
        received_at=start + timedelta(seconds=s),
        latitude_e7=round((51.5 + min(s, 1800) / 111195 * 8) * 1e7), longitude_e7=-1_200_000,
        speed=8.0 if s < 1800 else 0.0, heading=0.0, accuracy=5.0, battery=80, charging=False,
        mock=False,
    )
    for s in range(0, 3600, 10)
)
WatchGrant.objects.create(
    driver_id={DRIVER}, watcher_id={RIDER}, starts_at=now, ends_at=now + timedelta(hours=9)
)
Device.objects.create(driver_id={DRIVER}, label="Κινητό", token_hash="0" * 64)
Zone.objects.create(name="Κέντρο", latitude=51.5, longitude=-0.1, radius=400)
endpoint = WebhookEndpoint.objects.create(url="https://example.org/", secret="x" * 32)
HistoryHold.objects.create(
    reference="Ω-1", driver_id={DRIVER}, since=start, until=now, held_at=now
)
HistoryErasure.objects.create(driver_id={OTHER}, before=start, erased_at=now)
event = Event.objects.create(type=Event._meta.get_field("type").choices[0][0], occurred_at=now)
WebhookDelivery.objects.create(event=event, endpoint=endpoint, created_at=now, next_attempt_at=now)
trip = Trip.objects.create(created_at=now)
DriverAlert.objects.create(
    kind=DriverAlert._meta.get_field("kind").choices[0][0], driver_id={FIRST}, trip=trip, since=now
)
LocationAccess.objects.create(
    at=now, way=LocationAccess._meta.get_field("way").choices[0][0], viewer_id={DISPATCHER},
    driver_id={DRIVER},
)
"""
# Prints the paths of the admin's lists and forms as JSON.
ADMIN = """
import json
from django.contrib import admin
from django.urls import reverse
found = {}
for model, site in admin.site._registry.items():
    if model._meta.app_label not in ("accounts", "tracking"):
        continue
    name = f"{model._meta.app_label}_{model._meta.model_name}"
    found[f"{name}-list"] = reverse(f"admin:{name}_changelist")
    row = model._base_manager.order_by("pk").first()
    if row is not None:
        found[f"{name}-change"] = reverse(f"admin:{name}_change", args=[row.pk])
    if name in ("tracking_trip", "tracking_watchgrant", "tracking_zone", "accounts_user",
                "tracking_device", "tracking_webhookendpoint"):
        found[f"{name}-add"] = reverse(f"admin:{name}_add")
print(json.dumps(found))
"""


@contextmanager
def server(settings: str, **environment: str) -> Iterator["Screens"]:
    """Run a server with the settings module, its people and their data."""
    with services.sqlite() as database_url:
        variables = services.environment(
            database_url,
            DJANGO_SETTINGS_MODULE=settings,
            TRACKING_STALE_AFTER="30",
            TRACKING_OFFLINE_AFTER="600",
            TRACKING_MAX_FIXES_PER_SECOND="0",
            TRACKING_HISTORY="all",
            TRACKING_HISTORY_DAYS="30",
            **environment,
        )
        services.migrate(variables)
        people = [person(RIDER, "rider", name="Ωμέγα"), person(OTHER, "rider", name="Σίγμα")]
        people += [person(DRIVER, "driver", name=NAME)]
        people += [person(DISPATCHER, "dispatcher", name="Δέλτα")]
        drivers = range(FIRST, FIRST + DRIVERS)
        people += [person(pk, "driver", name=f"{NAME} {pk}", password=None) for pk in drivers]
        people += [person(SHIFT + number, "driver", name=NAME) for number in range(SHIFTS)]
        people += [
            person(TOWN + number, "driver", name=f"{NAME} {TOWN + number}", password=None)
            for number in range(TOWNS)
        ]
        people += [person(UNSEEN, "driver", name=NAME)]
        people += [person(pk, "driver", name=name, password=None) for pk, name in desk_rows.NAMES]
        services.create_users(variables, people)
        rows = ROWS + desk_rows.ROWS
        services.manage(variables, "shell", "--verbosity", "0", "--command", rows)
        with Screens(variables, "screens") as running:
            yield running


class Screens(services.Runserver):
    """A server, and its drivers without a trip."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.free_drivers = deque(range(FIRST, FIRST + DRIVERS - 2))
        # What a state has made and can use again, by a name.
        self.made: dict[str, Any] = {}
        self.town_drivers = deque(range(TOWN, TOWN + TOWNS))
        # The cookies of the users who have logged in.
        self.sessions: dict[int, Any] = {}


class Phone(Driver):
    """A driver's phone."""

    def __init__(self, server_url: str, driver_id: int, token: str) -> None:
        super().__init__(server_url, driver_id, token)
        self.driver_id = driver_id


class Stage:
    """The preparation of a page's state. Drivers that report stay connected until `close`."""

    def __init__(self, running: Screens, browser: Browser) -> None:
        self.server = running
        self._browser = browser
        self._open = AsyncExitStack()
        self._trips: list[tuple[str, int]] = []
        self._town_drivers: list[int] = []
        self._paths: dict[str, str] = {}
        # What happens before a page is opened, and after. `prepare` of a state may set them.
        self.before: Callable[[BrowserContext], Awaitable[Any]] | None = None
        self.act: Callable[[Page], Awaitable[Any]] | None = None

    async def close(self) -> None:
        """End the trips. Their drivers are free again."""
        await self._open.aclose()
        for path, driver in self._trips:
            # Refused if it has ended.
            await call(self.server.port, "POST", f"{path}cancel/", login_token(DISPATCHER), {})
            if driver:
                self.server.free_drivers.append(driver)
        for driver in self._town_drivers:
            await self.set_state(driver, "non_operational")
        self.server.town_drivers.extend(self._town_drivers)

    async def post(self, path: str, user_id: int = 0, *, method: str = "POST", **body: Any) -> Any:
        """Call the REST API as a user, or as the dispatch system does."""
        token = login_token(user_id or DISPATCHER)
        answer = await call(self.server.port, method, path, token, body)
        assert answer.status in (200, 201, 204), (path, answer.status, answer.body)
        return answer.json() if answer.body else None

    async def trip(self, *statuses: str, driver: bool = True, **fields: Any) -> tuple[str, int]:
        """Return the REST path of a new trip, which has gone through `statuses`, and its driver."""
        waypoints = fields.pop("waypoints", [PICKUP, DROPOFF])
        made = await self.post("/trips/", riders=[RIDER], waypoints=waypoints, **fields)
        path, driver_id = f"/trips/{made['id']}/", 0
        if driver:
            driver_id = self.server.free_drivers.popleft()
            await self.post(f"{path}assign/", driver=driver_id, vehicle=VEHICLE)
        self._trips.append((path, driver_id))
        for status in statuses:
            if status in ("complete", "cancel"):
                await self.post(f"{path}{status}/")
            else:
                await self.post(f"{path}status/", status=status)
        return path, driver_id

    async def town_driver(self) -> int:
        """Return a driver in the demo's town, who is on duty until `close`."""
        driver = self.server.town_drivers.popleft()
        self._town_drivers.append(driver)
        await self.set_state(driver, "available")
        return driver

    async def set_state(self, driver: int, state: str) -> None:
        await self.post(f"/driver/{driver}/state/", method="PUT", state=state)

    async def link(self, trip: str) -> str:
        """Return the path of a new link that shares a trip."""
        made = await self.post(f"{trip}shares/", RIDER)
        return "/t/" + made["url"].rpartition("/t/")[2]

    async def drive(self, driver_id: int, latitude: float, longitude: float) -> "Phone":
        """Connect a driver's phone, which reports a location."""
        url = self.server.websocket_url
        phone = await self._open.enter_async_context(Phone(url, driver_id, login_token(driver_id)))
        await phone.send(latitude, longitude)
        return phone

    def keep_sending(self, phone: "Phone", latitude: float, longitude: float) -> None:
        """Let a phone report a location each second until `close`."""

        async def send() -> None:
            while True:
                await phone.send(latitude, longitude)
                await asyncio.sleep(1)

        task = asyncio.create_task(send())
        self._open.callback(task.cancel)

    def admin(self) -> dict[str, str]:
        """Return the paths of the admin's lists and forms of our models."""
        if not self._paths:
            command = ("shell", "--verbosity", "0", "--command", ADMIN)
            output = services.manage(self.server.environment, *command)
            self._paths = json.loads(output.splitlines()[-1])
        return self._paths

    async def context(self, user_id: int | None, language: str, **options: Any) -> BrowserContext:
        """Return a browser context in which the user is logged in, with the language's cookie."""
        if user_id is not None and user_id not in self.server.sessions:
            self.server.sessions[user_id] = await self._log_in(user_id)
        state = self.server.sessions.get(user_id) if user_id is not None else None
        context = await self._browser.new_context(storage_state=state, **options)
        cookie = {"name": "django_language", "value": language, "url": self.server.http_url}
        await context.add_cookies([cookie])  # type: ignore[list-item]
        return context

    async def _log_in(self, user_id: int) -> Any:
        context = await self._browser.new_context()
        page = await context.new_page()
        await page.goto(f"{self.server.http_url}/accounts/login/?next=/")
        await page.locator("[name=username]").fill(f"{user_id}@example.org")
        await page.locator("[name=password]").fill(PASSWORD)
        await page.get_by_role("button", name="Log in").click()
        await page.wait_for_url(f"{self.server.http_url}/")
        state = await context.storage_state()
        await context.close()
        return state
