"""A form field for the corners of a polygon, as text: a line for each, or GeoJSON."""

import json
import re
from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tracking.arrival.geometry import (
    MAX_CORNERS,
    MAX_LATITUDE,
    MIN_CORNERS,
    InvalidShape,
    area_of,
    crossing,
    unwrapped,
)

# 200 corners of GeoJSON with all decimals of a float, indented.
MAX_LENGTH: Final = 40_000
# A centimetre.
DECIMALS: Final = 7
# In square metres. A lesser one is a mistake, such as three corners in a line.
MIN_AREA: Final = 1.0

_NUMBERS: Final = re.compile(r"([-+]?\d+(?:\.\d*)?)[\s,;]+([-+]?\d+(?:\.\d*)?)[,;]?")

Corner = list[float]


class PolygonField(forms.CharField):
    """Clean a text to a list of [latitude, longitude], [] if it is empty.

    Each line has a latitude and a longitude. GeoJSON has them the other way around: a Polygon
    without holes, alone or as the only feature.
    """

    widget = forms.Textarea(attrs={"rows": 8, "cols": 40, "spellcheck": "false", "dir": "ltr"})

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"max_length": MAX_LENGTH, **options})

    def prepare_value(self, value: Any) -> Any:
        """Return the text for corners from the database."""
        if not isinstance(value, list):
            return value
        return "\n".join(", ".join(f"{number:.10g}" for number in corner) for corner in value)

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.prepare_value(initial), data)

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        corners = _from_json(text) if text[:1] in ("{", "[") else _from_lines(text)
        # GeoJSON repeats the first corner at the end.
        if len(corners) > 1 and corners[0] == corners[-1]:
            corners.pop()
        if corners:
            _check(corners)
        return corners


def _from_lines(text: str) -> list[Corner]:
    corners = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        match = _NUMBERS.fullmatch(line.strip())
        if not match:
            raise _invalid(
                _("Line %(number)d: write a latitude and a longitude, such as 60.1699, 24.9384."),
                number=number,
            )
        corners.append(_corner(*match.groups()))
    return corners


def _from_json(text: str) -> list[Corner]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _invalid(_("This is not valid JSON.")) from error
    if isinstance(value, dict):
        return _from_geojson(value)
    try:
        return [_corner(latitude, longitude) for latitude, longitude in value]
    except (TypeError, ValueError, OverflowError) as error:
        raise _invalid(_("Write a list of [latitude, longitude], or GeoJSON.")) from error


def _from_geojson(value: Any) -> list[Corner]:
    features = value.get("features")
    if value.get("type") == "FeatureCollection" and isinstance(features, list):
        if len(features) != 1:
            raise _invalid(
                _("This GeoJSON has %(count)d features. Paste a single one."), count=len(features)
            )
        value = features[0]
    if isinstance(value, dict) and value.get("type") == "Feature":
        value = value.get("geometry")
    if not isinstance(value, dict) or value.get("type") not in ("Polygon", "MultiPolygon"):
        raise _invalid(_("This GeoJSON has no polygon."))
    rings = value.get("coordinates")
    if value["type"] == "MultiPolygon" and isinstance(rings, list):
        if len(rings) != 1:
            raise _invalid(_("A zone is one polygon. Make a zone for each part."))
        rings = rings[0]
    if not isinstance(rings, list) or not rings:
        raise _invalid(_("This GeoJSON has no polygon."))
    if len(rings) > 1:
        raise _invalid(_("A zone has no holes. Paste the outer border alone."))
    try:
        # A position may have a height.
        return [_corner(position[1], position[0]) for position in rings[0]]
    except (TypeError, ValueError, LookupError, OverflowError) as error:
        raise _invalid(_("This GeoJSON has no polygon.")) from error


def _corner(latitude: Any, longitude: Any) -> Corner:
    return [round(float(latitude), DECIMALS), round(float(longitude), DECIMALS)]


def _check(corners: list[Corner]) -> None:
    """Raise ValidationError if these corners are no polygon that a zone can have."""
    if len(corners) < MIN_CORNERS:
        raise _invalid(_("A polygon has at least %(count)d corners."), count=MIN_CORNERS)
    if len(corners) > MAX_CORNERS:
        raise _invalid(
            _("A polygon has at most %(count)d corners. This one has %(found)d."),
            count=MAX_CORNERS,
            found=len(corners),
        )
    for number, (latitude, longitude) in enumerate(corners, 1):
        if not abs(latitude) <= MAX_LATITUDE:
            raise _invalid(
                _("Corner %(number)d: a latitude is between -%(max)d and %(max)d."),
                number=number,
                max=MAX_LATITUDE,
            )
        if not abs(longitude) <= 180:
            raise _invalid(
                _("Corner %(number)d: a longitude is between -180 and 180."), number=number
            )
    try:
        points = unwrapped(corners)
    except InvalidShape as error:
        raise _invalid(_("The polygon is too wide.")) from error
    edges = crossing(points)
    if edges is not None:
        raise _invalid(
            _("The border crosses itself: after corner %(first)d and after corner %(second)d."),
            first=edges[0] + 1,
            second=edges[1] + 1,
        )
    if abs(area_of(points)) < MIN_AREA:
        raise _invalid(_("The polygon has no area."))


def _invalid(text: str, **values: float) -> ValidationError:
    return ValidationError(text % values if values else text, code="invalid")


HELP_TEXT: Final = gettext_lazy(
    "A line for each corner, in order: latitude, longitude. You can paste GeoJSON."
)
