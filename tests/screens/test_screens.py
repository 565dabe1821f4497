"""Each page and state on a phone and a desktop: no console error, no fault that axe finds.

`make screens` keeps the pictures in artefacts/screens/. For some states alone: `-k trip_here`.
"""

import pytest

from tests.e2e.visits import ARTEFACTS

from .looking import SIZES, faults, opened, prepared
from .states import STATES

PAGES = [name for name, state in STATES.items() if state.page]
# Django's own pages break these rules with their own markup.
DJANGO = ("#nav-sidebar", "#changelist-search", "#changelist-filter", ".breadcrumbs")


@pytest.mark.parametrize("name", PAGES)
async def test_page_is_accessible_on_a_phone(stage, name):
    state = STATES[name]
    path = await prepared(stage, state)
    async with opened(stage, state, path, "en", **SIZES["phone"]) as page:
        assert await faults(page, exclude=excluded(path)) == []


FREE = """() => {
    const box = (part) => document.querySelector(`[data-part=${part}]`).getBoundingClientRect();
    const [map, panel] = [box("map"), box("panel")];
    const side = document.querySelector(".console-side");
    const covered = Math.min(map.right, panel.right) - Math.max(map.left, panel.left);
    const overflow = side.scrollWidth - side.clientWidth;
    return { free: map.width - Math.max(0, covered), overflow };
}"""


@pytest.mark.parametrize("language", ["en", "ar"])
async def test_panel_of_the_console_leaves_room_for_the_map(stage, language):
    state = STATES["desk_drivers"]
    path = await prepared(stage, state)
    options = {"viewport": {"width": 1280, "height": 800}}
    async with opened(stage, state, path, language, **options) as page:
        await page.locator(".console-list [role=option]").first.click()
        for width in (561, 700, 959, 960, 1101, 1280):
            await page.set_viewport_size({"width": width, "height": 800})
            await page.wait_for_function(f"innerWidth === {width}")
            await page.evaluate(
                "new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"
            )
            found = await page.evaluate(FREE)
            assert found["free"] >= 260, width
        await page.locator("[data-part=panel-close]").click()
        await page.set_viewport_size(SIZES["phone"]["viewport"])
        await page.locator("[data-part=more]").click()
        assert (await page.evaluate(FREE))["overflow"] == 0


@pytest.mark.long
@pytest.mark.parametrize("language", ["en", "ar"])
@pytest.mark.parametrize("name", STATES)
async def test_every_state_in_every_look(stage, name, language):
    folder = ARTEFACTS / "screens"
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    state = STATES[name]
    path = await prepared(stage, state)
    for size, options in SIZES.items():
        for scheme in ("light", "dark"):
            if f"{size}-{scheme}" not in state.looks:
                continue
            look = f"{name}-{size}-{scheme}-{language}"
            try:
                async with opened(
                    stage, state, path, language, color_scheme=scheme, **options
                ) as page:
                    await page.screenshot(path=folder / f"{look}.png")
                    direction = await page.evaluate("document.documentElement.dir")
                    assert (direction == "rtl") == (language == "ar")
                    if state.axe:
                        found[look] = await faults(page, exclude=excluded(path))
            except AssertionError as error:
                found[look] = [str(error)]
    report(found)


def excluded(path):
    return DJANGO if "/admin/" in path else ()


def report(found):
    lines = [f"{look}: {wrong}" for look, all_wrong in found.items() for wrong in all_wrong]
    assert not lines, "\n".join(lines)
