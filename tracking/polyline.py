"""Polylines of 6 decimals: Google's Encoded Polyline Algorithm with 10⁶ in place of 10⁵. No I/O."""

from typing import Final

_PRECISION: Final = 1e6

Place = tuple[float, float]  # latitude and longitude


def encode(places: list[Place]) -> str:
    """Return a line as text."""
    text: list[str] = []
    before = (0, 0)
    for latitude, longitude in places:
        now = round(latitude * _PRECISION), round(longitude * _PRECISION)
        for value, last in zip(now, before, strict=True):
            rest = (value - last) << 1
            rest = ~rest if rest < 0 else rest
            while rest >= 0x20:
                text.append(chr((0x20 | (rest & 0x1F)) + 63))
                rest >>= 5
            text.append(chr(rest + 63))
        before = now
    return "".join(text)


def decode(text: str) -> list[Place]:
    """Return the places of a line; raise ValueError for text that is none."""
    numbers: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 63
        if not 0 <= bits < 64 or shift > 30:
            raise ValueError("not a polyline")
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits < 0x20:
            numbers.append(~(value >> 1) if value & 1 else value >> 1)
            value = shift = 0
    if shift or len(numbers) % 2:
        raise ValueError("a polyline that is cut off")
    places: list[Place] = []
    latitude = longitude = 0
    for north, east in zip(numbers[::2], numbers[1::2], strict=True):
        latitude, longitude = latitude + north, longitude + east
        if abs(latitude) > 90 * _PRECISION or abs(longitude) > 180 * _PRECISION:
            raise ValueError("a polyline that leaves the Earth")
        places.append((latitude / _PRECISION, longitude / _PRECISION))
    return places
