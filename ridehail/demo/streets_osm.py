"""The streets of the made-up city as a file of OpenStreetMap's format, which engines read."""

from typing import Any
from xml.sax.saxutils import quoteattr


def osm_xml(city: dict[str, Any]) -> str:
    """Return the streets of a city, as `City` reads it, in OpenStreetMap's XML.

    Streets that pass through the same place share a node there, as they meet.
    """
    nodes: dict[tuple[int, int], int] = {}
    ways: list[str] = []
    for number, street in enumerate(city["streets"], 1):
        steps = street["points"]
        refs = [
            nodes.setdefault(step, len(nodes) + 1)
            for step in zip(steps[::2], steps[1::2], strict=True)
        ]
        tags = {"highway": street["class"], "name": street["name"]}
        ways += [
            f'<way id="{number}" version="1">',
            *(f'<nd ref="{ref}"/>' for ref in refs),
            *(f'<tag k="{key}" v={quoteattr(value)}/>' for key, value in tags.items() if value),
            "</way>",
        ]
    places = [
        f'<node id="{ref}" version="1" lat="{city["latitude"] + y * city["unit"]:.7f}"'
        f' lon="{city["longitude"] + x * city["unit"]:.7f}"/>'
        for (x, y), ref in nodes.items()
    ]
    header = "<?xml version='1.0' encoding='UTF-8'?>"
    return "\n".join([header, '<osm version="0.6">', *places, *ways, "</osm>", ""])
