"""Encoded polylines."""


def encode(places):
    """Return the polyline of 6 decimals."""
    text, former = [], (0, 0)
    for place in places:
        units = tuple(round(degrees * 1e6) for degrees in place)
        for now, before in zip(units, former, strict=True):
            value = (now - before) << 1
            value = ~value if now < before else value
            while value >= 0x20:
                text.append(chr((value & 0x1F | 0x20) + 63))
                value >>= 5
            text.append(chr(value + 63))
        former = units
    return "".join(text)
