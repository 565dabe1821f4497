"""The dispatchers' pages: the console, the replays, and the admin."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from playwright.async_api import Page, WebSocketRoute, expect

from tests.e2e.visits import UNREACHABLE

from .desk_rows import BUSY, LIVE, REPLAYED, WAITING
from .stage import DISPATCHER, Stage
from .states import Act, state

CONSOLE: Final = "/driver/fleet/"
LOCATED: Final = "[data-located]"
DEADLINE: Final = 15_000  # ms
# A row of the list that is shown.
ROW: Final = ".console-page:not([hidden]) .console-list [role=option]"
# Free drivers' cars come and go, and on a trip they move a little at each picture.
STEP: Final = 0.0004  # degrees
# The admin's lists and forms are Django's: these two looks show what ours add.
FEW: Final = ("desktop-light", "phone-dark")


async def console(stage: Stage) -> str:
    """Connect the fleet's phones, which report, and return the console's path."""
    number = stage.server.made["reports"] = stage.server.made.get("reports", 0) + 1
    phones = [await stage.drive(pk, *place) for pk, *place in (row[:3] for row in LIVE)]
    for phone, (_, latitude, longitude, heading, speed, battery, charging) in zip(
        phones, LIVE, strict=True
    ):
        details = {"heading": heading, "speed": speed, "accuracy": 5 + heading / 40}
        moved = latitude + STEP * (number % 5)
        await phone.send(moved, longitude, battery=battery, charging=charging, **details)
    return CONSOLE


def desk(*steps: Act, **more: Any) -> Callable[..., Any]:
    """Register a state of the console, in which a dispatcher has done these steps."""

    async def act(page: Page) -> None:
        await expect(page.locator(ROW).first).to_be_visible(timeout=DEADLINE)
        for step in steps:
            await step(page)

    return state(DISPATCHER, LOCATED, act=act, **more)


def press(selector: str) -> Act:
    return lambda page: page.locator(selector).first.click()


def tab(name: str) -> Act:
    return press(f"[data-tab={name}]")


def row(text: str) -> Act:
    """Click on a row, without scrolling to it: the list would fill its element with another one."""
    return lambda page: page.locator(ROW).filter(has_text=text).first.dispatch_event("click")


def seen(selector: str) -> Act:
    return lambda page: expect(page.locator(selector).first).to_be_visible(timeout=DEADLINE)


def search(text: str) -> Act:
    async def act(page: Page) -> None:
        async with page.expect_response(re.compile("/fleet/drivers/.*search=")):
            await page.locator("[data-part=search]").fill(text)

    return act


def choose(name: str, index: int) -> Act:
    """Choose an option of a filter, which a phone shows on request."""

    async def act(page: Page) -> None:
        if await page.locator("[data-part=more][aria-expanded=false]").is_visible():
            await page.locator("[data-part=more]").click()
        async with page.expect_response(re.compile("/fleet/drivers/")):
            await page.locator(f"[data-part=filter-{name}]").select_option(index=index)

    return act


async def on_the_map(page: Page) -> None:
    """Click beside the cars: who is near?"""
    box = await page.locator("[data-part=map]").bounding_box()
    assert box is not None
    await page.mouse.click(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.3)
    await seen(".console-car")(page)


@desk()
async def desk_drivers(stage: Stage) -> str:
    return await console(stage)


@desk(search("Αλεξάνδρα"), row("Αλεξάνδρα"), seen(".console-fixes"))
async def desk_driver(stage: Stage) -> str:
    return await console(stage)


async def scrolled(page: Page) -> None:
    await page.locator(".console-panel-body").evaluate("body => body.scrollTo(0, 1e6)")


@desk(search("Αλεξάνδρα"), row("Αλεξάνδρα"), seen(".console-fixes"), scrolled)
async def desk_driver_below(stage: Stage) -> str:
    return await console(stage)


@desk(choose("state", 1))
async def desk_free(stage: Stage) -> str:
    return await console(stage)


@desk(choose("vehicle", 1), choose("zone", 1))
async def desk_filters(stage: Stage) -> str:
    return await console(stage)


@desk(search("Νίκος"))
async def desk_found(stage: Stage) -> str:
    return await console(stage)


@desk(search("xyz"), seen("[data-part=drivers-empty]"))
async def desk_nobody_found(stage: Stage) -> str:
    return await console(stage)


@desk(on_the_map)
async def desk_nearest(stage: Stage) -> str:
    return await console(stage)


@desk(tab("trips"), seen(".console-trip"))
async def desk_trips(stage: Stage) -> str:
    return await console(stage)


OPEN: Final = (tab("trips"), row(WAITING[0][0]), seen(".console-panel .console-main"))
ASSIGN: Final = (press(".console-panel .console-main"), seen(".console-car .console-action"))


@desk(*OPEN)
async def desk_trip(stage: Stage) -> str:
    return await console(stage)


@desk(tab("trips"), row("Ω-2048"), seen(".console-panel .console-main"))
async def desk_trip_with_a_driver(stage: Stage) -> str:
    return await console(stage)


@desk(*OPEN, *ASSIGN)
async def desk_assign(stage: Stage) -> str:
    return await console(stage)


@desk(
    tab("trips"),
    row("Ω-2048"),
    seen(".console-panel .console-main"),
    *ASSIGN,
    press(".console-car .console-action:enabled"),
    seen(".console-ask"),
)
async def desk_reassign(stage: Stage) -> str:
    return await console(stage)


async def assign(page: Page) -> None:
    await page.locator(".console-car .console-action:enabled").first.click()
    note, ask = page.locator("[data-part=panel-note]:not([hidden])"), page.locator(".console-ask")
    await expect(note.or_(ask)).to_be_visible(timeout=DEADLINE)
    if await ask.count():  # the picture before has assigned it
        await ask.locator(".console-main").click()
    await expect(note).to_be_visible(timeout=DEADLINE)


@desk(tab("trips"), row("Ω-2057"), seen(".console-panel .console-main"), *ASSIGN, assign)
async def desk_assigned(stage: Stage) -> str:
    return await console(stage)


@desk(tab("alerts"), seen(".console-alert"))
async def desk_alerts(stage: Stage) -> str:
    return await console(stage)


@state(DISPATCHER, LOCATED)
async def desk_empty(stage: Stage) -> str:
    async def nobody(page: Page) -> None:
        """Open the page again, of a project without drivers."""

        def answer(socket: WebSocketRoute) -> None:
            server = socket.connect_to_server()

            def pass_on(message: str | bytes) -> None:
                frame = json.loads(message)
                frame |= {key: [] for key in ("snapshot", "update") if key in frame}
                frame |= {key: dict.fromkeys(frame[key], 0) for key in ["counts"] if key in frame}
                socket.send(json.dumps(frame))

            server.on_message(pass_on)

        await page.route_web_socket(re.compile("/fleet/get-tracking"), answer)
        nothing = {"results": [], "total": 0, "next": None, "previous": None}
        for path in ("/fleet/drivers/?*", "/trips/?*", "/fleet/alerts/?*"):
            await page.route(f"**{path}", lambda route: route.fulfill(json=nothing))
        await page.reload()
        await seen(LOCATED)(page)
        await seen("[data-part=drivers-empty]")(page)

    stage.act = nobody
    return CONSOLE


async def unplugged(page: Page) -> None:
    await page.context.set_offline(True)
    await seen("[data-part=banner]")(page)


@desk(unplugged, logs=UNREACHABLE)
async def desk_without_connection(stage: Stage) -> str:
    return await console(stage)


# The replays


def yesterday() -> Any:
    return (datetime.now(UTC) - timedelta(days=1)).date()


def moment(at: str) -> Act:
    """Type a time of the day."""

    async def act(page: Page) -> None:
        await page.locator("[data-part=time]").fill(at)
        await page.locator("[data-part=time]").press("Enter")

    return act


async def replay(stage: Stage) -> str:
    return f"/driver/{BUSY}/replay/?date={yesterday()}&tz=UTC"


@state(DISPATCHER, LOCATED, act=moment("09:45:00"))
async def replay_gap(stage: Stage) -> str:
    return await replay(stage)


@state(DISPATCHER, LOCATED, act=moment("08:55:00"))
async def replay_stop(stage: Stage) -> str:
    return await replay(stage)


async def pick(page: Page) -> None:
    """Click on the track, beside the car."""
    await moment("10:20:00")(page)
    await page.locator("[data-part=map]").scroll_into_view_if_needed()
    before = await page.locator("[data-part=time]").input_value()
    box = await page.locator("[data-part=map]").bounding_box()
    assert box is not None
    for share in range(30, 70, 4):
        await page.mouse.click(
            box["x"] + box["width"] * 0.6, box["y"] + box["height"] * share / 100
        )
        if await page.locator("[data-part=time]").input_value() != before:
            return
    raise AssertionError("no click was on the track")


@state(DISPATCHER, LOCATED, act=pick)
async def replay_point(stage: Stage) -> str:
    return await replay(stage)


async def play(page: Page) -> None:
    await page.locator("[data-part=speed-choice]").select_option("60")
    await page.locator("[data-part=play]").click()
    await seen("[data-playing]")(page)
    await page.wait_for_timeout(1500)


@state(DISPATCHER, LOCATED, act=play)
async def replay_playing(stage: Stage) -> str:
    return await replay(stage)


async def near(page: Page) -> None:
    for _ in range(3):
        await page.locator(".leaflet-control-zoom-in").click()
        await page.wait_for_timeout(400)
    await play(page)


@state(DISPATCHER, LOCATED, act=near)
async def replay_following(stage: Stage) -> str:
    return await replay(stage)


@state(DISPATCHER, "[data-part=notice]")
async def replay_of_an_empty_day(stage: Stage) -> str:
    return f"/driver/{BUSY}/replay/?date={yesterday() - timedelta(days=3)}&tz=UTC"


@state(DISPATCHER, LOCATED)
async def replay_of_a_trip(stage: Stage) -> str:
    return f"/trips/{REPLAYED}/replay/"


async def past(stage: Stage) -> str:
    return f"/fleet/replay/?time={yesterday()}T08:50:00Z&tz=UTC"


@state(DISPATCHER, LOCATED)
async def past_fleet(stage: Stage) -> str:
    return await past(stage)


async def pick_car(page: Page) -> None:
    box = await page.locator("[data-part=map]").bounding_box()
    assert box is not None
    for across in range(30, 90, 3):
        for down in range(10, 90, 6):
            at = (box["x"] + box["width"] * across / 100, box["y"] + box["height"] * down / 100)
            await page.mouse.click(*at)
            if await page.locator("[data-part=picked]").is_visible():
                return
    raise AssertionError("no click was on a car")


@state(DISPATCHER, LOCATED, act=pick_car)
async def past_fleet_car(stage: Stage) -> str:
    return await past(stage)


@state(DISPATCHER, LOCATED, act=play)
async def past_fleet_playing(stage: Stage) -> str:
    return await past(stage)


@state(DISPATCHER, LOCATED, act=moment("08:55:00"))
async def day_stop(stage: Stage) -> str:
    return f"/admin/tracking/driverlocation/{BUSY}/day/?date={yesterday()}&tz=UTC"


# The admin

# The lists. On forms, Django's own scripts apply inline styles, which the policy blocks and the
# console tells.
ADMIN: Final = (
    "accounts_user",
    "tracking_driverlocation",
    "tracking_driverstate",
    "tracking_trip",
    "tracking_watchgrant",
    "tracking_device",
    "tracking_zone",
    "tracking_driveralert",
    "tracking_event",
    "tracking_webhookendpoint",
    "tracking_webhookdelivery",
    "tracking_locationaccess",
    "tracking_historyhold",
    "tracking_historyerasure",
)


FORMS: Final = (
    "accounts_user-change",
    "tracking_trip-add",
    "tracking_trip-change",
    "tracking_watchgrant-add",
    "tracking_device-add",
    "tracking_driverstate-change",
    "tracking_webhookendpoint-add",
    "tracking_webhookendpoint-change",
    "tracking_zone-add",
    "tracking_zone-change",
)


def admin_state(name: str, *, axe: bool = True) -> None:
    async def prepare(stage: Stage) -> str:
        paths = stage.server.made.setdefault("admin", stage.admin())
        path: str = paths[name]
        return path

    prepare.__name__ = f"admin_{name.replace('-', '_')}"
    state(DISPATCHER, looks=FEW, axe=axe)(prepare)


for _model in ADMIN:
    admin_state(f"{_model}-list")
for _form in FORMS:
    # To look at Django's selects axe sets inline styles, which the policy forbids.
    admin_state(_form, axe=False)
