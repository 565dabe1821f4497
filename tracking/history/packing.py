"""The packed form of a driver's hour: columns of differences, compressed. No I/O.

A segment is one byte of version, and zlib's stream of blocks of at most BLOCK fixes. A block is a
header and its columns. Each column is the differences of integers, stored as planes: first the
lowest byte of every number, then the next one. Small differences leave the higher planes constant,
which costs nearly nothing once compressed. Unpacking runs in C: slices, `array` and `accumulate`.
The format is for this package alone; a new version gets a new number, and old segments are read for
ever.
"""

import struct
import sys
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import accumulate, islice, pairwise, repeat
from struct import Struct
from typing import Final

from tracking.history.fixes import TrackFix

VERSION: Final = 1
_LEVEL: Final = 9

# Fixes in a block, which can be unpacked without the others. With 256, one fix of an hour of 720 is
# found in a tenth of a millisecond, and the hour takes 2.5 % more space than as one block.
BLOCK: Final = 256
# The number of fixes, the bytes of their columns, and the first time in microseconds.
_HEADER: Final = Struct("<HIQ")
_COLUMNS: Final = 9

_MICROSECOND: Final = timedelta(microseconds=1)
_UNKNOWN: Final = -1
# Bits of the last column.
_CHARGING_KNOWN, _CHARGING, _MOCK = 1, 2, 4

E7: Final = 10_000_000

# The array type that holds numbers of so many bytes.
_KINDS: Final = ["", "B", "H", "I", "I", "Q", "Q", "Q", "Q"]
_WIDTHS: Final = [0, 1, 2, 4, 4, 8, 8, 8, 8]


class CorruptSegment(ValueError):
    """A segment cannot be unpacked: it was damaged, or written by a newer version."""


def pack(fixes: Sequence[TrackFix], start: datetime) -> bytes:
    """Return the packed form of fixes in the order of `recorded_at`, at or after `start`."""
    blocks = (_block(fixes[first : first + BLOCK], start) for first in range(0, len(fixes), BLOCK))
    return bytes([VERSION]) + zlib.compress(b"".join(blocks), _LEVEL)


def unpack(data: bytes | memoryview, start: datetime) -> list[TrackFix]:
    """Return the fixes of a segment; `start` is that of `pack`. Raise `CorruptSegment`."""
    with _checked():
        return [fix for block in _blocks(data) for fix in block.fixes(start)]


def unpack_last(
    data: bytes | memoryview, start: datetime, at: datetime, count: int
) -> list[TrackFix]:
    """Return the last `count` fixes of a segment that were recorded at `at` or before.

    Only the blocks that have them are unpacked, and what follows is not read: damage there is not
    noticed. Raise `CorruptSegment`.
    """
    time = (at - start) // _MICROSECOND
    fixes: list[TrackFix] = []
    with _checked():
        for block in reversed(list(_blocks(data, time))):
            fixes = block.fixes(start, time, count - len(fixes)) + fixes
            if len(fixes) == count:
                break
    return fixes


@contextmanager
def _checked() -> Iterator[None]:
    try:
        yield
    except CorruptSegment:
        raise
    except (zlib.error, struct.error, ValueError, IndexError) as error:
        raise CorruptSegment("the segment is damaged") from error


def _block(fixes: Sequence[TrackFix], start: datetime) -> bytes:
    times = [(fix.recorded_at - start) // _MICROSECOND for fix in fixes]
    columns: list[list[int]] = [
        times,
        [(fix.received_at - fix.recorded_at) // _MICROSECOND for fix in fixes],
        [round(fix.latitude * E7) for fix in fixes],
        [round(fix.longitude * E7) for fix in fixes],
        [_scaled(fix.accuracy, 10) for fix in fixes],
        [_scaled(fix.heading, 1) for fix in fixes],
        [_scaled(fix.speed, 10) for fix in fixes],
        [_scaled(fix.battery, 1) for fix in fixes],
        [_bits(fix) for fix in fixes],
    ]
    body = b"".join(map(_encode, columns))
    return _HEADER.pack(len(fixes), len(body), times[0]) + body


def _fixes(start: datetime, columns: Iterable[Iterable[int]]) -> list[TrackFix]:
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
        for time, delay, latitude, longitude, accuracy, heading, speed, battery, bit in zip(
            *columns, strict=True
        )
    ]


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


def _blocks(data: bytes | memoryview, until: int | None = None) -> Iterator["_Block"]:
    """Yield the blocks of a segment, not unpacked yet, that begin until then, inclusively, or all.

    Raise CorruptSegment, zlib.error or struct.error.
    """
    raw = bytes(data)
    if not raw or raw[0] != VERSION:
        raise CorruptSegment(f"the segment's version is not {VERSION}")
    # Inflating is half of the cost of finding one fix, so it goes no further than it must.
    stream, rest = zlib.decompressobj(), raw[1:]
    while header := stream.decompress(rest, _HEADER.size):
        count, size, first_time = _HEADER.unpack(header)
        if until is not None and first_time > until:
            return
        plain = stream.decompress(stream.unconsumed_tail, size)
        if len(plain) != size:
            raise CorruptSegment("the segment is damaged")
        yield _Block(plain, count, first_time)
        rest = stream.unconsumed_tail
    if not stream.eof:
        raise CorruptSegment("the segment is damaged")


class _Block:
    """The columns of some fixes, which are read one after another, once."""

    def __init__(self, plain: bytes, count: int, first_time: int) -> None:
        self.first_time = first_time
        self._plain = plain
        self._count = count
        self._offset = 0

    def fixes(self, start: datetime, until: int | None = None, most: int = BLOCK) -> list[TrackFix]:
        """Return the last fixes, `most` at most, recorded until then, inclusively, or all fixes.

        Raise ValueError or IndexError if there is too little data.
        """
        if until is None:
            return _fixes(start, (self._take() for _ in range(_COLUMNS)))
        times = list(self._take())
        end = bisect_right(times, until)
        begin = max(0, end - most)
        if end - begin == 1:
            rest: list[Iterable[int]] = [[self._take_last(end)] for _ in range(_COLUMNS - 1)]
        else:
            rest = [islice(self._take(end), begin, end) for _ in range(_COLUMNS - 1)]
        return _fixes(start, (times[begin:end], *rest))

    def _take(self, limit: int | None = None) -> Iterable[int]:
        """Return the next column, up to `limit` of its numbers."""
        order, values = self._differences(limit)
        for _ in range(order):
            values = accumulate(values)
        return values

    def _take_last(self, limit: int) -> int:
        """Return the last one of the first `limit` numbers of the next column."""
        order, values = self._differences(limit)
        if order == 2:
            values = accumulate(values)
        return sum(values) if order else next(iter(values))

    def _differences(self, limit: int | None) -> tuple[int, Iterable[int]]:
        """Return the order of the next column, and its differences, up to `limit` of them.

        Order 0 is that of the numbers themselves.
        """
        begin = self._offset + 2
        order, size = self._plain[self._offset : begin]
        self._offset = begin + size * self._count
        count = self._count if limit is None else min(limit, self._count)
        width = _WIDTHS[size]
        raw = bytearray(width * count)
        for plane in range(size):
            first = begin + plane * self._count
            raw[plane::width] = self._plain[first : first + count]
        if order == 1 and raw.count(0, width) == len(raw) - width:  # no differences
            return 0, repeat(_signed(raw[:width], width)[0], count)
        return order, _signed(raw, width)


def _signed(raw: bytearray, width: int) -> Sequence[int]:
    """Return the numbers of a column that are zigzag in little-endian words of `width` bytes.

    All words are decoded at once, as parts of one large number: in an eighth of the time of a loop.
    """
    positive = int.from_bytes(raw, "little")
    odd = positive & _LOWEST_BITS[width]
    signed = (positive >> 1 & _ALL_BUT_HIGHEST_BITS[width]) ^ ((odd << 8 * width) - odd)
    numbers = array(_KINDS[width].lower(), signed.to_bytes(len(raw), "little"))
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


# Of each word in a block, by the bytes of a word.
_LOWEST_BITS: Final = {
    width: int.from_bytes((b"\1" + bytes(width - 1)) * BLOCK, "little") for width in (1, 2, 4, 8)
}
_ALL_BUT_HIGHEST_BITS: Final = {
    width: int.from_bytes((b"\xff" * (width - 1) + b"\x7f") * BLOCK, "little")
    for width in (1, 2, 4, 8)
}
