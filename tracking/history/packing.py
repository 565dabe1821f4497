"""The packed form of a driver's hour: columns of differences, compressed. No I/O.

A segment is one byte of version, and zlib's stream of the columns. Each column is the differences
of integers, stored as planes: first the lowest byte of every number, then the next one. Small
differences leave the higher planes constant, which costs nearly nothing once compressed. Unpacking
runs in C: slices, `array` and `accumulate`. The format is for this package alone; a new version
gets a new number, and old segments are read for ever.
"""

import sys
import zlib
from array import array
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import accumulate, pairwise
from typing import Final

from tracking.history.fixes import TrackFix

VERSION: Final = 1
_LEVEL: Final = 9

_MICROSECOND: Final = timedelta(microseconds=1)
_UNKNOWN: Final = -1
# Bits of the last column.
_CHARGING_KNOWN, _CHARGING, _MOCK = 1, 2, 4

E7: Final = 10_000_000

# The array type that holds numbers of so many bytes.
_KINDS: Final = ["", "B", "H", "I", "I", "Q", "Q", "Q", "Q"]


class CorruptSegment(ValueError):
    """A segment cannot be unpacked: it was damaged, or written by a newer version."""


def pack(fixes: Sequence[TrackFix], start: datetime) -> bytes:
    """Return the packed form of fixes in the order of `recorded_at`, at or after `start`."""
    columns: list[list[int]] = [
        [(fix.recorded_at - start) // _MICROSECOND for fix in fixes],
        [(fix.received_at - fix.recorded_at) // _MICROSECOND for fix in fixes],
        [round(fix.latitude * E7) for fix in fixes],
        [round(fix.longitude * E7) for fix in fixes],
        [_scaled(fix.accuracy, 10) for fix in fixes],
        [_scaled(fix.heading, 1) for fix in fixes],
        [_scaled(fix.speed, 10) for fix in fixes],
        [_scaled(fix.battery, 1) for fix in fixes],
        [_bits(fix) for fix in fixes],
    ]
    plain = [len(fixes).to_bytes(4, "little"), *map(_encode, columns)]
    return bytes([VERSION]) + zlib.compress(b"".join(plain), _LEVEL)


def unpack(data: bytes | memoryview, start: datetime) -> list[TrackFix]:
    """Return the fixes of a segment; `start` is that of `pack`. Raise `CorruptSegment`."""
    raw = bytes(data)
    if not raw or raw[0] != VERSION:
        raise CorruptSegment(f"the segment's version is not {VERSION}")
    try:
        columns = _Columns(zlib.decompress(raw[1:]))
        rows = zip(*(columns.take() for _ in range(9)), strict=True)
        return [
            TrackFix(
                recorded := start + timedelta(microseconds=time),
                recorded + timedelta(microseconds=delay) if delay else recorded,
                latitude / E7,
                longitude / E7,
                None if accuracy < 0 else accuracy / 10,
                None if heading < 0 else float(heading),
                None if speed < 0 else speed / 10,
                None if battery < 0 else battery,
                bool(bit & _CHARGING) if bit & _CHARGING_KNOWN else None,
                bool(bit & _MOCK),
            )
            for time, delay, latitude, longitude, accuracy, heading, speed, battery, bit in rows
        ]
    except (zlib.error, ValueError, IndexError) as error:
        raise CorruptSegment("the segment is damaged") from error


def _scaled(value: float | None, factor: int) -> int:
    return _UNKNOWN if value is None else round(value * factor)


def _bits(fix: TrackFix) -> int:
    known = 0 if fix.charging is None else _CHARGING_KNOWN
    return known | (_CHARGING if fix.charging else 0) | (_MOCK if fix.mock else 0)


def _deltas(values: Sequence[int]) -> list[int]:
    return [*values[:1], *(after - before for before, after in pairwise(values))]


def _encode(values: Sequence[int]) -> bytes:
    """Return a column: its order, its size, and its differences as planes.

    The order is 1 for differences, or 2 for differences of differences, whichever are smaller: a
    phone that reports every 5 s, or a car at a steady speed, has small ones of the second order.
    """
    first = _deltas(values)
    second = _deltas(first)
    order, chosen = min((1, first), (2, second), key=lambda found: sum(map(abs, found[1][2:])))
    # Zigzag, so that a small negative number has zeros in its higher bytes too.
    positive = [number << 1 if number >= 0 else ~(number << 1) for number in chosen]
    size = max(1, (max(positive, default=0).bit_length() + 7) // 8)
    kind = _KINDS[size]
    numbers = array(kind, positive)
    if sys.byteorder == "big":
        numbers.byteswap()
    raw, width = numbers.tobytes(), numbers.itemsize
    return bytes((order, size)) + b"".join(raw[plane::width] for plane in range(size))


class _Columns:
    """Reads the columns of a decompressed segment one after another."""

    def __init__(self, plain: bytes) -> None:
        self._plain = plain
        self._count = int.from_bytes(plain[:4], "little")
        self._offset = 4

    def take(self) -> Iterable[int]:
        """Return the next column; raise ValueError or IndexError if there is too little data."""
        count, begin = self._count, self._offset + 2
        order, size = self._plain[self._offset : begin]
        self._offset = begin + size * count
        numbers = array(_KINDS[size])
        width = numbers.itemsize
        raw = bytearray(width * count)
        for plane in range(size):
            raw[plane::width] = self._plain[begin + plane * count : begin + (plane + 1) * count]
        numbers.frombytes(bytes(raw))
        if sys.byteorder == "big":
            numbers.byteswap()
        if not any(numbers):
            return numbers
        values: Iterable[int] = (
            number >> 1 if not number & 1 else ~(number >> 1) for number in numbers
        )
        for _ in range(order):
            values = accumulate(values)
        return values
