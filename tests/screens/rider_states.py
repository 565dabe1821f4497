"""The states of a rider's trip, of the page of its link, and of a driver's shift."""

import itertools
import json
import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

from playwright.async_api import BrowserContext, Page, WebSocketRoute, expect

from tests.e2e.visits import UNREACHABLE

from .stage import (
    DRIVER,
    OTHER,
    RIDER,
    SHIFT,
    UNSEEN,
    VEHICLE,
    Phone,
    Stage,
)
from .states import state

DEADLINE: Final = 8_000  # ms
MINUTE: Final = 60_000  # ms
# The page's clock goes this much forward, in milliseconds.
FORWARD: Final = "ms => { const now = Date.now; Date.now = () => now() + ms; }"
COMING, WAITING = ["enroute_to_pickup"], ["enroute_to_pickup", "arrived_at_pickup"]
RIDING: Final = [*WAITING, "enroute_to_dropoff"]
# Crossings in the demo's town.
AT_PICKUP, AT_STOP, AT_DROPOFF = (-1.43564, 0.98691), (-1.4302, 0.9895), (-1.42314, 0.99913)
# Before the pickup, just before it, and between the stop and the destination.
FAR, NEAR, ON_THE_WAY = (-1.44291, 0.97996), (-1.4362, 0.9862), (-1.4267, 0.9911)
NAMES: Final = {"pickup": "Οδός 12", "stop": "Αγορά", "dropoff": "Λιμάνι"}
TRIP: Final = "[data-located] [data-part=status]"
# A trip whose car is on the map.
CAR: Final = ".tracking-car"
# A trip whose time of arrival is known.
ETA: Final = "[data-car] [data-part=eta]:not(:empty)"
PART: Final = "[data-part={}]:not(:empty)"
NOTICE: Final = "[data-part=notice][data-kind={}]"
# For tests of texts that are longer than most.
LONG: Final = "Λεωφόρος Κωνσταντίνου Παλαιολόγου και Αγίας Παρασκευής 1234"


def visible(selector: str) -> Callable[[Page], Awaitable[Any]]:
    return lambda page: expect(page.locator(selector).first).to_be_visible(timeout=DEADLINE)


def places(*kinds: str) -> list[dict[str, Any]]:
    """Return the waypoints of these kinds, of a pickup and a destination unless they are given."""
    at = {"pickup": AT_PICKUP, "stop": AT_STOP, "dropoff": AT_DROPOFF}
    return [
        {"kind": kind, "name": NAMES[kind], "lat": at[kind][0], "lon": at[kind][1]}
        for kind in kinds or ("pickup", "dropoff")
    ]


ALL: Final = ("pickup", "stop", "dropoff")


async def waiting(stage: Stage, **fields: Any) -> str:
    """Return the path of a new trip without a driver."""
    path, _ = await stage.trip(driver=False, **{"waypoints": places(), **fields})
    return path


def after(milliseconds: int, status: str) -> Callable[[Page], Awaitable[None]]:
    """Return an act that lets the page's clock go on until the driver has this status."""

    async def act(page: Page) -> None:
        await page.evaluate(FORWARD, milliseconds)
        await visible(f"[data-status={status}]")(page)

    return act


async def coming(
    stage: Stage, *statuses: str, at: tuple[float, float] = FAR, **fields: Any
) -> tuple[str, Phone]:
    """Return the path of a new trip whose car is on the map, and its driver's phone."""
    phone = await stage.drive(await stage.town_driver(), *at)
    path = await waiting(stage, **fields)
    await stage.post(f"{path}assign/", driver=phone.driver_id, vehicle=VEHICLE)
    for status in statuses:
        await stage.post(
            f"{path}{status}/" if status == "complete" else f"{path}status/",
            **({} if status == "complete" else {"status": status}),
        )
    # The server estimates the arrival with a fix that comes during the trip.
    if "complete" not in statuses:
        await phone.send(*at)
    return path, phone


# A rider's trip.


@state(RIDER, TRIP)
async def trip_looking(stage: Stage) -> str:
    return await waiting(stage)


@state(RIDER, ETA)
async def trip_assigned(stage: Stage) -> str:
    path, _ = await coming(stage)
    return path


@state(RIDER, ETA, page=True)
async def trip_on_the_way(stage: Stage) -> str:
    path, _ = await coming(stage, "enroute_to_pickup")
    return path


@state(RIDER, CAR)
async def trip_here(stage: Stage) -> str:
    path, _ = await coming(stage, "enroute_to_pickup", "arrived_at_pickup", at=AT_PICKUP)
    return path


@state(RIDER, ETA)
async def trip_to_a_stop(stage: Stage) -> str:
    statuses = [*WAITING, "enroute_to_intermediate_destination"]
    path, _ = await coming(stage, *statuses, at=(-1.4341, 0.9887), waypoints=places(*ALL))
    return path


@state(RIDER, ETA)
async def trip_to_the_destination(stage: Stage) -> str:
    path, _ = await coming(stage, *RIDING, at=ON_THE_WAY)
    return path


@state(RIDER, TRIP)
async def trip_complete(stage: Stage) -> str:
    path, _ = await coming(stage, *RIDING, "complete", at=AT_PICKUP)
    return path


@state(RIDER, TRIP)
async def trip_canceled(stage: Stage) -> str:
    path = await waiting(stage)
    await stage.post(f"{path}cancel/")
    return path


@state(RIDER, ETA, act=lambda page: page.locator("[data-part=share]").click())
async def trip_sharing(stage: Stage) -> str:
    path, _ = await coming(stage, "enroute_to_pickup")
    return path


@state(None, ETA, page=True)
async def shared_trip(stage: Stage) -> str:
    path, phone = await coming(stage, *COMING)
    return await linked(stage, path, phone, FAR)


@state(None, status=410)
async def shared_trip_ended(stage: Stage) -> str:
    path, _ = await coming(stage, *COMING)
    link = await stage.link(path)
    await stage.post(f"{path}cancel/")
    return link


@state(None, status=404)
async def shared_trip_unknown(stage: Stage) -> str:
    return f"/t/{'x' * 22}"


@state(None, page=True)
async def offline_of_a_driver(stage: Stage) -> str:
    return "/driver/share/app-offline/"


@state(None)
async def offline_of_a_trip(stage: Stage) -> str:
    return "/trips/app-offline/"


@state(RIDER, ".tracking-nearby")
async def trip_looking_with_cars_nearby(stage: Stage) -> str:
    free = [(-1.4331, 0.983), (-1.4348, 0.9925), (-1.4309, 0.9888), (-1.4391, 0.9895)]
    cars = [
        {"id": str(lon), "location_lat": str(lat), "location_lon": str(lon)} for lat, lon in free
    ]

    async def show(context: BrowserContext) -> None:
        # Before the server shows a rider a car, it has been free for minutes.
        def answer(socket: WebSocketRoute) -> None:
            socket.on_message(lambda _: socket.send(json.dumps({"cars": cars})))

        await context.route_web_socket("**/nearby/get-tracking*", answer)

    stage.before = show
    return await waiting(stage)


@state(RIDER, PART.format("detail"))
async def trip_without_a_car(stage: Stage) -> str:
    path = await waiting(stage)
    await stage.post(f"{path}assign/", driver=UNSEEN, vehicle=VEHICLE)
    return path


@state(RIDER, ETA)
async def trip_arriving_now(stage: Stage) -> str:
    path, _ = await coming(stage, *COMING, at=NEAR)
    return path


@state(RIDER, ETA)
async def trip_late(stage: Stage) -> str:
    path, phone = await coming(stage, *COMING)
    cars = itertools.cycle([f"{VEHICLE}1", VEHICLE])

    async def wait(page: Page) -> None:
        await expect(page.locator(PART.format("eta"))).to_be_visible(timeout=DEADLINE)
        await page.evaluate(FORWARD, 12 * MINUTE)
        # A frame with the same estimate, which is 12 minutes later than the first now.
        await stage.post(f"{path}assign/", driver=phone.driver_id, vehicle=next(cars))
        await phone.send(*FAR)
        await visible(NOTICE.format("late"))(page)

    stage.act = wait
    return path


@state(RIDER, CAR)
async def trip_with_another_driver(stage: Stage) -> str:
    path, first = await coming(stage, *COMING)
    second = await stage.drive(await stage.town_driver(), -1.4303, 0.9815)
    drivers = itertools.cycle([second.driver_id, first.driver_id])

    async def change(page: Page) -> None:
        await stage.post(f"{path}assign/", driver=next(drivers), vehicle=VEHICLE)
        await visible(NOTICE.format("changed"))(page)
        await visible(CAR)(page)
        # The map moves to the other car.
        await page.wait_for_timeout(1000)

    stage.act = change
    return path


@state(RIDER, TRIP)
async def trip_looking_again(stage: Stage) -> str:
    path, phone = await coming(stage)

    async def lose(page: Page) -> None:
        await stage.post(f"{path}assign/", driver=phone.driver_id, vehicle=VEHICLE)
        await visible(CAR)(page)
        await stage.post(f"{path}assign/", driver=None)
        await visible(NOTICE.format("changed"))(page)

    stage.act = lose
    return path


@state(RIDER, CAR)
async def trip_waiting_for_the_rider(stage: Stage) -> str:
    at = AT_PICKUP
    path, phone = await coming(stage, *COMING, at=at)

    async def wait(page: Page) -> None:
        for status in WAITING:
            await stage.post(f"{path}status/", status=status)
        await visible("[data-here]")(page)
        await page.evaluate(FORWARD, 4 * MINUTE)
        await phone.send(*at)
        await visible(NOTICE.format("waiting"))(page)

    stage.act = wait
    return path


@state(RIDER, CAR, act=after(MINUTE, "stale"))
async def trip_stale(stage: Stage) -> str:
    path, _ = await coming(stage, *COMING)
    return path


@state(RIDER, CAR, act=after(15 * MINUTE, "offline"))
async def trip_with_the_driver_offline(stage: Stage) -> str:
    path, _ = await coming(stage, *COMING)
    return path


@state(RIDER, CAR)
async def trip_at_a_stop(stage: Stage) -> str:
    statuses = ["enroute_to_intermediate_destination", "arrived_at_intermediate_destination"]
    path, _ = await coming(stage, *WAITING, *statuses, at=AT_STOP, waypoints=places(*ALL))
    return path


@state(RIDER, ETA)
async def trip_with_long_texts(stage: Stage) -> str:
    names = [{**each, "name": f"{LONG} {each['kind']}"} for each in places(*ALL)]
    path, phone = await coming(stage, *COMING, waypoints=names)
    vehicle = "Ασημί επταθέσιο Φολκσβάγκεν Καραβέλ, ΔΞΨ 1234 ΔΞ"
    await stage.post(f"{path}assign/", driver=phone.driver_id, vehicle=vehicle)
    return path


@state(RIDER, ETA)
async def trip_pulled_down(stage: Stage) -> str:
    async def pull(page: Page) -> None:
        handle = page.locator("[data-part=handle]")
        if await handle.is_visible():
            await handle.press("ArrowDown")

    path, _ = await coming(stage, *RIDING, at=ON_THE_WAY)
    stage.act = pull
    return path


@state(RIDER, "[data-part=distance]:not(:empty)")
async def trip_complete_with_its_way(stage: Stage) -> str:
    path, phone = await coming(stage, *WAITING, at=AT_PICKUP)
    await stage.post(f"{path}status/", status="enroute_to_dropoff")
    for at in (
        AT_PICKUP,
        (-1.4333, 0.9889),
        AT_STOP,
        (-1.4267, 0.9911),
        (-1.4236, 0.9933),
        AT_DROPOFF,
    ):
        await phone.send(*at)
    await stage.post(f"{path}complete/")
    return path


async def disconnect(page: Page) -> None:
    await page.context.set_offline(True)
    await visible("[data-part=banner]")(page)


@state(RIDER, CAR, act=disconnect, logs=UNREACHABLE)
async def trip_disconnected(stage: Stage) -> str:
    path, _ = await coming(stage, *COMING)
    return path


# A page that asks for a token after the log-out.
REFUSED: Final = re.compile(r"status of 40[13]")


async def linked(stage: Stage, trip: str, phone: Phone, at: tuple[float, float]) -> str:
    """Return the path of a new link. Its page shows no fix from before the link."""
    link = await stage.link(trip)
    stage.keep_sending(phone, *at)
    return link


def log_out(user_id: int, stage: Stage) -> Callable[[Page], Awaitable[None]]:
    """Return an act that logs the user out in another tab."""

    async def act(page: Page) -> None:
        del stage.server.sessions[user_id]
        other = await page.context.new_page()
        await other.goto(stage.server.http_url)
        await other.locator(".bar form[action*=logout] button").click()
        await other.wait_for_url("**/accounts/login/**")
        await other.close()
        await visible("[data-part=log-in]")(page)

    return act


@state(RIDER, CAR, logs=REFUSED)
async def trip_logged_out(stage: Stage) -> str:
    path, _ = await coming(stage, *COMING)
    stage.act = log_out(RIDER, stage)
    return path


@state(OTHER, status=404)
async def trip_of_others(stage: Stage) -> str:
    return "/screens/not-found/"


async def leave(page: Page, text: str) -> None:
    """Load the page again without a connection, 12 minutes after the device has noted the text."""
    await page.evaluate("navigator.serviceWorker.ready.then(() => 0)")
    await page.wait_for_function(
        """async (text) => {
            const cache = await caches.open("tracking-memory");
            const kept = await Promise.all((await cache.keys()).map((key) => cache.match(key)));
            const texts = await Promise.all(kept.map((each) => each.text()));
            return texts.some((each) => each.includes(text));
        }""",
        arg=text,
        timeout=DEADLINE,
    )
    await page.context.set_offline(True)
    await page.add_init_script(f"({FORWARD})({12 * MINUTE})")
    await page.reload()
    await visible("[data-part=kept]")(page)


@state(RIDER, CAR, act=partial(leave, text=NAMES["dropoff"]), logs=UNREACHABLE)
async def trip_offline(stage: Stage) -> str:
    path, _ = await coming(stage, *COMING)
    return path


# The dialog of links.

LINKS: Final = "[data-part=share-list] li"


async def share(page: Page) -> None:
    await page.locator("[data-part=share]").click()
    await visible(LINKS)(page)


@state(RIDER, CAR)
async def trip_sharing_links(stage: Stage) -> str:
    path, phone = await coming(stage, *COMING)
    for _ in range(2):
        await stage.link(path)
    link = await linked(stage, path, phone, FAR)
    made = await stage.context(None, "en")
    # One of them is opened.
    page = await made.new_page()
    await page.goto(f"{stage.server.http_url}{link}")
    await visible(CAR)(page)
    await made.close()
    stage.act = share
    return path


@state(RIDER, CAR, options={"permissions": ["clipboard-write"]})
async def trip_sharing_a_new_link(stage: Stage) -> str:
    path, _ = await coming(stage, *COMING)

    async def create(page: Page) -> None:
        # A new one each time is soon one too many.
        listed = await page.locator(LINKS).count()
        await page.locator("[data-part=share]").click()
        await page.locator("[data-part=share-new]").click()
        await visible(PART.format("share-note"))(page)
        await expect(page.locator(LINKS).nth(listed)).to_be_visible()

    stage.act = create
    return path


@state(RIDER, CAR)
async def trip_sharing_stopped(stage: Stage) -> str:
    path, _ = await coming(stage, *COMING)
    for _ in range(5):
        await stage.link(path)

    async def stop(page: Page) -> None:
        await share(page)
        await page.locator("[data-part=share-list] button").first.click()
        await visible(PART.format("share-note"))(page)

    stage.act = stop
    return path


@state(RIDER, CAR, logs=re.compile("status of 409"))
async def trip_sharing_too_many(stage: Stage) -> str:
    path, _ = await coming(stage, *COMING)
    for _ in range(5):
        await stage.link(path)

    async def create(page: Page) -> None:
        await share(page)
        await page.locator("[data-part=share-new]").click()
        await visible(PART.format("share-note"))(page)

    stage.act = create
    return path


# The page of a link.


@state(None, TRIP)
async def shared_trip_looking(stage: Stage) -> str:
    path = await waiting(stage)
    return await stage.link(path)


@state(None, CAR)
async def shared_trip_here(stage: Stage) -> str:
    path, phone = await coming(stage, *WAITING, at=AT_PICKUP)
    return await linked(stage, path, phone, AT_PICKUP)


@state(None, ETA)
async def shared_trip_riding(stage: Stage) -> str:
    path, phone = await coming(stage, *RIDING, at=ON_THE_WAY)
    return await linked(stage, path, phone, ON_THE_WAY)


@state(None, CAR, act=disconnect, logs=UNREACHABLE)
async def shared_trip_disconnected(stage: Stage) -> str:
    path, phone = await coming(stage, *RIDING, at=ON_THE_WAY)
    return await linked(stage, path, phone, ON_THE_WAY)


@state(None, CAR, logs=re.compile("status of 410"))
async def shared_trip_arrived(stage: Stage) -> str:
    async def begin() -> tuple[str, str]:
        path, phone = await coming(stage, *RIDING, at=ON_THE_WAY)
        return path, await linked(stage, path, phone, ON_THE_WAY)

    async def arrive(page: Page) -> None:
        # A trip ends once, so each look has its own.
        path, link = await begin()
        await page.goto(f"{stage.server.http_url}{link}")
        await visible(CAR)(page)
        await stage.post(f"{path}complete/")
        await page.wait_for_selector("[data-phase=complete], .shared-end", timeout=DEADLINE)

    stage.act = arrive
    return (await begin())[1]


@state(None, status=429)
async def shared_trip_busy(stage: Stage) -> str:
    return "/screens/busy/"


# A driver's shift. Each state has a driver of its own.

AT: Final = {"latitude": -1.44291, "longitude": 0.97996, "accuracy": 8}
ALLOWED: Final = {"permissions": ["geolocation"], "geolocation": AT}
TOGGLE: Final = "[data-part=toggle]:enabled"
# Measures a fix each second: the browser's own emulation repeats one.
MEASURES: Final = """(() => {
    const coords = { latitude: -1.44291, longitude: 0.97996, accuracy: 8 };
    const position = () => ({ coords, timestamp: Date.now() });
    Object.defineProperty(navigator, "geolocation", { value: {
        watchPosition: (take) => setInterval(() => take(position()), 1000),
        clearWatch: (watch) => clearInterval(watch),
        getCurrentPosition: (take) => take(position()),
    } });
})()"""
numbers = itertools.count()


def shift(**more: Any) -> Any:
    """Register a state of the shift of a driver of its own, whose id `prepare` gets."""

    def register(prepare: Callable[[Stage, int], Awaitable[None]]) -> None:
        driver = SHIFT + next(numbers)

        async def page(stage: Stage) -> str:
            await prepare(stage, driver)
            return "/driver/share/"

        page.__name__ = prepare.__name__
        options = {"ready": TOGGLE, "options": ALLOWED, **more}
        state(driver, **options)(page)

    return register


async def go_on_duty(page: Page) -> None:
    await page.locator(TOGGLE).click()
    await visible("[data-confirmed]")(page)


async def given(stage: Stage, driver: int, *statuses: str) -> None:
    """Give the driver a trip in this status, with a stop on the way."""
    path = await waiting(stage, waypoints=places(*ALL), reference="Ω-7")
    await stage.post(f"{path}assign/", driver=driver)
    for status in statuses:
        await stage.post(f"{path}status/", status=status)


async def on_trip(page: Page) -> None:
    await go_on_duty(page)
    await visible("[data-part=step]")(page)
    # The pause after which a tap is no second one of a double tap.
    await page.wait_for_timeout(750)


@shift()
async def shift_off_duty(stage: Stage, driver: int) -> None:
    await stage.set_state(driver, "non_operational")


@shift(act=go_on_duty)
async def shift_on_duty(stage: Stage, driver: int) -> None:
    await stage.set_state(driver, "available")


@shift()
async def shift_with_what_is_sent(stage: Stage, driver: int) -> None:
    async def look(page: Page) -> None:
        await go_on_duty(page)
        await page.locator("[data-part=sending-summary]").click()

    await stage.set_state(driver, "available")
    stage.act = look


@shift(act=on_trip)
async def shift_new_trip(stage: Stage, driver: int) -> None:
    await given(stage, driver)


@shift(act=on_trip)
async def shift_to_the_pickup(stage: Stage, driver: int) -> None:
    await given(stage, driver, *COMING)


@shift(act=on_trip)
async def shift_at_the_pickup(stage: Stage, driver: int) -> None:
    await given(stage, driver, *WAITING)


@shift(act=on_trip)
async def shift_to_a_stop(stage: Stage, driver: int) -> None:
    await given(stage, driver, *WAITING, "enroute_to_intermediate_destination")


@shift(act=on_trip)
async def shift_at_a_stop(stage: Stage, driver: int) -> None:
    stops = ["enroute_to_intermediate_destination", "arrived_at_intermediate_destination"]
    await given(stage, driver, *WAITING, *stops)


@shift(act=on_trip)
async def shift_to_the_destination(stage: Stage, driver: int) -> None:
    await given(stage, driver, *RIDING)


async def confirm(page: Page) -> None:
    await on_trip(page)
    await page.locator("[data-part=step]").click()
    await visible("[data-part=confirm]")(page)


@shift(act=confirm)
async def shift_before_the_end(stage: Stage, driver: int) -> None:
    await given(stage, driver, *RIDING)


@shift(script=MEASURES, logs=UNREACHABLE)
async def shift_without_a_connection(stage: Stage, driver: int) -> None:
    async def lose(page: Page) -> None:
        await on_trip(page)
        await page.context.set_offline(True)
        await page.locator("[data-part=step]").click()
        await visible("[data-part=retry-step]")(page)
        await visible("[data-connection=reconnecting]")(page)

    await given(stage, driver, *COMING)
    stage.act = lose


async def stall(page: Page) -> None:
    await go_on_duty(page)
    await page.evaluate(FORWARD, MINUTE)
    await visible("[data-stale]")(page)


@shift(act=stall)
async def shift_stale(stage: Stage, driver: int) -> None:
    await stage.set_state(driver, "available")


async def fail(page: Page) -> None:
    await page.locator(TOGGLE).click()
    await visible("[data-part=problem]:not(:empty)")(page)


@shift(act=fail, options={})
async def shift_not_allowed(stage: Stage, driver: int) -> None:
    await stage.set_state(driver, "available")


INSECURE: Final = "Object.defineProperty(window, 'isSecureContext', { value: false })"


@shift(act=fail, script=INSECURE)
async def shift_insecure(stage: Stage, driver: int) -> None:
    await stage.set_state(driver, "available")


@shift()
async def shift_in_another_tab(stage: Stage, driver: int) -> None:
    async def move(page: Page) -> None:
        await go_on_duty(page)
        other = await page.context.new_page()
        await other.goto(page.url)
        await other.locator(TOGGLE).click()
        await other.locator("[data-part=use-tab]").click()
        await visible("[data-part=use-tab]")(page)

    await stage.set_state(driver, "available")
    stage.act = move


@shift(logs=REFUSED)
async def shift_logged_out(stage: Stage, driver: int) -> None:
    async def end(page: Page) -> None:
        await go_on_duty(page)
        await log_out(driver, stage)(page)

    await stage.set_state(driver, "available")
    stage.act = end


@shift(logs=UNREACHABLE)
async def shift_offline(stage: Stage, driver: int) -> None:
    async def go(page: Page) -> None:
        # A page that shares asks before it is left.
        await visible("[data-part=step]")(page)
        await leave(page, NAMES["dropoff"])

    await given(stage, driver, *COMING)
    stage.act = go


# Other pages.


@state(RIDER, "[data-located]", act=after(MINUTE, "stale"))
async def driver_map_stale(stage: Stage) -> str:
    await stage.drive(DRIVER, 51.5, -0.12)
    return f"/driver/{DRIVER}/map/"


@state(RIDER, "[data-located]", act=after(15 * MINUTE, "offline"))
async def driver_map_offline(stage: Stage) -> str:
    await stage.drive(DRIVER, 51.5, -0.12)
    return f"/driver/{DRIVER}/map/"


@state(None)
async def log_in_refused(stage: Stage) -> str:
    async def fail(page: Page) -> None:
        await page.locator("[name=username]").fill("a@example.org")
        await page.locator("[name=password]").fill("x")
        await page.locator("form[method=post] button[type=submit]").last.click()
        await visible("[role=alert]")(page)

    stage.act = fail
    return "/accounts/login/"


@state(None, status=429)
async def log_in_paused(stage: Stage) -> str:
    return "/screens/log-in-paused/"


@state(RIDER)
async def logged_in_on_the_log_in_page(stage: Stage) -> str:
    return "/accounts/login/?next=/driver/fleet/"


@state(None, status=404)
async def not_found(stage: Stage) -> str:
    return "/screens/not-found/"


@state(None, status=500)
async def server_error(stage: Stage) -> str:
    return "/screens/server-error/"
