"""Every text is marked for translation, and every layout has room for longer ones.

All pages are opened in a language that was made for this: see `pseudo/catalogue.py`.
"""

import os
from pathlib import Path

import pytest
import pytest_asyncio

from tests.e2e.visits import ARTEFACTS
from tests.screens import stage as stages
from tests.screens.looking import SIZES, opened, prepared
from tests.screens.states import STATES, State

from .pseudo import catalogue

SCAN = (Path(__file__).parent / "scan.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    folder = tmp_path_factory.mktemp("locale")
    catalogue.write(folder)
    settings = "tests.languages.pseudo.settings"
    with stages.server(settings, PSEUDO_LOCALES=str(folder)) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def stage(host, browser):
    made = stages.Stage(host, browser.browser)
    yield made
    await made.close()


def expect_nothing(found):
    lines = [f"{place}: {wrong}" for place, all_wrong in found.items() for wrong in all_wrong]
    assert not lines, "\n".join(lines)


async def scanned(stage, state, path, **options):
    async with opened(stage, state, path, "en-xa", **options) as page:
        language = await page.evaluate("document.documentElement.lang")
        assert language == "en-xa", state.name
        await page.evaluate(SCAN)
        found = await page.evaluate("[...unmarkedTexts(), ...brokenLayouts()]")
        if found and os.environ.get("KEEP_SCREENS"):
            folder = ARTEFACTS / "pseudo"
            folder.mkdir(parents=True, exist_ok=True)
            width = page.viewport_size["width"]
            await page.screenshot(path=folder / f"{state.name}-{width}.png")
        return found


PAGES = [name for name, state in STATES.items() if state.page]


async def expect_marked_and_roomy(stage, name, *sizes):
    found, state = {}, STATES[name]
    path = await prepared(stage, state)
    for size in sizes:
        try:
            found[name, size] = await scanned(stage, state, path, **SIZES[size])
        except AssertionError as error:
            found[name, size] = [str(error)]
    expect_nothing(found)


@pytest.mark.parametrize("name", PAGES)
async def test_page_has_only_marked_texts_and_room_for_longer_ones(stage, name):
    # Longer texts break small screens first.
    await expect_marked_and_roomy(stage, name, "phone")


@pytest.mark.long
@pytest.mark.parametrize("name", STATES)
async def test_state_of_a_page_has_only_marked_texts_and_room_for_longer_ones(stage, name):
    await expect_marked_and_roomy(stage, name, *(["desktop"] if name in PAGES else SIZES))


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_admin_has_only_marked_texts(stage):
    found = {}
    await stage.trip()
    for name, path in stage.admin().items():
        state = State(name, stages.DISPATCHER, None, "#content", page=False, status=200)
        found[name] = await scanned(stage, state, path, **SIZES["desktop"])
    expect_nothing(found)


async def test_scan_finds_what_it_is_for(stage):
    context = await stage.context(None, "en")
    page = await context.new_page()
    await page.set_content(
        """<body style="margin: 0"><p>Plain</p><p>[Ŝţöþ ~~]</p><bdi>Mia</bdi>
        <button title="Close" style="position: absolute; left: 95vw; width: 90px">[Ô~]</button>
        <div style="width: 40px; overflow: hidden; white-space: nowrap">[Ŝţöþ šĥåŕîñĝ ~~~~]</div>
        <input placeholder="Search"><p>42 km/h</p></body>"""
    )
    await page.evaluate(SCAN)
    assert await page.evaluate("unmarkedTexts()") == [
        "text: Plain",
        "title: Close",
        "placeholder: Search",
    ]
    assert [wrong.split(":")[0] for wrong in await page.evaluate("brokenLayouts()")] == [
        "scrolls sideways",
        "leaves the screen",
        "clipped",
    ]


def test_pseudo_text_keeps_placeholders_and_is_longer():
    assert catalogue.pseudo("Stop sharing") == "[Šţöþ šĥåŕîñĝ ~~~~~]"
    assert catalogue.pseudo("%(name)s is <b>here</b> ") == "[%(name)s îš <b>ĥéŕé</b> ~~~~] "
