"""Draw the app's icons from `mark.svg` with Chromium: `python -m scripts.draw_icons`."""

from pathlib import Path
from typing import Final

from playwright.sync_api import sync_playwright

from tests import services

STATIC: Final = Path(__file__).parent.parent / "tracking" / "static" / "tracking"
# The page's accent colour, which fills what a phone cuts off.
COLOUR: Final = "#1f5eff"
# Name, size in pixels, part of the width that the mark takes, whether the ground is filled.
ICONS: Final = [
    ("icon-192.png", 192, 1.0, False),
    ("icon-512.png", 512, 1.0, False),
    # Phones cut it to a circle of 80 %: https://www.w3.org/TR/appmanifest/#icon-masks
    ("maskable-512.png", 512, 0.9, True),
    ("touch-180.png", 180, 1.0, True),
]


def main() -> None:
    mark = (STATIC / "mark.svg").read_text()
    with sync_playwright() as playwright:
        options = services.launch_options(services.find_browser())
        browser = playwright.chromium.launch(**options)
        for name, size, part, is_filled in ICONS:
            page = browser.new_page(viewport={"width": size, "height": size})
            ground = COLOUR if is_filled else "transparent"
            page.set_content(
                f"<style>body{{margin:0;height:100vh;display:grid;place-content:center;"
                f"background:{ground}}}svg{{width:{size * part}px}}</style>{mark}"
            )
            page.screenshot(path=STATIC / "icons" / name, omit_background=True)
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
