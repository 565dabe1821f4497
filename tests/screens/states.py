"""The pages and their states. A new one is a function here, with the decorator."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from playwright.async_api import Page

from .stage import DISPATCHER, DRIVER, FIRST, OTHER, RIDER, Stage

Prepare = Callable[[Stage], Awaitable[str]]
Act = Callable[[Page], Awaitable[Any]]


@dataclass(frozen=True)
class State:
    """A state of a page. `page` is true for the one state that stands for its page."""

    name: str
    user: int | None
    prepare: Prepare
    # Of an element that is there once the page is complete.
    ready: str
    page: bool
    status: int
    # What a person does on the page to bring it into the state. `prepare` may give one, too.
    act: Act | None = None
    # Of the browser's context, such as a permission.
    options: dict[str, Any] = field(default_factory=dict)
    # Runs in the page before its own scripts.
    script: str = ""
    # What the browser may log.
    logs: re.Pattern[str] | None = None
    # False if axe does not look at it.
    axe: bool = True
    # Of the pictures: "desktop-light".
    looks: tuple[str, ...] = ("phone-light", "phone-dark", "desktop-light", "desktop-dark")


STATES: Final[dict[str, State]] = {}


def state(
    user: int | None,
    ready: str = "main",
    *,
    page: bool = False,
    status: int = 200,
    **more: Any,
) -> Callable[[Prepare], Prepare]:
    """Register a function that prepares a state and returns the path of its page."""

    def register(prepare: Prepare) -> Prepare:
        name = prepare.__name__
        STATES[name] = State(name, user, prepare, ready, page, status, **more)
        return prepare

    return register


@state(None, page=True)
async def home(stage: Stage) -> str:
    return "/"


@state(None, act=lambda page: page.locator(".language-menu summary").click())
async def home_with_languages(stage: Stage) -> str:
    return "/"


@state(RIDER)
async def home_of_a_rider(stage: Stage) -> str:
    return "/"


@state(DRIVER)
async def home_of_a_driver(stage: Stage) -> str:
    return "/"


@state(DISPATCHER)
async def home_of_a_dispatcher(stage: Stage) -> str:
    return "/"


@state(None, page=True)
async def log_in(stage: Stage) -> str:
    return "/accounts/login/"


@state(DISPATCHER)
async def second_factor(stage: Stage) -> str:
    return "/accounts/second-factor/set-up/"


@state(RIDER, page=True, status=403)
async def not_permitted(stage: Stage) -> str:
    return "/driver/fleet/"


@state(DRIVER, "[data-part=toggle]:enabled", page=True)
async def share(stage: Stage) -> str:
    return "/driver/share/"


@state(RIDER)
async def share_of_a_rider(stage: Stage) -> str:
    return "/driver/share/"


@state(RIDER, "[data-located]", page=True)
async def driver_map(stage: Stage) -> str:
    await stage.drive(DRIVER, 51.5, -0.12)
    return f"/driver/{DRIVER}/map/"


@state(DISPATCHER, "[data-located]", page=True)
async def fleet(stage: Stage) -> str:
    return "/driver/fleet/"


def tab(name: str) -> Act:
    return lambda page: page.locator(f"[data-tab={name}]").click()


@state(DISPATCHER, "[data-located]", act=tab("trips"))
async def fleet_trips(stage: Stage) -> str:
    await stage.trip(driver=False)
    return "/driver/fleet/"


@state(DISPATCHER, "[data-located]", act=tab("alerts"))
async def fleet_alerts(stage: Stage) -> str:
    return "/driver/fleet/"


@state(DISPATCHER, "main", page=True)
async def fleet_replay(stage: Stage) -> str:
    return "/fleet/replay/"


@state(DISPATCHER, "[data-located]", page=True)
async def day(stage: Stage) -> str:
    date = (datetime.now(UTC) - timedelta(days=1)).date()
    return f"/admin/tracking/driverlocation/{FIRST}/day/?date={date}&tz=UTC"


@state(DISPATCHER)
async def admin_home(stage: Stage) -> str:
    return "/admin/"


@state(OTHER, page=True)
async def no_trip(stage: Stage) -> str:
    return "/trips/app/"


@state(DISPATCHER, page=True)
async def trip_replay(stage: Stage) -> str:
    path, _ = await stage.trip(
        "enroute_to_pickup", "arrived_at_pickup", "enroute_to_dropoff", "complete"
    )
    return f"{path}replay/"


@state(DISPATCHER, page=True)
async def driver_replay(stage: Stage) -> str:
    date = (datetime.now(UTC) - timedelta(days=1)).date()
    return f"/driver/{FIRST}/replay/?date={date}"


from . import desk_states, rider_states  # noqa: E402, F401
